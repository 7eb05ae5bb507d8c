// Memory of the emulated device: one large reservation that only device code can touch.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <vector>

#include "tests/emulation/machine.h"

#include "tests/emulation/sanitizers.h"

namespace minima::emulation {
namespace {

constexpr size_t page = 4096, arena_bytes = size_t{1} << 38, alignment = 256, fresh_bytes = size_t{1} << 21;
constexpr unsigned char poison = 0xff;  // NaN as a number, -1 as an index

/// A block ends at the end of a page, as far as its alignment allows: what lies behind it faults.
struct Block {
  size_t bytes, span;  // asked for; mapped, in whole pages
  char* pages;
};

struct Arena {
  char* base = nullptr;
  size_t used = 0, live_bytes = 0, capacity = size_t{16} << 30;
  int nothing = -1;  // a file without contents: touching it faults, whatever the protection of the page
  int fresh = -1;    // a file full of poison, from which new memory is copied where it is written to
  int accesses = 0;
  std::map<uintptr_t, Block> live;
  std::map<uintptr_t, size_t> host;
};

void on_fault(int signal_number, siginfo_t* info, void*);

Arena& arena() {
  static Arena& the = *[] {
    auto* made = new Arena;
    made->base =
        static_cast<char*>(mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    made->nothing = memfd_create("nothing", 0);
    made->fresh = memfd_create("fresh", 0);
    const std::vector<char> bytes(fresh_bytes, static_cast<char>(poison));
    if (made->base == MAP_FAILED || made->nothing < 0 || write(made->fresh, bytes.data(), fresh_bytes) != fresh_bytes)
      stop("no address space for the emulated device");
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    return made;
  }();
  return the;
}

void on_fault(int signal_number, siginfo_t* info, void*) {
  const Arena& a = arena();
  const size_t at = static_cast<size_t>(static_cast<char*>(info->si_addr) - a.base);
  if (at < arena_bytes) {
    if (a.accesses == 0) stop("code of the host touched device memory");
    stop("code of the device touched memory outside its blocks, or a block that was freed");
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

int protection() { return arena().accesses > 0 ? PROT_READ | PROT_WRITE : PROT_NONE; }

// Neighbouring holes are consecutive in the file too, so that the system can join them.
void make_hole(char* begin, size_t bytes) {
  if (mmap(begin, bytes, protection(), MAP_SHARED | MAP_FIXED, arena().nothing, begin - arena().base) == MAP_FAILED)
    stop("no memory map for a hole");
}

/// Pages that nobody touches cost nothing, neither here nor when the protection changes.
void make_fresh(char* begin, size_t bytes) {
  for (size_t at = 0; at < bytes; at += fresh_bytes)
    if (mmap(begin + at, std::min(fresh_bytes, bytes - at), protection(), MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
             arena().fresh, 0) == MAP_FAILED)
      stop("no memory map for a block");
}

void protect(char* begin, size_t bytes, int how) {
  if (bytes > 0 && mprotect(begin, bytes, how) != 0) stop("mprotect failed");
}

const std::pair<const uintptr_t, Block>* block_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto after = arena().live.upper_bound(address);
  if (after == arena().live.begin()) return nullptr;
  --after;
  return address <= after->first + after->second.bytes ? &*after : nullptr;
}

bool is_mapped(uintptr_t address) { return msync(reinterpret_cast<void*>(address & ~(page - 1)), 1, MS_ASYNC) == 0; }

#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
bool is_poison(const char* begin, const char* end) {
  uint64_t word;
  for (; end - begin >= static_cast<ptrdiff_t>(sizeof word); begin += sizeof word) {
    __builtin_memcpy(&word, begin, sizeof word);
    if (word != ~uint64_t{0}) return false;
  }
  for (; begin < end; ++begin)
    if (static_cast<unsigned char>(*begin) != poison) return false;
  return true;
}

}  // namespace

void stop(const char* format, ...) {
  std::fputs("emulated device: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::fflush(stderr);
  _exit(stopped);
}

void* allocate(size_t bytes) {
  Arena& a = arena();
  if (a.live_bytes + bytes > a.capacity) return nullptr;
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  const size_t span = (rounded + page - 1) / page * page;
  if (a.used + span + page > arena_bytes) return nullptr;
  char* pages = a.base + a.used;
  make_hole(pages + span, page);
  make_fresh(pages, span);
  a.used += span + page;
  char* begin = pages + span - rounded;
  ASAN_POISON_MEMORY_REGION(pages, begin - pages);
  ASAN_POISON_MEMORY_REGION(begin + bytes, pages + span - begin - bytes);
  a.live[reinterpret_cast<uintptr_t>(begin)] = {bytes, span, pages};
  a.live_bytes += bytes;
  return begin;
}

void release(void* block) {
  Arena& a = arena();
  const auto found = a.live.find(reinterpret_cast<uintptr_t>(block));
  if (found == a.live.end()) stop("%p was freed, which is no live block: freed twice?", block);
  const Block b = found->second;
  {
    DeviceAccess access;
    if (!is_poison(b.pages, static_cast<char*>(block))) stop("a kernel wrote before a block of %zu bytes", b.bytes);
  }
  ASAN_UNPOISON_MEMORY_REGION(b.pages, b.span);
  make_hole(b.pages, b.span);
  a.live_bytes -= b.bytes;
  a.live.erase(found);
}

bool is_device(const void* pointer) {
  return static_cast<size_t>(static_cast<const char*>(pointer) - arena().base) < arena_bytes;
}

void check_range(const void* pointer, size_t bytes, const char* what) {
  if (bytes == 0) return;
  const auto* block = is_device(pointer) ? block_of(pointer) : nullptr;
  if (!block) stop("%s: %p points into no live block of the device", what, pointer);
  const size_t offset = reinterpret_cast<uintptr_t>(pointer) - block->first;
  if (offset + bytes > block->second.bytes)
    stop("%s: %zu bytes at offset %zu overrun a block of %zu", what, bytes, offset, block->second.bytes);
}

void check_canaries() {
  for (const auto& [address, block] : arena().live) {
    const char* begin = reinterpret_cast<const char*>(address);
    if (!is_poison(begin + block.bytes, block.pages + block.span))
      stop("a kernel wrote behind a block of %zu bytes", block.bytes);
  }
}

void check_argument(const void* bytes, size_t size, bool is_pointer) {
  std::lock_guard lock(machine_mutex());
  for (size_t at = 0; at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const char*>(bytes) + at, sizeof word);
    // In a struct, two small integers side by side are not taken for a pointer: what the host allocates lies above
    // 2^45, under sanitizers too. Only their own memory lies lower.
    if (word < (is_pointer ? 1 : uintptr_t{1} << 45) || word >> 47 != 0) continue;
    const void* pointer = reinterpret_cast<const void*>(word);
    if (is_device(pointer)) {
      if (!block_of(pointer)) stop("a kernel's argument points into a block that was freed");
    } else if (!is_pinned(pointer) && (is_pointer || is_mapped(word))) {
      stop("a kernel's argument is, or contains, a pointer of the host (%p)", pointer);
    }
  }
}

void add_host_block(void* block, size_t bytes) { arena().host[reinterpret_cast<uintptr_t>(block)] = bytes; }
void remove_host_block(void* block) { arena().host.erase(reinterpret_cast<uintptr_t>(block)); }
bool is_pinned(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto after = arena().host.upper_bound(address);
  return after != arena().host.begin() && address < (--after)->first + after->second;
}

void memory_info(size_t* free, size_t* total) {
  *total = arena().capacity;
  *free = arena().capacity - std::min(arena().capacity, arena().live_bytes);
}
size_t bytes_in_use() { return arena().live_bytes; }
void set_capacity(size_t bytes) { arena().capacity = bytes; }

DeviceAccess::DeviceAccess() {
  if (arena().accesses++ == 0) protect(arena().base, arena().used, PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  if (--arena().accesses == 0) protect(arena().base, arena().used, PROT_NONE);
}

}  // namespace minima::emulation
