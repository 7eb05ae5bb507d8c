#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/cpu/microkernels.h"
#include "core/gemm.h"
#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

/// op(a) op(b) by three loops in double; a and b as stored.
std::vector<double> product_loop(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const std::vector<double>& a,
                                 const std::vector<double>& b) {
  std::vector<double> c;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum += a[static_cast<size_t>(ta ? p * m + i : i * k + p)] * b[static_cast<size_t>(tb ? j * k + p : p * n + j)];
      c.push_back(sum);
    }
  return c;
}

Tolerance product_tolerance(DType dtype, int64_t k) {
  return rounding(dtype, 64 * std::sqrt(static_cast<double>(k) + 1));
}

const std::vector<Shape> sizes = {{1, 1, 1},    {1, 7, 5},     {7, 1, 5},     {7, 5, 1}, {2, 3, 4}, {17, 19, 23},
                                  {64, 64, 64}, {65, 129, 67}, {5, 300, 130}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}};

template <class T>
void check_gemm(bool plain) {
  for (const Shape& size : sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const T beta : {T(0), T(1), T(0.5)}) {
          const int64_t m = size[0], n = size[1], k = size[2];
          // All matrices have longer rows than the product needs, and c holds NaN where it must not be read.
          const Shape stored_a = ta ? Shape{k, m} : Shape{m, k}, stored_b = tb ? Shape{n, k} : Shape{k, n};
          const int64_t lda = stored_a[1] + 2, ldb = stored_b[1] + 5, ldc = n + 3;
          const Tensor a = numbers({stored_a[0], lda}, dtype_of<T>, 1), b = numbers({stored_b[0], ldb}, dtype_of<T>, 2);
          const double start = beta == 0 ? std::numeric_limits<double>::quiet_NaN() : 2.0;
          Tensor c = Tensor::full({m, ldc}, start, dtype_of<T>);
          const auto multiply = [&](auto f) {
            f(ta, tb, m, n, k, a.data<T>(), lda, b.data<T>(), ldb, beta, c.mutable_data<T>(), ldc);
          };
          if (plain)
            multiply([](auto... args) { core::gemm_reference(args...); });
          else
            multiply([](auto... args) { core::gemm(args...); });
          auto expected = product_loop(ta, tb, m, n, k, values(core::slice(a, 1, 0, stored_a[1])),
                                       values(core::slice(b, 1, 0, stored_b[1])));
          for (double& e : expected) e += static_cast<double>(beta) * (beta == 0 ? 0.0 : 2.0);
          CAPTURE(size);
          CHECK_CLOSE(values(core::slice(c, 1, 0, n)), expected, product_tolerance(dtype_of<T>, k));
          CHECK_SAME_BITS(core::slice(c, 1, n, ldc), Tensor::full({m, 3}, start, dtype_of<T>));
        }
}

}  // namespace

TEST_CASE("the reference gemm agrees with three loops, for every transposition, odd size and beta") {
  check_gemm<float>(true);
  check_gemm<double>(true);
}

TEST_CASE("gemm agrees with three loops, for every transposition, odd size and beta") {
  check_gemm<float>(false);
  check_gemm<double>(false);
}

TEST_CASE(
    "minima's own gemm agrees with three loops on every instruction set, also where k, rows and columns are cut, "
    "with bias and relu") {
  const std::string before = core::cpu::kernels().name;
  for (const std::string& set : core::cpu::instruction_sets()) {
    core::cpu::set_instruction_set(set);
    CAPTURE(set);
    auto all = sizes;
    for (const Shape& size :
         {Shape{300, 70, 900}, Shape{20, 33, 1024}, Shape{230, 8, 400}, Shape{3, 1100, 40}, Shape{530, 540, 20},
          Shape{530, 620, 10}, Shape{60, 130, 1040}, Shape{40, 8, 1024}, Shape{530, 20, 40}, Shape{4, 9, 3000},
          Shape{47, 50, 530}, Shape{60, 16, 64}, Shape{3, 9, 800}})
      all.push_back(size);
    for (const Shape& size : all)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true})
          for (const bool accumulate : {false, true}) {
            const int64_t m = size[0], n = size[1], k = size[2], ldc = n + 3;
            const Shape stored_a = ta ? Shape{k, m} : Shape{m, k}, stored_b = tb ? Shape{n, k} : Shape{k, n};
            const int64_t lda = k == 900 ? 1024 : stored_a[1] + 2, ldb = stored_b[1] + 5;  // 1024: rows a page apart
            const Tensor a = numbers({stored_a[0], lda}, DType::float32, 1),
                         b = numbers({stored_b[0], ldb}, DType::float32, 2), bias = numbers({n}),
                         start = Tensor::full({m, ldc}, accumulate ? 2.0 : std::numeric_limits<double>::quiet_NaN());
            const auto product = product_loop(ta, tb, m, n, k, values(core::slice(a, 1, 0, stored_a[1])),
                                              values(core::slice(b, 1, 0, stored_b[1]))),
                       biases = values(bias);
            for (const bool epilogue : {false, true}) {
              Tensor c = start.clone();
              core::gemm_tiles(ta, tb, m, n, k, a.data<float>(), lda, b.data<float>(), ldb,
                               epilogue ? bias.data<float>() : nullptr, epilogue, accumulate, c.mutable_data<float>(),
                               ldc);
              auto expected = product;
              for (size_t i = 0; i < expected.size(); ++i) {
                expected[i] += accumulate ? 2.0 : 0.0;
                if (epilogue) expected[i] = std::max(0.0, expected[i] + biases[i % biases.size()]);
              }
              CAPTURE(size);
              CHECK_CLOSE(values(core::slice(c, 1, 0, n)), expected, product_tolerance(DType::float32, k));
              CHECK_SAME_BITS(core::slice(c, 1, n, ldc), core::slice(start, 1, n, ldc));
            }
          }
  }
  core::cpu::set_instruction_set(before);
}

namespace {

/// The numbers of x, the last of which are the last before a page that must not be touched.
struct BeforeForbiddenPage {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes;
  char* memory;
  float* data;
  explicit BeforeForbiddenPage(const Tensor& x)
      : bytes((static_cast<size_t>(x.numel()) * sizeof(float) + page - 1) / page * page),
        memory(static_cast<char*>(
            mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0))),
        data(reinterpret_cast<float*>(memory + bytes) - x.numel()) {
    REQUIRE(memory != MAP_FAILED);
    REQUIRE(mprotect(memory + bytes, page, PROT_NONE) == 0);
    std::copy_n(x.data<float>(), x.numel(), data);
  }
  BeforeForbiddenPage(const BeforeForbiddenPage&) = delete;
  ~BeforeForbiddenPage() { munmap(memory, bytes + page); }
};

}  // namespace

TEST_CASE("minima's own gemm touches nothing that lies behind its operands") {
  for (const Shape& size :
       {Shape{7, 9, 700}, Shape{13, 33, 520}, Shape{47, 50, 530}, Shape{128, 20, 300}, Shape{65, 16, 64}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const int64_t m = size[0], n = size[1], k = size[2];
        const Tensor a = numbers(ta ? Shape{k, m} : Shape{m, k}, DType::float32, 1),
                     b = numbers(tb ? Shape{n, k} : Shape{k, n}, DType::float32, 2);
        const BeforeForbiddenPage a_at_end(a), b_at_end(b), c_at_end(Tensor::zeros({m, n}));
        core::gemm_tiles(ta, tb, m, n, k, a_at_end.data, ta ? m : k, b_at_end.data, tb ? k : n, nullptr, false, false,
                         c_at_end.data, n);
        CAPTURE(size);
        CHECK_CLOSE(std::vector<double>(c_at_end.data, c_at_end.data + m * n),
                    product_loop(ta, tb, m, n, k, values(a), values(b)), product_tolerance(DType::float32, k));
      }
}

// In builds of OpenBLAS that hold the kernels of many processors; null in others, and without OpenBLAS.
extern "C" __attribute__((weak)) void gotoblas_dynamic_init();

// OpenBLAS takes its oldest kernels for a processor that it does not know.
TEST_CASE("OpenBLAS multiplies with AVX2 or AVX-512 where the processor has it") {
  const std::string description = core::gemm_description();
  CAPTURE(description);
  if (!gotoblas_dynamic_init || std::getenv("OPENBLAS_CORETYPE")) return;
  if (core::cpu::instruction_sets().front() == "baseline") return;
  for (const char* old : {"Prescott", "Nehalem", "Core2", "Penryn", "Sandybridge", "Barcelona", "Bulldozer"})
    CHECK_FALSE(contains(description, old));
}

TEST_CASE("large products, cut into slices along m or n, agree with the reference") {
  for (const DType dtype : floating_types)
    for (const Shape& size : {Shape{128, 256, 784}, Shape{256, 784, 128}, Shape{1000, 33, 300}, Shape{33, 1000, 300},
                              Shape{1100, 17, 50}, Shape{1, 1000, 300}, Shape{1000, 1, 300}, Shape{520, 530, 540}})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          const int64_t m = size[0], n = size[1], k = size[2];
          const Tensor a = numbers(ta ? Shape{k, m} : Shape{m, k}, dtype, 1),
                       b = numbers(tb ? Shape{n, k} : Shape{k, n}, dtype, 2);
          const Tensor wide_a = a.to(DType::float64), wide_b = b.to(DType::float64);
          Tensor expected = Tensor::empty({m, n}, DType::float64);
          core::gemm_reference(ta, tb, m, n, k, wide_a.data<double>(), ta ? m : k, wide_b.data<double>(), tb ? k : n,
                               0.0, expected.mutable_data<double>(), n);
          CAPTURE(size);
          CHECK_CLOSE(values(core::matmul(a, b, ta, tb)), values(expected), product_tolerance(dtype, k));
        }
}

TEST_CASE("a batch of products is the products one by one, a matrix without a batch is shared") {
  for (const DType dtype : floating_types)
    for (const auto& [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}})
      for (const Shape& size : {Shape{7, 9, 11}, Shape{70, 100, 128}}) {  // the second one: by own kernels
        const int64_t batch = 5, m = size[0], n = size[1], k = size[2];
        const Shape one_a = ta ? Shape{k, m} : Shape{m, k}, one_b = tb ? Shape{n, k} : Shape{k, n};
        const Tensor a = numbers({batch, one_a[0], one_a[1]}, dtype, 1),
                     b = numbers({batch, one_b[0], one_b[1]}, dtype, 2);
        const Tensor shared_a = a.slice(0, 1).reshape(one_a), shared_b = b.slice(0, 1).reshape(one_b);
        const Tensor both = core::matmul(a, b, ta, tb), left = core::matmul(shared_a, b, ta, tb),
                     right = core::matmul(a, shared_b, ta, tb);
        CHECK(both.shape() == Shape{batch, m, n});
        for (int64_t i = 0; i < batch; ++i) {
          const Tensor a_i = a.slice(i, i + 1).reshape(one_a), b_i = b.slice(i, i + 1).reshape(one_b);
          const auto part = [&](const Tensor& x) { return values(x.slice(i, i + 1)); };
          CHECK_CLOSE(part(both), values(core::matmul(a_i, b_i, ta, tb)), product_tolerance(dtype, k));
          CHECK_CLOSE(part(left), values(core::matmul(shared_a, b_i, ta, tb)), product_tolerance(dtype, k));
          CHECK_CLOSE(part(right), values(core::matmul(a_i, shared_b, ta, tb)), product_tolerance(dtype, k));
        }
      }
  const Tensor many = numbers({300, 40, 50}), other = numbers({300, 50, 60}, DType::float32, 2);
  const Tensor product = core::matmul(many, other);
  for (const int64_t i : {0, 157, 299})
    CHECK_CLOSE(values(product.slice(i, i + 1)), values(core::matmul(many.slice(i, i + 1), other.slice(i, i + 1))),
                product_tolerance(DType::float32, 50));
}

TEST_CASE("products without rows, columns or an inner extent have the right shape and are zero") {
  CHECK(core::matmul(Tensor::zeros({0, 3}), Tensor::zeros({3, 4})).shape() == Shape{0, 4});
  CHECK(values(core::matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 3}))) == std::vector<double>(6, 0.0));
  CHECK(core::matmul(Tensor::zeros({0, 2, 3}), Tensor::zeros({0, 3, 4})).shape() == Shape{0, 2, 4});
}

TEST_CASE("linear is x W^T + b") {
  for (const DType dtype : floating_types) {
    const Tensor x = numbers({13, 20}, dtype, 1), weight = numbers({7, 20}, dtype, 2), bias = numbers({7}, dtype, 3);
    const Tensor product = core::matmul(x, weight, false, true);
    CHECK_CLOSE(values(core::linear(x, weight, bias)), values(core::binary(core::BinaryOp::add, product, bias)),
                product_tolerance(dtype, 20));
    CHECK_CLOSE(values(core::linear(x, weight, Tensor())), values(product), product_tolerance(dtype, 20));
    const Tensor one = core::linear(x.slice(4, 5), weight, bias);
    CHECK_CLOSE(values(one), values(core::linear(x, weight, bias).slice(4, 5)), product_tolerance(dtype, 20));
    CHECK_SAME_BITS(bias, numbers({7}, dtype, 3));
  }
}

TEST_CASE("shapes that do not multiply are refused with both of them") {
  CHECK_ERROR(core::matmul(Tensor::zeros({3, 4}), Tensor::zeros({5, 6})), "(3, 4) x (5, 6)");
  CHECK_ERROR(core::matmul(Tensor::zeros({3}), Tensor::zeros({3, 2})), "at least two axes each");
  CHECK_ERROR(core::matmul(Tensor::zeros({2, 3, 4}), Tensor::zeros({5, 4, 2})), "[matmul]");
  CHECK_ERROR(core::linear(Tensor::zeros({2, 3}), Tensor::zeros({4, 5}), Tensor()), "[linear]");
  CHECK_ERROR(core::linear(Tensor::zeros({2, 3}), Tensor::zeros({4, 3}), Tensor::zeros({5})), "bias (5,)");
}
