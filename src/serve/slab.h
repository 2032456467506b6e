// sizes asked for again and again → aligned blocks handed out again: one thread's memory for requests and answers.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/budget.h"

namespace soma::http {

class SlabPool;

/// Owns one block; gives it back to its pool, which must outlive it.
class Slab {
 public:
  Slab() = default;
  Slab(Slab&& other) noexcept { swap(other); }
  Slab& operator=(Slab&& other) noexcept {
    Slab moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Slab();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] char* text() const { return reinterpret_cast<char*>(data_); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  explicit operator bool() const { return data_ != nullptr; }
  void reset() { *this = Slab(); }

 private:
  friend class SlabPool;
  void swap(Slab& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(pool_, other.pool_);
  }
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  SlabPool* pool_ = nullptr;
};

/// Blocks of 16 KiB, 32 KiB, 64 KiB … 2 MiB, aligned to 64 bytes, last in first out. A few of each size are kept; larger ones are
/// whole pages and go back to the system when they are done with. One thread; from any where nothing is kept.
class SlabPool {
 public:
  enum class Keeps { some, nothing };
  static constexpr std::size_t kSmallest = std::size_t{1} << 14;

  /// What is in use counts in `budget`, if there is one.
  explicit SlabPool(Budget* budget = nullptr, Keeps keeps = Keeps::some) : keeps_(keeps), budget_(budget) {}
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool() { trim(); }

  /// Not initialised; capacity ≥ wanted. Throws std::bad_alloc.
  [[nodiscard]] Slab take(std::size_t wanted);
  /// Gives all that is not in use back to the system.
  void trim();
  /// Called now and then: gives back what nobody wanted since the last call.
  void settle();

 private:
  friend class Slab;
  void give_back(std::byte* data, std::size_t capacity) noexcept;
  void uncount(std::size_t capacity) noexcept;
  struct Kept {
    std::vector<std::byte*> blocks;
    std::size_t least = 0;  // how few there were since settle()
  };
  std::array<Kept, 8> free_;  // 16 KiB … 2 MiB
  const Keeps keeps_;
  Budget* budget_;
};

/// Bytes appended to slabs, with room in front for a header that is known last.
class Buffer {
 public:
  void start(SlabPool& pool, std::size_t headroom);
  /// As after start() with the same headroom, in memory of another pool.
  void start_again(SlabPool& pool);
  void reset() { slab_.reset(), begin_ = end_ = 0; }

  [[nodiscard]] std::string_view view() const { return {slab_.text() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  void clear() { end_ = begin_; }

  /// Room for at least `count` more bytes; commit() says how many were written.
  [[nodiscard]] char* room(std::size_t count) {
    if (end_ + count > slab_.capacity()) grow(count);
    return slab_.text() + end_;
  }
  void commit(std::size_t count) { end_ += count; }
  void append(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(room(text.size()), text.data(), text.size());
    end_ += text.size();
  }
  void append(char c) { *room(1) = c, ++end_; }
  /// In front of everything; at most the headroom.
  void prepend(std::string_view text);

 private:
  void grow(std::size_t count);
  SlabPool* pool_ = nullptr;
  Slab slab_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace soma::http
