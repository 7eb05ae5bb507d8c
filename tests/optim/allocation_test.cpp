// How often an optimizer's step asks for memory from the heap. A program of its own, for it replaces the global
// operator new.
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "optim/make.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

namespace {
int64_t allocations = 0;
bool counting = false;
}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations += counting;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

using namespace minima;
using namespace minima::test;

namespace {

// Heap allocations of the optimizer's own code in one step, its closure not counted, after the first few.
int64_t allocations_a_step(const std::function<std::unique_ptr<optim::Optimizer>(const Parameters&)>& make) {
  Parameters parameters;
  for (int i = 0; i < 8; ++i) parameters.push_back(leaf(std::vector<double>(100, 0.1 * i), DType::float32));
  const auto optimizer = make(parameters);
  const Tensor slope = Tensor::full({100}, 0.5);
  const optim::Closure closure = [&] {
    counting = false;
    for (Variable& parameter : parameters) parameter.backward(slope);
    Variable loss(Tensor::zeros({}));
    counting = true;
    return loss;
  };
  for (int i = 0; i < 11; ++i) {  // the last one ends a period of LookSAM, as the sixth did
    allocations = 0;
    counting = true;
    optimizer->step(closure);
    counting = false;
  }
  return allocations;
}

}  // namespace

TEST_CASE("a step of any optimizer asks for no memory once the first steps have had theirs") {
  counting = true, allocations = 0;
  const auto counted = std::make_unique<std::string>("a string long enough to need memory of its own");
  counting = false;
  CHECK(allocations == 2);
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    CHECK(allocations_a_step([&](const Parameters& w) { return wrap(wrapper, make_base(base, w), 0.1); }) == 0);
  });
  for (const char* name : {"msam+memory", "msam+memory+fade", "msam+rise", "msam+edge", "msam+ratio", "sam+rise"}) {
    CAPTURE(name);
    CHECK(allocations_a_step([&](const Parameters& w) { return optim::make_optimizer(name, w); }) == 0);
  }
}
