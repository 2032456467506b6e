// sizes known in advance → one aligned block and the spans carved out of it.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace soma {

/// Owns `count` zeroed values, aligned to a cache line (and to the widest vector). A large block asks for huge pages: one that
/// streams through its megabytes would otherwise look up a page for every 64 cache lines, in a virtual machine twice over.
template <class T>
class Block {
 public:
  static constexpr std::size_t kAlignment = 64;

  Block() = default;
  explicit Block(std::int64_t count)
      : data_(static_cast<T*>(::operator new(bytes(count), alignment(count))), Free{alignment(count)}), count_(count) {
#if defined(__linux__)
    if (bytes(count) >= kHugePage) ::madvise(data_.get(), bytes(count), MADV_HUGEPAGE);  // a wish: it may be refused
#endif
    std::memset(static_cast<void*>(data_.get()), 0, bytes(count));
  }

  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::int64_t size() const { return count_; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{1} << 21, kLarge = kHugePage / 2;

  /// Of a large block: whole huge pages.
  static std::size_t bytes(std::int64_t count) {
    const std::size_t asked = static_cast<std::size_t>(count > 0 ? count : 1) * sizeof(T);
    return asked < kLarge ? asked : (asked + kHugePage - 1) / kHugePage * kHugePage;
  }
  static std::align_val_t alignment(std::int64_t count) {
    return std::align_val_t{bytes(count) < kHugePage ? kAlignment : kHugePage};
  }
  struct Free {
    std::align_val_t alignment{kAlignment};
    void operator()(T* p) const { ::operator delete(p, alignment); }
  };
  std::unique_ptr<T, Free> data_;
  std::int64_t count_ = 0;
};

/// Rounds up so that the next piece starts on a cache line.
template <class T>
constexpr std::int64_t aligned(std::int64_t count) {
  constexpr std::int64_t kStep = static_cast<std::int64_t>(Block<T>::kAlignment / sizeof(T));
  return (count + kStep - 1) / kStep * kStep;
}

}  // namespace soma
