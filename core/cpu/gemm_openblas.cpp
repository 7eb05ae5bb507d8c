// SPDX-License-Identifier: MIT
// gemm by OpenBLAS, kept on the calling thread: minima's own pool cuts the work (parallel.h).
#include <cblas.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/cpu/microkernels.h"
#include "core/error.h"
#include "core/gemm.h"
#include "core/parallel.h"

// OpenBLAS's choice of kernels, in builds that hold those of many processors; null in others.
extern "C" {
__attribute__((weak)) void gotoblas_dynamic_init();
__attribute__((weak)) void gotoblas_dynamic_quit();
// Its buffers, one for each thread that is inside it.
__attribute__((weak)) void* blas_memory_alloc(int);
__attribute__((weak)) void blas_memory_free(void*);
}

namespace minima::core {
namespace {
#if defined(__x86_64__)
/// OpenBLAS's kernels that fit this processor best, if those that it has chosen do not: it takes SSE kernels for a
/// processor that is newer than itself, and Intel's kernels for AMD's processors with AVX-512. Null if they fit.
/// One thread, OpenBLAS 0.3.21. Emerald Rapids, microseconds with SSE (its own choice) and with AVX-512: one row times
/// 784 x 256 77 and 10, 64 x 64 x 64 20 and 4. Zen 4, GFLOP/s with AVX-512 (its own choice) and with AVX2:
/// 128 x 256 x 784 (a times b transposed) 99 and 105, 1024 x 1024 x 128 89 and 103, 512 x 512 x 512 100 and 109,
/// 4 x 1024 x 1024 12 and 32.
const char* better_kernels(const std::string& chosen) {
  const auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return strcasecmp(name, chosen.c_str()) == 0; });
  };
  const std::string instructions = cpu::instruction_sets().front();
  if (instructions == "baseline") return nullptr;
  const bool older_than_avx2 =
      is_one_of({"Katmai",    "Coppermine", "Northwood", "Prescott",    "Banias",     "Atom",       "Core2",
                 "Penryn",    "Dunnington", "Nehalem",   "Sandybridge", "Athlon",     "Opteron",    "Opteron_SSE3",
                 "Barcelona", "Nano",       "Bobcat",    "Bulldozer",   "Piledriver", "Steamroller"});
  if (older_than_avx2) return instructions == "avx512" && __builtin_cpu_is("intel") ? "SkylakeX" : "Haswell";
  return __builtin_cpu_is("amd") && is_one_of({"SkylakeX", "Cooperlake", "SapphireRapids"}) ? "Haswell" : nullptr;
}
#endif

void choose_kernels() {
#if defined(__x86_64__)
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || std::getenv("OPENBLAS_CORETYPE")) return;
  const char* better = better_kernels(openblas_get_corename());
  if (!better) return;
  setenv("OPENBLAS_CORETYPE", better, 0);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv("OPENBLAS_CORETYPE");
#endif
}

constexpr size_t buffer_bytes = (size_t{128} << 20) + 16384;  // of address space; little of it is ever used

/// How many of OpenBLAS's buffers the system would give now, up to `wanted`.
int room_for_buffers(int wanted) {
  std::vector<void*> probes;
  while (std::ssize(probes) < wanted) {
    void* memory =
        mmap(nullptr, buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0);
    if (memory == MAP_FAILED) break;
    probes.push_back(memory);
  }
  for (void* memory : probes) munmap(memory, buffer_bytes);
  return static_cast<int>(probes.size());
}

#ifdef __GLIBC__
/// OpenBLAS's own threads start with the program, and each asks for its buffer for ever where there is none. The end of
/// the program would wait for them. So a program with too little memory leaves without that wait.
[[maybe_unused]] const bool leaves_by_itself = openblas_get_num_threads() > 1 && room_for_buffers(1) == 0 &&
                                               on_exit([](int status, void*) { std::fflush(nullptr), _exit(status); },
                                                       nullptr) == 0;
#endif

/// OpenBLAS asks the system for a buffer for each thread that calls it, and where it gets none it asks again for ever.
/// So the buffers are asked for here first; and if they are to be had, OpenBLAS takes them now: later there may be
/// less. OpenBLAS's own threads, which are there though they get no work, have buffers as well. One that starts late
/// asks for its buffer while these are taken: there must be room for that, too.
void take_buffers(int own_threads) {
  static std::atomic<int> taken{0};
  const int threads = num_threads() + own_threads;
  if (threads <= taken) return;
  const int wanted = threads - taken + (taken == 0 ? own_threads : 0);
  if (const int room = room_for_buffers(wanted); room < wanted)
    fail("OpenBLAS", text("room for ", room, " of its buffers of 128 MiB"), text("room for ", wanted),
         "Give the process more memory (`ulimit -v`), or set MINIMA_THREADS and OPENBLAS_NUM_THREADS to smaller "
         "numbers.");
  taken = threads;
  if (!blas_memory_alloc || !blas_memory_free) return;
  std::vector<void*> buffers;
  while (std::ssize(buffers) < threads) buffers.push_back(blas_memory_alloc(0));
  for (void* buffer : buffers) blas_memory_free(buffer);
}

void prepare() {
  static const int own_threads = [] {
    choose_kernels();
    const int more = openblas_get_num_threads() - 1;
    openblas_set_num_threads(1);
    return more;
  }();
  take_buffers(own_threads);
}

void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k, const float* a, blasint lda,
              const float* b, blasint ldb, float beta, float* c, blasint ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k, const double* a, blasint lda,
              const double* b, blasint ldb, double beta, double* c, blasint ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

// y = op(b) x + beta y for a stored matrix b [rows, columns]
void multiply_row(bool transpose, int64_t rows, int64_t columns, const float* b, int64_t ldb, const float* x,
                  int64_t step, float beta, float* y) {
  cblas_sgemv(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, static_cast<blasint>(rows),
              static_cast<blasint>(columns), 1, b, static_cast<blasint>(ldb), x, static_cast<blasint>(step), beta, y,
              1);
}

void multiply_row(bool transpose, int64_t rows, int64_t columns, const double* b, int64_t ldb, const double* x,
                  int64_t step, double beta, double* y) {
  cblas_dgemv(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, static_cast<blasint>(rows),
              static_cast<blasint>(columns), 1, b, static_cast<blasint>(ldb), x, static_cast<blasint>(step), beta, y,
              1);
}
}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  prepare();
  if (m == 0 || n == 0) return;
  if (k == 0) {  // BLAS refuses a leading dimension of 0
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? T(0) : beta * c[i * ldc + j];
    return;
  }
  if (m == 1) {                                // a row times a matrix: OpenBLAS's gemm would spend its time on packing
    if (beta == 0) std::fill(c, c + n, T(0));  // gemv may read what it scales by 0
    multiply_row(!transpose_b, transpose_b ? n : k, transpose_b ? k : n, b, ldb, a, transpose_a ? lda : 1, beta, c);
    return;
  }
  if (n == 1 && ldc == 1)  // a matrix times a column: as a row
    return gemm(!transpose_b, !transpose_a, 1, m, k, b, ldb, a, lda, beta, c, m);
  if (beta == 0) {  // OpenBLAS would scale by 0 in a pass of its own, more slowly than this
    for (int64_t i = 0; i < m; ++i) std::fill(c + i * ldc, c + i * ldc + n, T(0));
    beta = 1;
  }
  multiply(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(m),
           static_cast<blasint>(n), static_cast<blasint>(k), a, static_cast<blasint>(lda), b, static_cast<blasint>(ldb),
           beta, c, static_cast<blasint>(ldc));
}

template void gemm(bool, bool, int64_t, int64_t, int64_t, const float*, int64_t, const float*, int64_t, float, float*,
                   int64_t);
template void gemm(bool, bool, int64_t, int64_t, int64_t, const double*, int64_t, const double*, int64_t, double,
                   double*, int64_t);

std::string gemm_description() {
  prepare();
  const std::string configuration = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  const size_t end_of_version = configuration.find(' ', configuration.find(' ') + 1);
  return configuration.substr(0, end_of_version) + " (" + openblas_get_corename() + ")";
}

}  // namespace minima::core
