#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <thread>

#include "core/cpu_quota.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "tests/core/naive.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::test;

namespace {

struct Threads {
  int before = num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

/// The tensors that f returns have the same bits at 1, 2 and 3 threads.
void check_same_bits(const char* kernel, const std::function<std::vector<Tensor>()>& f) {
  std::vector<Tensor> expected;
  {
    const Threads one(1);
    expected = f();
  }
  for (const int n : {2, 3}) {
    const Threads several(n);
    const auto got = f();
    CAPTURE(kernel);
    CAPTURE(n);
    for (size_t i = 0; i < expected.size(); ++i) CHECK_SAME_BITS(got[i], expected[i]);
  }
}

}  // namespace

TEST_CASE("every parallel kernel gives the same bits at 1, 2 and 3 threads") {
  for (const DType dtype : floating_types) {
    const Tensor x = numbers({700, 300}, dtype, 1), y = numbers({700, 300}, dtype, 2), row = numbers({300}, dtype, 3);
    const Tensor images = numbers({37, 17, 15, 6}, dtype, 1), weight = numbers({9, 3, 3, 6}, dtype, 2);
    const Tensor out = core::conv2d(images, weight, Tensor(), 1, 1), per_channel = numbers({6}, dtype, 3);
    const Tensor indices = Tensor::from(Generator{1}.permutation(700));
    check_same_bits("unary", [&] { return std::vector<Tensor>{core::unary(core::UnaryOp::tanh, x)}; });
    check_same_bits("binary", [&] {
      return std::vector<Tensor>{core::binary(core::BinaryOp::divide, x, y), core::binary(core::BinaryOp::add, x, row)};
    });
    check_same_bits("random", [&] {
      Generator g{1};
      return std::vector<Tensor>{g.uniform({99999}, 0, 1, dtype), g.normal({99999}, 0, 1, dtype),
                                 g.bernoulli({99999}, 0.3, dtype)};
    });
    check_same_bits("reduce", [&] {
      return std::vector<Tensor>{core::sum(x),
                                 core::reduce(core::ReduceOp::sum, x, 0),
                                 core::reduce(core::ReduceOp::sum, x, 1),
                                 core::reduce(core::ReduceOp::max, x, 0),
                                 core::reduce(core::ReduceOp::max, x, 1),
                                 core::sum_to(images, {15, 1}),
                                 core::reduce(core::ReduceOp::sum, x.reshape({70000, 3}), 0),
                                 core::reduce(core::ReduceOp::max, x.reshape({70000, 3}), 0),
                                 core::reduce(core::ReduceOp::sum, x.reshape({70000, 3}), 1),
                                 core::sum_to(x, {1})};
    });
    check_same_bits("dot", [&] { return std::vector<Tensor>{core::dot(x, y)}; });
    check_same_bits("rows", [&] {
      return std::vector<Tensor>{core::softmax(x), core::log_softmax(x), core::argmax(x), core::gather_rows(x, indices),
                                 core::scatter_rows(x, indices, 900)};
    });
    check_same_bits("permute",
                    [&] { return std::vector<Tensor>{core::permute(x, {1, 0}), core::permute(images, {0, 3, 1, 2})}; });
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        check_same_bits("matmul", [&] {
          const Tensor a = numbers(ta ? Shape{500, 400} : Shape{400, 500}, dtype, 1),
                       b = numbers(tb ? Shape{600, 500} : Shape{500, 600}, dtype, 2);
          const Tensor batch_a = numbers(ta ? Shape{40, 50, 41} : Shape{40, 41, 50}, dtype, 1),
                       batch_b = numbers(tb ? Shape{40, 60, 50} : Shape{40, 50, 60}, dtype, 2);
          return std::vector<Tensor>{core::matmul(a, b, ta, tb), core::matmul(batch_a, batch_b, ta, tb)};
        });
    for (const Shape& size : {Shape{128, 256, 784}, Shape{1024, 70, 600}, Shape{9, 1500, 130}, Shape{700, 700, 30}})
      check_same_bits("matmul", [&] {
        const Tensor a = numbers({size[0], size[2]}, dtype, 1), b = numbers({size[1], size[2]}, dtype, 2);
        const Tensor turned = numbers({size[2], size[1]}, dtype, 2);
        return std::vector<Tensor>{core::matmul(a, b, false, true), core::matmul(a, turned), core::matmul(a, turned)};
      });
    check_same_bits("a row times a matrix", [&] {
      return std::vector<Tensor>{core::matmul(numbers({1, 400}, dtype), numbers({1500, 400}, dtype, 2), false, true)};
    });
    check_same_bits("convolution", [&] {
      return std::vector<Tensor>{core::conv2d(images, weight, numbers({9}, dtype, 4), 2, 1),
                                 core::conv2d_transpose(out, weight, images.shape(), 1, 1),
                                 core::conv2d_correlate(images, out, weight.shape(), 1, 1)};
    });
    for (const auto algorithm : {core::ConvAlgorithm::direct, core::ConvAlgorithm::winograd}) {
      core::set_conv_algorithm(algorithm);
      const Tensor many = numbers({40, 14, 14, 24}, dtype, 1), to_40 = numbers({40, 3, 3, 24}, dtype, 2);
      const Tensor one = numbers({1, 14, 14, 24}, dtype, 1), to_70 = numbers({70, 3, 3, 24}, dtype, 2);
      const Tensor larger = numbers({1, 16, 20, 24}, dtype, 1);  // Winograd's tiles of 4 x 4
      check_same_bits("convolution of one image", [&] {
        return std::vector<Tensor>{core::conv2d(one, to_70, Tensor(), 1, 1),
                                   core::conv2d(larger, to_70, Tensor(), 1, 1)};
      });
      check_same_bits("large convolution", [&] {
        const Tensor y = core::conv2d(many, to_40, Tensor(), 1, 1);
        return std::vector<Tensor>{y, core::conv2d_transpose(y, to_40, many.shape(), 1, 1),
                                   core::conv2d_correlate(many, y, to_40.shape(), 1, 1)};
      });
    }
    core::set_conv_algorithm(core::ConvAlgorithm::automatic);
    check_same_bits("convolution with few outputs", [&] {
      const Tensor x = numbers({300, 5, 5, 16}, dtype, 1), w = numbers({60, 5, 5, 16}, dtype, 2);
      const Tensor y = core::conv2d(x, w, Tensor(), 1, 0);
      return std::vector<Tensor>{y, core::conv2d_transpose(y, w, x.shape(), 1, 0),
                                 core::conv2d_correlate(x, y, w.shape(), 1, 0)};
    });
    check_same_bits("pooling of one image", [&] {
      const Tensor one = numbers({1, 70, 66, 20}, dtype, 1);
      const auto [pooled, positions] = core::max_pool2d(one, {3, 3, 2, 1});
      return std::vector<Tensor>{pooled, positions, core::avg_pool2d(one, {3, 3, 2, 1})};
    });
    check_same_bits("pooling", [&] {
      const auto [pooled, positions] = core::max_pool2d(images, {3, 3, 2, 1});
      return std::vector<Tensor>{
          pooled, positions, core::scatter_positions(pooled, positions, images.shape(), {3, 3, 2, 1}),
          core::avg_pool2d(images, {3, 3, 2, 1}), core::avg_pool2d_transpose(pooled, images.shape(), {3, 3, 2, 1})};
    });
    check_same_bits("batch normalisation", [&] {
      const core::Moments moments = core::channel_moments(images), many = core::channel_moments(x);
      const auto [gx, gweight, gbias, none] =
          core::normalise_backward(images, images, moments, per_channel, per_channel, 1e-5);
      return std::vector<Tensor>{moments.mean,
                                 moments.variance,
                                 many.variance,
                                 core::normalise(images, moments, per_channel, per_channel, 1e-5),
                                 core::normalise_backward(x, y, many, row, row, 1e-5).x,
                                 gx,
                                 gweight,
                                 gbias};
    });
    check_same_bits("the gradient of softmax", [&] { return std::vector<Tensor>{core::softmax_backward(x, y)}; });
    check_same_bits("a product whose units hang on the threads", [&] {
      const Tensor a = numbers({500, 600}, dtype, 1), b = numbers({500, 400}, dtype, 2);
      return std::vector<Tensor>{core::matmul(a, b, true), core::matmul(b, a, true)};
    });
    check_same_bits("layer normalisation", [&] {
      const auto [gx, gweight, gbias, none] = core::layer_norm_backward(y, x, row, 1e-5);
      return std::vector<Tensor>{core::layer_norm(x, row, row, 1e-5), gx, gweight, gbias};
    });
    check_same_bits("update", [&] {
      Tensor w = x.flatten().clone(), states[2] = {y.flatten().clone(), core::unary(core::UnaryOp::abs, y.flatten())};
      const core::AdamRule adam{0.1, 0.9, 0.99, 1e-8, 0.1, 0.1, 0.1, false};
      core::backend(Device::cpu).update(core::kernel_of(adam), w, y, states);
      return std::vector<Tensor>{w, states[0], states[1]};
    });
  }
}

TEST_CASE("parallel_for covers every item exactly once") {
  for (const int threads : {1, 2, 5}) {
    const Threads several(threads);
    for (const int64_t n : {0, 1, 10, 999, 1000, 1001, 100000})
      for (const int64_t grain : {1, 7, 1000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        std::atomic<int> bad{0};
        core::parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          if (begin % grain != 0 || end != std::min(n, begin + grain)) ++bad;
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        CHECK(bad == 0);
        for (const auto& count : seen) bad += count != 1;
        CHECK(bad == 0);
      }
  }
}

TEST_CASE("threads of one region have different indices below num_threads") {
  const Threads four(4);
  std::atomic<int> bad{0};
  std::atomic<int> inside[4] = {};
  for (int round = 0; round < 50; ++round)
    core::parallel_chunks(64, [&](int64_t) {
      const int index = core::thread_index();
      if (index < 0 || index >= 4 || inside[index].fetch_add(1) != 0) ++bad;
      for (volatile int wait = 0; wait < 500;) wait = wait + 1;
      --inside[index];
    });
  CHECK(bad == 0);
  CHECK(core::thread_index() == 0);
}

TEST_CASE("a region inside a region runs, and so do regions of several threads at once") {
  const Threads three(3);
  std::atomic<int64_t> total{0};
  core::parallel_chunks(10, [&](int64_t) { core::parallel_chunks(10, [&](int64_t i) { total += i; }); });
  CHECK(total == 450);

  total = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) core::parallel_chunks(20, [&](int64_t i) { total += i; });
    });
  for (auto& caller : callers) caller.join();
  CHECK(total == 4 * 200 * 190);
}

TEST_CASE("kernels called from several threads at once give what they give alone") {
  const Threads two(2);
  const Tensor x = numbers({8, 20, 20, 4}), weight = numbers({8, 3, 3, 4});
  const Tensor expected = core::conv2d(x, weight, Tensor(), 1, 1);
  std::atomic<int> different{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t)
    callers.emplace_back([&] {
      for (int round = 0; round < 30; ++round)
        different += !bit_difference(core::conv2d(x, weight, Tensor(), 1, 1), expected).empty();
    });
  for (auto& caller : callers) caller.join();
  CHECK(different == 0);
}

TEST_CASE("an exception in a chunk reaches the caller, and the pool works on") {
  for (const int threads : {1, 3}) {
    const Threads several(threads);
    for (int round = 0; round < 20; ++round) {
      CHECK_ERROR(core::parallel_chunks(100,
                                        [&](int64_t i) {
                                          if (i == 37) fail("chunk", text(i), "another");
                                        }),
                  "[chunk] got 37");
      std::atomic<int> count{0};
      core::parallel_chunks(100, [&](int64_t) { ++count; });
      CHECK(count == 100);
    }
  }
}

TEST_CASE("the number of threads changes at any time between kernels, and 0 is refused") {
  const Threads restore(2);
  for (const int n : {1, 4, 2, 3, 1}) {
    set_num_threads(n);
    CHECK(num_threads() == n);
    std::atomic<int> count{0};
    core::parallel_chunks(50, [&](int64_t) { ++count; });
    CHECK(count == 50);
  }
  CHECK_ERROR(set_num_threads(0), "[set_num_threads] got 0");
  CHECK(num_threads() == 1);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which need more memory than this leaves
TEST_CASE("a thread that the system does not give is an error that says which, and fewer threads work on") {
  const pid_t child = fork();  // whose memory is limited, to what a few threads need
  if (child == 0) {
    const rlimit little{size_t{1} << 30, size_t{1} << 30};
    setrlimit(RLIMIT_AS, &little);
    set_num_threads(1000);
    const auto sum = [] {
      std::atomic<int64_t> total{0};
      core::parallel_chunks(2000, [&](int64_t i) { total += i; });
      return total.load();
    };
    const std::string message = test::error_of(sum);
    set_num_threads(2);
    const bool named = test::contains(message, "[threads] got \"Resource temporarily unavailable\" when thread ") &&
                       test::contains(message, " of 1000 was started, expected a system that gives them");
    _exit(named && sum() == 1999000 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
#endif

TEST_CASE("workers that fell asleep wake for the next region") {
  const Threads three(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> arrived{0};
    // Each chunk waits for the other two, so all three threads must come.
    core::parallel_chunks(3, [&](int64_t) {
      ++arrived;
      for (int spins = 0; arrived < 3 && spins < 100000000; ++spins) std::this_thread::yield();
    });
    CHECK(arrived == 3);
  }
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child computes and exits, though it has no workers") {
  const Threads two(2);
  const Tensor x = numbers({400, 400}), expected = core::matmul(x, x);
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    const bool same = bit_difference(core::matmul(x, x), expected).empty();
    std::exit(same ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif

TEST_CASE("MINIMA_THREADS sets the number of threads, and nonsense in it is refused by name") {
  if (const char* expected = std::getenv("MINIMA_TEST_EXPECT")) {  // the child's half
    const std::string got = error_of([] { throw Error(std::to_string(num_threads())); });
    const std::string message = error_of([] { num_threads(); });
    std::_Exit(contains(got + message, expected) ? 0 : 3);
  }
  char program[4096] = {};
  if (readlink("/proc/self/exe", program, sizeof program - 1) <= 0) return;
  const auto child = [&](const std::string& value, const std::string& expected) {
    return std::system(("MINIMA_THREADS='" + value + "' MINIMA_TEST_EXPECT=\"" + expected + "\" '" + program +
                        "' --test-case='MINIMA_THREADS sets*' > /dev/null")
                           .c_str());
  };
  CHECK(child("3", "3") == 0);
  CHECK(child("3", "4") != 0);
  CHECK(child("two", "[MINIMA_THREADS] got 'two', expected a number of threads") == 0);
  CHECK(child("0", "[MINIMA_THREADS] got '0'") == 0);
}

TEST_CASE("a container's quota is read from its control groups, the smallest limit above the process counts") {
  const TemporaryFolder folder;
  const auto put = [&](const std::string& name, const std::string& content) { folder.write(name, content); };
  const std::string root = folder.file("cgroup"), membership = folder.file("self");
  CHECK(std::isinf(core::cpu_quota(root, membership)));
  put("self", "0::/user/job\n");
  put("cgroup/user/cpu.max", "max 100000\n");
  CHECK(std::isinf(core::cpu_quota(root, membership)));
  put("cgroup/user/job/cpu.max", "300000 100000\n");
  CHECK(core::cpu_quota(root, membership) == 3);
  put("cgroup/user/cpu.max", "150000 100000\n");
  CHECK(core::cpu_quota(root, membership) == 1.5);
  put("cgroup/cpu.max", "50000 100000\n");
  CHECK(core::cpu_quota(root, membership) == 0.5);
  const std::string old = folder.file("old");
  put("self", "4:cpu,cpuacct:/job\n7:memory:/job\n");
  put("old/cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  put("old/cpu,cpuacct/job/cpu.cfs_quota_us", "-1");
  CHECK(std::isinf(core::cpu_quota(old, membership)));
  put("old/cpu,cpuacct/job/cpu.cfs_quota_us", "200000");
  CHECK(core::cpu_quota(old, membership) == 2);
  put("old/cpu/cpu.cfs_period_us", "100000");
  put("old/cpu/cpu.cfs_quota_us", "100000");
  CHECK(core::cpu_quota(old, membership) == 1);
}

#if defined(__SSE2__) || defined(__aarch64__)
TEST_CASE("in a scope of DenormalsAreZero they are 0 on every thread, and nowhere else") {
  const auto largest_product = [](double x, double y) {
    const Tensor a = Tensor::full({1 << 18}, x), b = Tensor::full({1 << 18}, y);
    return core::reduce(core::ReduceOp::max, core::binary(core::BinaryOp::multiply, a, b), 0).item();
  };
  for (const int threads : {1, 2}) {
    const Threads scope(has_threads() ? threads : 1);
    for (int repeat = 0; repeat < 20; ++repeat) {
      CHECK(largest_product(1e-20, 1e-20) > 0);
      const core::DenormalsAreZero denormals;
      CHECK(largest_product(1e-20, 1e-20) == 0);
      CHECK(largest_product(1e-39, 1e30) == 0);
    }
    CHECK(largest_product(1e-20, 1e-20) > 0);
  }
}
#endif
