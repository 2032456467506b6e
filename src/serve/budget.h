// bytes asked for on behalf of clients → counted for all threads together, and refused beyond a limit.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <new>
#include <utility>

namespace soma::http {

/// The server holds as much for its clients as it may.
struct OverBudget : std::bad_alloc {
  [[nodiscard]] const char* what() const noexcept override { return "beyond the server's memory for requests"; }
};

/// Counts, and gives nothing out. From any thread.
class Budget {
 public:
  explicit Budget(std::size_t limit) : limit_(limit) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// Throws OverBudget.
  void take(std::size_t bytes) { take(bytes, used_, limit_); }
  void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  /// Heads of requests and short answers have half as much again for themselves: whoever fills the budget with bodies does not
  /// keep others from asking how the server fares.
  void take_small(std::size_t bytes) { take(bytes, small_, limit_ / 2); }
  void give_back_small(std::size_t bytes) noexcept { small_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] std::size_t used() const {
    return used_.load(std::memory_order_relaxed) + small_.load(std::memory_order_relaxed);
  }

 private:
  static void take(std::size_t bytes, std::atomic<std::size_t>& used, std::size_t limit) {
    const std::size_t before = used.fetch_add(bytes, std::memory_order_relaxed);
    if (before <= limit && bytes <= limit - before) return;
    used.fetch_sub(bytes, std::memory_order_relaxed);
    throw OverBudget();
  }
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0}, small_{0};
};

/// Bytes counted as long as this lives: for memory that somebody else asks the heap for.
class Charge {
 public:
  Charge(Budget& budget, std::size_t bytes) : budget_(budget), bytes_(bytes) { budget.take(bytes); }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() { budget_.give_back(bytes_); }

 private:
  Budget& budget_;
  std::size_t bytes_;
};

/// For containers that grow as a client says. Large pieces are the system's own pages, so that freed means gone. From any thread.
class BudgetMemory final : public std::pmr::memory_resource {
 public:
  explicit BudgetMemory(Budget& budget) : budget_(budget) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  Budget& budget_;
};

}  // namespace soma::http
