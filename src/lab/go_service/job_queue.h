// jobs from one thread → jobs for many: a channel of fixed length, as Go's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <vector>

#include "lab/go_service/strategy.h"

namespace soma {

/// A ring behind a lock. Allocates when it is made, never after.
class JobQueue {
 public:
  /// length ≥ 1.
  JobQueue(std::size_t length, std::pmr::memory_resource* memory) : ring_(length, memory) {}

  /// Waits while the queue is full.
  void push(const Job& job) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return count_ < ring_.size(); });
    ring_[(head_ + count_++) % ring_.size()] = job;
    lock.unlock();
    not_empty_.notify_one();
  }

  /// The oldest job; waits while there is none. Nothing once the queue is closed and empty.
  std::optional<Job> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return count_ > 0 || closed_; });
    if (count_ == 0) return std::nullopt;
    const Job job = ring_[head_];
    head_ = (head_ + 1) % ring_.size();
    --count_;
    lock.unlock();
    not_full_.notify_one();
    return job;
  }

  /// No more jobs will come.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
  std::pmr::vector<Job> ring_;
  std::size_t head_ = 0, count_ = 0;
  bool closed_ = false;
};

}  // namespace soma
