// What communication costs: sums of tensors over ranks, by size, and training steps with what they send. Run with
//   mpirun -np 2 build/bin/bench_allreduce [SECONDS]      for each line, 1 if not told
// Prints CSV with two tables: "sum,ranks,bytes,ms,mpi_ms" (minima's sum in a fixed order, and MPI_Allreduce for
// comparison) and "step,ranks,model,optimizer,step_ms,sum_ms,gradients,sums,bytes", medians of rank 0; sum_ms holds the
// wait for the slowest rank. Each rank has a batch of its own, of 64 samples, so that the work of a rank does not
// depend on their number. Not here: what larger clusters would take (bench/distributed_model).
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/mpi/world.h"
#include "minima.h"

using namespace minima;
using Clock = std::chrono::steady_clock;

namespace {

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A group that looks at its clock around each sum.
class Timed : public Communicator {
 public:
  explicit Timed(Communicator& group) : group_(group) {}
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  int size_here() const override { return group_.size_here(); }
  int rank_here() const override { return group_.rank_here(); }
  std::vector<std::string> gather(const std::string& text) override { return group_.gather(text); }
  void barrier() override { group_.barrier(); }
  double ms = 0;

 protected:
  void sum(Tensor& tensor) override {
    const auto start = Clock::now();
    group_.all_reduce_sum(tensor);
    ms += ms_since(start);
  }
  void copy_from_root(Tensor& tensor) override { group_.broadcast(tensor); }

 private:
  Communicator& group_;
};

/// The same on every rank, by rank 0's clock.
bool go_on(Communicator& group, Clock::time_point start, double seconds) {
  Tensor more = Tensor::full({1}, ms_since(start) < 1000 * seconds ? 1 : 0, DType::float64);
  group.broadcast(more);
  return more.item() != 0;
}

template <class F>
double median_ms(Communicator& group, double seconds, F work) {
  for (int i = 0; i < 3; ++i) work();
  std::vector<double> all;
  for (const auto begin = Clock::now(); all.size() < 5 || go_on(group, begin, seconds);)
    for (int i = 0; i < 5; ++i) {
      group.barrier();
      const auto start = Clock::now();
      work();
      all.push_back(ms_since(start));
    }
  return median(all);
}

void sums(Communicator& group, double seconds) {
  const bool is_root = group.rank() == 0;
  if (is_root) std::printf("sum,ranks,bytes,ms,mpi_ms\n");
  for (int64_t count = 1; count <= int64_t{1} << 24; count *= 4) {
    Tensor tensor = Tensor::zeros({count});
    const double ms = median_ms(group, seconds, [&] { group.all_reduce_sum(tensor); });
    const double mpi_ms = group.size() == 1 ? 0 : median_ms(group, seconds, [&] {
      MPI_Allreduce(MPI_IN_PLACE, tensor.raw(), static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    });
    if (is_root) std::printf("sum,%d,%lld,%.4f,%.4f\n", group.size(), static_cast<long long>(4 * count), ms, mpi_ms);
  }
}

struct Trainee {
  std::string optimizer;
  nn::AnyModule model;
  std::unique_ptr<optim::Optimizer> trainer;
  std::vector<double> step_ms{}, sum_ms{};
};

void steps(Communicator& real, double seconds) {
  Timed group(real);
  const bool is_root = group.rank() == 0;
  if (is_root) std::printf("step,ranks,model,optimizer,step_ms,sum_ms,gradients,sums,bytes\n");
  for (const std::string name : {"mlp_big", "cnn", "resnet20", "wrn16-4"}) {
    const Shape image = name == "mlp_big" || name == "cnn" ? Shape{28, 28, 1} : Shape{32, 32, 3};
    const Tensor x = Generator{static_cast<uint64_t>(group.rank()), 0}.normal({64, image[0], image[1], image[2]});
    const Tensor y = Tensor::zeros({64}, DType::int64);
    std::vector<Trainee> trainees;
    for (const std::string optimizer : {"sgd", "msam", "sam"}) {
      manual_seed(1);
      Trainee t{optimizer, nn::make_model(name, image, 10), nullptr};
      t.trainer = optim::make_optimizer(optimizer, t.model->parameters(), {.hyperparameters = {{"lr", 1e-3}}});
      t.trainer->distribute(group);
      trainees.push_back(std::move(t));
    }
    const auto begin = Clock::now();
    for (int round = 0; round < 6 || go_on(group, begin, 3 * seconds); ++round)
      for (Trainee& t : trainees) {  // which take turns, so that a drift of the machine touches all alike
        group.barrier();
        group.ms = 0;
        const auto start = Clock::now();
        t.trainer->step([&] {
          Variable loss = nn::cross_entropy((*t.model)(x), y) * (1.0 / group.size());
          loss.backward();
          return loss;
        });
        if (round < 3) continue;
        t.step_ms.push_back(ms_since(start)), t.sum_ms.push_back(group.ms);
      }
    for (Trainee& t : trainees) {
      const Communicator::Count before = group.count();
      t.trainer->step([&] {
        Variable loss = nn::cross_entropy((*t.model)(x), y) * (1.0 / group.size());
        loss.backward();
        return loss;
      });
      if (is_root)
        std::printf("step,%d,%s,%s,%.3f,%.3f,%lld,%lld,%lld\n", group.size(), name.c_str(), t.optimizer.c_str(),
                    median(t.step_ms), median(t.sum_ms),
                    static_cast<long long>(t.trainer->gradient_evaluations() / t.trainer->steps()),
                    static_cast<long long>(group.count().all_reduces - before.all_reduces),
                    static_cast<long long>(group.count().bytes - before.bytes));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::unique_ptr<Communicator> group = core::mpi_world();
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  if (!(seconds > 0)) {
    std::fputs("usage: mpirun -np 2 bench_allreduce [SECONDS]\n", stderr);
    group->leave();
    return 2;
  }
  sums(*group, seconds);
  steps(*group, seconds);
  return 0;
}
