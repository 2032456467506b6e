// requests for memory → the same requests, counted: how often and how many bytes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory_resource>

namespace soma {

/// operator new and delete with a count of requests and of requested bytes; freeing takes nothing off. Safe from several threads.
class CountingMemory final : public std::pmr::memory_resource {
 public:
  [[nodiscard]] std::int64_t count() const { return count_.load(); }
  [[nodiscard]] std::int64_t bytes() const { return bytes_.load(); }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    count_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::atomic<std::int64_t> count_{0}, bytes_{0};
};

}  // namespace soma
