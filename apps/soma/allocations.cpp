// a request for memory → memory, counted while somebody asks, and from a reserve when the system has none left.
#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace soma::app {
namespace {

std::atomic<bool> counting{false};  // otherwise the count would be a cache line that all threads write to
std::atomic<std::int64_t> requests{0};

void* take(std::size_t size, std::size_t alignment) noexcept {
  if (counting.load(std::memory_order_relaxed)) requests.fetch_add(1, std::memory_order_relaxed);
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size > 0 ? size : 1);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

// Enough for the words of an error and the stack of a destructor that walks a document; one mapping, so that freeing it helps.
constexpr std::size_t kReserve = std::size_t{1} << 20, kSmall = kReserve / 8;
std::atomic<void*> reserve{nullptr};
std::atomic<bool> reserve_used{false};

void* taken(std::size_t size, std::size_t alignment) {
  if (reserve_used.load(std::memory_order_relaxed)) keep_memory_in_reserve();
  if (void* memory = take(size, alignment)) return memory;
  if (size <= kSmall) {
    std::free(reserve.exchange(nullptr));
    reserve_used = true;
    if (void* memory = take(size, alignment)) return memory;
  }
  throw std::bad_alloc();
}

}  // namespace

void keep_memory_in_reserve() {
  void* memory = std::malloc(kReserve);
  if (memory == nullptr) return;
  void* none = nullptr;
  if (!reserve.compare_exchange_strong(none, memory)) std::free(memory);
  reserve_used = false;
}

std::int64_t count_allocations(const std::function<void()>& work) {
  const std::int64_t before = requests.load();
  counting = true;
  work();
  counting = false;
  return requests.load() - before;
}

}  // namespace soma::app

void* operator new(std::size_t size) { return soma::app::taken(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return soma::app::taken(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return soma::app::take(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return soma::app::take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
