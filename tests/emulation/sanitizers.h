// What the sanitizers are told by the emulated machine: of its fibers, whose stacks they would not recognise, and of
// the memory that nobody may touch. To the race detector (ThreadSanitizer) each thread of a block is a thread, and
// barriers alone make an order between them. The machine itself is compiled without it, and says by MINIMA_FINDS_RACES
// that the kernels are not.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) ((void)0)
#endif
#if defined(MINIMA_FINDS_RACES)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace minima::emulation {

#if defined(MINIMA_FINDS_RACES)
inline constexpr bool finds_races = true;
inline void publish(void* token) { __tsan_release(token); }
inline void observe(void* token) { __tsan_acquire(token); }

/// While one lives, what this thread writes is nobody's.
struct NoRaces {
  NoRaces() { AnnotateIgnoreWritesBegin(__FILE__, __LINE__); }
  ~NoRaces() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__); }
};

class StackForSanitizers {
 public:
  void start(const void*, size_t) { fiber_ = __tsan_create_fiber(0); }
  void is_here() { fiber_ = __tsan_get_current_fiber(); }
  void leave_for(StackForSanitizers& other) { __tsan_switch_to_fiber(other.fiber_, __tsan_switch_to_fiber_no_sync); }
  void arrive_from(StackForSanitizers&) {}

 private:
  void* fiber_ = nullptr;
};
#else
inline constexpr bool finds_races = false;
inline void publish(void*) {}
inline void observe(void*) {}
struct NoRaces {
  NoRaces() {}
};

class StackForSanitizers {
 public:
#if defined(__SANITIZE_ADDRESS__)
  void start(const void* memory, size_t bytes) { bottom_ = memory, bytes_ = bytes; }
  void is_here() {}
  void leave_for(StackForSanitizers& other) { __sanitizer_start_switch_fiber(&kept_, other.bottom_, other.bytes_); }
  void arrive_from(StackForSanitizers& other) { __sanitizer_finish_switch_fiber(kept_, &other.bottom_, &other.bytes_); }

 private:
  void* kept_ = nullptr;
  const void* bottom_ = nullptr;
  size_t bytes_ = 0;
#else
  void start(const void*, size_t) {}
  void is_here() {}
  void leave_for(StackForSanitizers&) {}
  void arrive_from(StackForSanitizers&) {}
#endif
};
#endif

}  // namespace minima::emulation
