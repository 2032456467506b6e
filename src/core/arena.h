// sizes known in advance → one aligned block and the spans carved out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace soma {

/// Owns `count` zeroed values, aligned to a cache line (and to the widest vector).
template <class T>
class Block {
 public:
  static constexpr std::size_t kAlignment = 64;

  Block() = default;
  explicit Block(std::int64_t count)
      : data_(static_cast<T*>(::operator new (bytes(count), std::align_val_t{kAlignment}))), count_(count) {
    std::memset(static_cast<void*>(data_.get()), 0, bytes(count));
  }

  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::int64_t size() const { return count_; }

 private:
  static std::size_t bytes(std::int64_t count) { return static_cast<std::size_t>(count > 0 ? count : 1) * sizeof(T); }
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
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
