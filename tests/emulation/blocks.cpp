// Blocks of threads on the emulated device. Every thread is a fiber. One that never waits costs a function call: the
// fiber that ends takes the next thread.
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "tests/emulation/machine.h"

#include "tests/emulation/sanitizers.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

// ---- switching stacks

#if defined(__x86_64__)
/// Saves the registers that a function must keep on this stack, its pointer in *from, and goes on where `to` was saved.
extern "C" void minima_switch_stack(void** from, void* to);
asm(R"(
.text
.type minima_switch_stack, @function
minima_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size minima_switch_stack, .-minima_switch_stack
)");

namespace minima::emulation {
namespace {
class SavedStack {
 public:
  void start(char* memory, size_t bytes, void (*entry)()) {
    // As if `entry` had been called from nowhere: a return address, then room for six registers.
    void** top = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(memory + bytes) & ~uintptr_t{15});
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    pointer_ = top;
  }
  void switch_to(SavedStack& other) { minima_switch_stack(&pointer_, other.pointer_); }

 private:
  void* pointer_ = nullptr;
};
}  // namespace
}  // namespace minima::emulation
#else
namespace minima::emulation {
namespace {
class SavedStack {  // many times slower: it keeps the signal mask as well
 public:
  void start(char* memory, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  void switch_to(SavedStack& other) { swapcontext(&context_, &other.context_); }

 private:
  ucontext_t context_{};
};
}  // namespace
}  // namespace minima::emulation
#endif

namespace minima::emulation {
namespace {

constexpr size_t stack_bytes = 128 << 10, shared_bytes = 48 << 10, gap = 64;
constexpr unsigned char poison = 0xff;
constexpr int lanes = 32;

enum class State { fresh, ready, at_barrier, at_exchange, done };

/// A stack, and what the sanitizers know of it.
struct Stack {
  SavedStack saved;
  StackForSanitizers known;

  void start(char* memory, size_t bytes, void (*entry)()) {
    saved.start(memory, bytes, entry);
    known.start(memory, bytes);
  }
};

struct Fiber {
  Stack stack;
  std::unique_ptr<char[]> memory;
};

struct Thread {
  uint3 index;
  int number;
  State state = State::fresh;
  Fiber* fiber = nullptr;
  // where and with what it waits
  int line = 0;
  const char* file = "";
  unsigned mask = 0;
  uint64_t value = 0;
};

struct SharedArray {
  size_t begin, bytes;
};

// The one block that is running.
std::vector<Thread> threads_of_block;
std::vector<int> sequence;  // in which order threads are started
size_t next_fresh;
Thread* current;
Stack scheduler;
const std::function<void()>* body;
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
std::vector<std::vector<uint64_t>> exchanged;  // of each warp
uint64_t block_number = 0;
alignas(256) char shared_memory[2 * shared_bytes];
size_t shared_used, shared_asked;
std::vector<SharedArray> shared_arrays;
// What the race detector takes for the order of things in a block. Two barriers that follow each other are not one.
char begin_of_block, end_of_block, barriers[2];
size_t barrier_number = 0;

void to_scheduler(Fiber* fiber) {
  fiber->stack.known.leave_for(scheduler.known);
  fiber->stack.saved.switch_to(scheduler.saved);
  fiber->stack.known.arrive_from(scheduler.known);
}

void run_fiber() {
  current->fiber->stack.known.arrive_from(scheduler.known);
  for (;;) {
    observe(&begin_of_block);
    (*body)();
    publish(&end_of_block);
    current->state = State::done;
    Fiber* fiber = current->fiber;
    while (!finds_races && next_fresh < sequence.size() && threads_of_block[sequence[next_fresh]].state != State::fresh)
      ++next_fresh;
    if (!finds_races && next_fresh < sequence.size()) {
      current = &threads_of_block[sequence[next_fresh++]];
      current->fiber = fiber;
      current->state = State::ready;
      threadIdx = current->index;
      continue;
    }
    to_scheduler(fiber);
  }
}

void resume(Thread& thread) {
  if (thread.state == State::fresh) {
    if (idle.empty()) {
      fibers.push_back(std::make_unique<Fiber>());
      Fiber* made = fibers.back().get();
      made->memory.reset(new char[stack_bytes]);
      made->stack.start(made->memory.get(), stack_bytes, run_fiber);
      idle.push_back(made);
    }
    thread.fiber = idle.back();
    idle.pop_back();
    thread.state = State::ready;
  }
  current = &thread;
  threadIdx = thread.index;
  Stack& stack = thread.fiber->stack;
  scheduler.known.leave_for(stack.known);
  scheduler.saved.switch_to(stack.saved);
  scheduler.known.arrive_from(stack.known);
  // The fiber may have gone on with other threads.
  if (current->state == State::done && !finds_races) idle.push_back(current->fiber);
}

void wait_as(State state) {
  Thread* self = current;
  self->state = state;
  to_scheduler(self->fiber);
}

/// Lets the lanes of a warp go on that all wait for one exchange.
bool finish_exchange(size_t warp) {
  Thread* first = &threads_of_block[warp * lanes];
  const int count = static_cast<int>(std::min<size_t>(lanes, threads_of_block.size() - warp * lanes));
  for (int leader = 0; leader < count; ++leader) {
    if (first[leader].state != State::at_exchange) continue;
    const unsigned mask = first[leader].mask;
    bool complete = true;
    for (int lane = 0; lane < lanes; ++lane) {
      if (!(mask >> lane & 1)) continue;
      if (lane >= count || first[lane].state == State::done)
        stop("a warp operation at line %d names lane %d, which does not exist or has ended", first[leader].line, lane);
      complete = complete && first[lane].state == State::at_exchange && first[lane].mask == mask &&
                 first[lane].line == first[leader].line;
    }
    if (!complete) continue;
    for (int lane = 0; lane < count; ++lane) {
      // What a lane outside the mask would have given is nothing that one may rely on.
      exchanged[warp][static_cast<size_t>(lane)] = mask >> lane & 1 ? first[lane].value : ~uint64_t{0};
      if (mask >> lane & 1) first[lane].state = State::ready;
    }
    return true;
  }
  return false;
}

/// Runs every thread of a warp that can run; whether there was one, or an exchange was finished.
bool run_warp(size_t warp, const std::vector<int>& lane_order) {
  bool ran = false;
  for (const int lane : lane_order) {
    const size_t number = warp * lanes + static_cast<size_t>(lane);
    if (number >= threads_of_block.size()) continue;
    Thread& thread = threads_of_block[number];
    if (thread.state != State::fresh && thread.state != State::ready) continue;
    resume(thread);
    ran = true;
  }
  return ran || finish_exchange(warp);
}

void shuffle_order(std::vector<int>& items) {
  std::iota(items.begin(), items.end(), 0);
  if (order() == Order::reverse) std::reverse(items.begin(), items.end());
  if (order() == Order::random)
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random_number() % i]);
}

/// All threads that have not ended must wait at the same barrier.
void finish_barrier() {
  const Thread* first = nullptr;
  size_t waiting = 0;
  for (const Thread& thread : threads_of_block) {
    if (thread.state != State::at_barrier) continue;
    ++waiting;
    if (!first) first = &thread;
    if (thread.line != first->line || std::string(thread.file) != first->file)
      stop("threads %d and %d of a block wait at different barriers, lines %d and %d", first->number, thread.number,
           first->line, thread.line);
  }
  if (waiting != threads_of_block.size())
    stop("a barrier at line %d is reached by %zu of %zu threads", first ? first->line : -1, waiting,
         threads_of_block.size());
  for (Thread& thread : threads_of_block) thread.state = State::ready;
  ++barrier_number;
}

void run_block() {
  ++block_number;
  observe(&end_of_block);  // a block comes after those before it: what they race for is not seen
  publish(&begin_of_block);
  if (finds_races) {  // to the detector each thread of a block is a fiber of its own
    idle.clear();
    for (const auto& fiber : fibers) idle.push_back(fiber.get());
  }
  shared_arrays.clear();
  shared_used = shared_asked = 0;
  for (Thread& thread : threads_of_block) thread.state = State::fresh;
  next_fresh = 0;
  shuffle_order(sequence);
  const size_t warps = exchanged.size();
  std::vector<int> lane_order(lanes), warp_order(warps);
  shuffle_order(lane_order);
  for (;;) {
    bool ran = false;
    shuffle_order(warp_order);
    // One warp runs ahead of the others as far as it can; at random it pauses now and then.
    for (const int warp : warp_order)
      while (run_warp(static_cast<size_t>(warp), lane_order)) {
        ran = true;
        if (order() == Order::random && random_number() % 8 == 0) break;
      }
    if (ran) continue;
    const auto has_ended = [](const Thread& thread) { return thread.state == State::done; };
    if (std::all_of(threads_of_block.begin(), threads_of_block.end(), has_ended)) break;
    finish_barrier();
  }
  ASAN_UNPOISON_MEMORY_REGION(shared_memory, shared_used);
  for (const SharedArray& array : shared_arrays)
    for (size_t i = 0; i < gap; ++i)
      if (static_cast<unsigned char>(shared_memory[array.begin + array.bytes + i]) != poison)
        stop("a thread wrote behind a shared array of %zu bytes", array.bytes);
}

}  // namespace

void* shared_array(Site& site, size_t bytes) {
  if (site.block == block_number) return site.memory;
  const size_t begin = shared_used;
  shared_used = (begin + bytes + gap + 127) / 128 * 128;
  shared_asked += bytes;
  if (shared_asked > shared_bytes || shared_used > sizeof shared_memory)
    stop("a block asks for more than 48 KiB of shared memory");
  ASAN_UNPOISON_MEMORY_REGION(shared_memory + begin, shared_used - begin);
  {
    const NoRaces no_races;
    std::memset(shared_memory + begin, poison, shared_used - begin);
  }
  ASAN_POISON_MEMORY_REGION(shared_memory + begin + bytes, shared_used - begin - bytes);
  shared_arrays.push_back({begin, bytes});
  site = {block_number, shared_memory + begin};
  return site.memory;
}

int lane() { return current->number % lanes; }

const uint64_t* exchange(unsigned mask, uint64_t value, int line) {
  if (!(mask >> lane() & 1)) stop("lane %d calls a warp operation at line %d whose mask leaves it out", lane(), line);
  current->mask = mask;
  current->value = value;
  current->line = line;
  const size_t warp = static_cast<size_t>(current->number) / lanes;
  wait_as(State::at_exchange);
  return exchanged[warp].data();
}

void run_grid(const dim3& grid, const dim3& block, const std::function<void()>& thread) {
  body = &thread;
  scheduler.known.is_here();
  gridDim = grid;
  blockDim = block;
  const size_t count = size_t{block.x} * block.y * block.z;
  threads_of_block.assign(count, Thread{});
  sequence.resize(count);
  exchanged.assign((count + lanes - 1) / lanes, std::vector<uint64_t>(lanes));
  for (size_t i = 0; i < count; ++i) {
    threads_of_block[i].number = static_cast<int>(i);
    threads_of_block[i].index = {static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x % block.y),
                                 static_cast<unsigned>(i / block.x / block.y)};
  }
  std::vector<int> blocks(size_t{grid.x} * grid.y * grid.z);
  shuffle_order(blocks);
  for (const int i : blocks) {
    const auto number = static_cast<unsigned>(i);
    blockIdx = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
    run_block();
  }
  observe(&end_of_block);
  check_canaries();
}

}  // namespace minima::emulation

void __syncthreads(int line, const char* file) {
  using namespace minima::emulation;
  current->line = line;
  current->file = file;
  char* const barrier = &barriers[barrier_number % 2];
  publish(barrier);
  wait_as(State::at_barrier);
  observe(barrier);
}
