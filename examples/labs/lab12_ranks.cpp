// lab12_ranks: on several processes, does each perturb along its own momentum, or all along the joined one? One process
// simulates the ranks; a test shows that they are those of mpirun.
#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "examples/kit/evaluation.h"
#include "examples/kit/tuning.h"
#include "examples/labs/lab_data.h"
#include "examples/labs/rankwise.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab12_ranks",
    .title = "Lab 12. Perturbations on several ranks",
    .question =
        "Four or sixteen processes share each batch. SAM may perturb along the gradient of the whole batch, for which "
        "the processes talk twice a step, or each along the gradient of its own part, for which they talk once: "
        "m-sharpness, m being the samples of a part. MSAM talks once in any case; it may go along the joined momentum, "
        "or each process along the momentum of its own parts. Is that cheaper still? Are its minima flatter, or its "
        "test accuracy higher, as m-sharpness is said to do for SAM?",
    .refuted_by =
        "a rank's own momentum that stands at right angles to the joined one: then it would be a random direction, and "
        "what it does would be no property of momentum."};

LabData data{{.images = 4000, .epochs = 12, .seeds = 3}, {.images = 512, .epochs = 2, .seeds = 2}};

constexpr double lr = 0.05, mu = 0.9, decay = 5e-4;

struct Arm {
  std::string words;
  Point point;
  int ranks;
  std::vector<double> rhos;

  bool is_own() const { return point == Point::own_momentum || point == Point::own_gradient; }
};

const std::vector<double> of_sam{0.05, 0.1, 0.2}, of_msam{0.2, 0.5, 1};
const std::vector<Arm> arms{{"SGD", Point::weights, 4, {0}},
                            {"SAM, joined", Point::joined_gradient, 4, of_sam},
                            {"SAM, own of 4", Point::own_gradient, 4, of_sam},
                            {"SAM, own of 16", Point::own_gradient, 16, of_sam},
                            {"MSAM, joined", Point::joined_momentum, 4, of_msam},
                            {"MSAM, own of 4", Point::own_momentum, 4, of_msam},
                            {"MSAM, own of 16", Point::own_momentum, 16, of_msam}};

struct Outcome {
  double train_loss = NAN, test_loss = NAN, test_accuracy = NAN, eigenvalue = NAN;
  double likeness = NAN;  ///< cosine between a rank's own momentum and the joined one, at the ends of epochs
  double sums = NAN, gradients = NAN;  ///< a step
};

/// The parts of a batch, one a rank, cut as datasets::Loader cuts them.
std::vector<optim::Closure> parts_of(nn::Module& model, const datasets::Batch& batch, int ranks) {
  std::vector<optim::Closure> parts;
  const int64_t n = batch.x.size(0);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const int64_t begin = n * rank / ranks, end = n * (rank + 1) / ranks;
    parts.push_back([&model, x = batch.x.slice(begin, end), y = batch.y.slice(begin, end),
                     share = static_cast<double>(end - begin) / static_cast<double>(n)] {
      Variable loss = loss_of(model(x), y) * share;
      loss.backward();
      return loss;
    });
  }
  return parts;
}

double cosine(const Tensor& a, const Tensor& b) {
  return core::dot(a, b).item() / (core::norm(a).item() * core::norm(b).item());
}

Outcome train(Lab& lab, const Problem& problem, const Arm& arm, double rho, uint64_t seed, bool with_curvature) {
  manual_seed(seed);
  nn::AnyModule model = nn::make_model(problem.model, problem.train.input_shape(), outputs_for(problem.train));
  // Every batch is full: a last one could have fewer samples than there are ranks.
  const datasets::Loader batches(problem.train, {.batch_size = problem.batch, .seed = seed, .drop_last = true});
  const int64_t steps = data.epochs() * batches.steps_per_epoch();
  GroupOfOne group;
  Rankwise method(
      optim::SGD{model->parameters(), {.lr = optim::cosine(lr, steps), .momentum = mu, .weight_decay = decay}},
      arm.point, rho, arm.ranks, group);
  Outcome outcome{.likeness = 0};
  for (int64_t epoch = 0; epoch < data.epochs(); ++epoch) {
    model->train();
    for (const datasets::Batch& batch : batches.epoch(epoch)) {
      method.step(parts_of(*model, batch, arm.ranks));
      lab.stop_if_interrupted();
    }
    for (int rank = 0; rank < arm.ranks; ++rank)
      outcome.likeness +=
          cosine(method.own_momentum(rank), method.base().momentum()) / arm.ranks / static_cast<double>(data.epochs());
  }
  outcome.sums = static_cast<double>(group.count().all_reduces) / static_cast<double>(steps);
  outcome.gradients = static_cast<double>(method.gradients()) / static_cast<double>(steps);
  refresh_batch_norm(*model, problem.train, problem.batch);
  const Evaluation test = evaluate(*model, problem.test);
  outcome.train_loss = evaluate(*model, problem.train).loss;
  outcome.test_loss = test.loss, outcome.test_accuracy = test.accuracy;
  if (with_curvature) {
    model->eval();
    const datasets::Batch sample = evenly_spaced(problem.train, 512).all();
    outcome.eigenvalue =
        optim::largest_eigenvalue([&] { return loss_of((*model)(sample.x), sample.y); }, model->parameters()).value;
  }
  return outcome;
}

struct Result {
  Arm arm;
  double rho;
  std::vector<Outcome> runs;

  std::vector<double> of(double Outcome::* what) const {
    std::vector<double> all;
    for (const Outcome& run : runs) all.push_back(run.*what);
    return all;
  }
  double mean(double Outcome::* what) const { return interval_95(of(what)).mean; }
};

/// The radius with the highest accuracy on validation data, of one run each.
double chosen_radius(Lab& lab, const Images& images, const Arm& arm) {
  if (lab.quick() || arm.rhos.size() == 1) return arm.rhos[arm.rhos.size() / 2];
  Problem validation = images.problem;
  validation.test = images.validation;
  double best = arm.rhos[0], accuracy = -1;
  for (const double rho : arm.rhos) {
    const Outcome o = train(lab, validation, arm, rho, first_tuning_seed, false);
    lab.record("validation", {{"arm", arm.words}, {"rho", rho}, {"accuracy", o.test_accuracy}});
    if (o.test_accuracy > accuracy) best = rho, accuracy = o.test_accuracy;
  }
  return best;
}

Interval difference(const Result& a, const Result& b, double Outcome::* what) {
  return paired_difference(a.of(what), b.of(what));
}

void ranks(Lab& lab) {
  data.take(lab);
  const Images images = data.load_with_validation();
  if (images.problem.device != Device::cpu) fail("lab12", "--device cuda", "cpu, on which all ranks take turns");
  if (images.problem.batch < 16)
    fail("lab12", text("batches of ", images.problem.batch), "at least 16 samples, one for each rank");
  std::vector<Result> results;
  for (const Arm& arm : arms) {
    results.push_back({arm, chosen_radius(lab, images, arm), {}});
    for (const uint64_t seed : seeds_from(1, data.seeds())) {
      const Outcome o = train(lab, images.problem, arm, results.back().rho, seed, true);
      results.back().runs.push_back(o);
      lab.record("runs", {{"arm", arm.words},
                          {"ranks", int64_t{arm.ranks}},
                          {"rho", results.back().rho},
                          {"seed", static_cast<int64_t>(seed)},
                          {"sums_per_step", o.sums},
                          {"gradients_per_step", o.gradients},
                          {"train_loss", o.train_loss},
                          {"test_loss", o.test_loss},
                          {"test_accuracy", o.test_accuracy},
                          {"lambda_max", o.eigenvalue},
                          {"likeness", o.likeness}});
    }
  }
  const auto result = [&](const std::string& words) -> const Result& {
    return *std::find_if(results.begin(), results.end(), [&](const Result& r) { return r.arm.words == words; });
  };
  const Result& sgd = result("SGD");
  Table table{{"perturbation", "rho", "sums", "gradients", "test accuracy %", "minus SGD's", "test loss", "lambda max",
               "cos(v_r, v)"}};
  for (const Result& r : results)
    table.push_back({r.arm.words, number_text(r.rho), number_text(r.mean(&Outcome::sums)),
                     number_text(r.mean(&Outcome::gradients)),
                     interval_text(interval_95(r.of(&Outcome::test_accuracy)), 100),
                     &r == &sgd ? "" : difference_text(difference(r, sgd, &Outcome::test_accuracy), 100),
                     interval_text(interval_95(r.of(&Outcome::test_loss))),
                     interval_text(interval_95(r.of(&Outcome::eigenvalue))), fixed(r.mean(&Outcome::likeness), 2)});
  lab.table(text("Batches of ", images.problem.batch, " samples, shared by the ranks; ", data.seeds(),
                 " seeds with 95% intervals. Sums over the ranks, and gradients of a rank, are those of a step."),
            table);
  Table pairs{{"own minus joined", "test accuracy, points", "test loss", "lambda max"}};
  for (const char* method : {"SAM", "MSAM"})
    for (const char* of : {"4", "16"}) {
      const Result &own = result(text(method, ", own of ", of)), &joined = result(text(method, ", joined"));
      pairs.push_back({own.arm.words, difference_text(difference(own, joined, &Outcome::test_accuracy), 100),
                       difference_text(difference(own, joined, &Outcome::test_loss)),
                       difference_text(difference(own, joined, &Outcome::eigenvalue))});
    }
  lab.table("Each rank's own perturbation against the joined one, in pairs of equal seeds:", pairs);
  lab.say(
      "What is sent: SAM with joined perturbations needs two sums a step, all others one. A rank's own momentum saves "
      "MSAM nothing, because the joined momentum is made of gradients that every rank has received already.");
  for (const auto& [words, sums] :
       {std::pair{"SGD", 1}, {"SAM, joined", 2}, {"SAM, own of 4", 1}, {"MSAM, joined", 1}, {"MSAM, own of 4", 1}})
    lab.expect_always(text("sums over the ranks in a step, ", words), result(words).mean(&Outcome::sums),
                      within(sums, 0));
  lab.expect_always("gradients in a step, MSAM with own momenta", result("MSAM, own of 16").mean(&Outcome::gradients),
                    within(1, 0));
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, ranks, [](CommandLine& line) { data.add_to(line); });
}
