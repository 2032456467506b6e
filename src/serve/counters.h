// what one thread does → numbers that any thread may read while it goes on.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace soma {

/// Written by one thread, without a lock or a locked instruction.
class Counter {
 public:
  void add(std::int64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Times in buckets whose bounds grow by 1, 2, 5: from 10 µs to 10 s, and one for all beyond.
struct TimeHistogram {
  static constexpr std::array<std::int64_t, 19> kBounds = {10,     20,      50,      100,     200,     500,    1000,
                                                           2000,   5000,    10000,   20000,   50000,   100000, 200000,
                                                           500000, 1000000, 2000000, 5000000, 10000000};
  std::array<Counter, kBounds.size() + 1> buckets;
  Counter nanoseconds;

  void observe(std::chrono::nanoseconds time) {
    const std::int64_t us = time.count() / 1000;
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && us >= kBounds[bucket]) ++bucket;
    buckets[bucket].add();
    nanoseconds.add(time.count());
  }
};

/// A number of events and the time they took together.
struct Timed {
  Counter count, nanoseconds;
  void add(std::chrono::nanoseconds time, std::int64_t events = 1) { count.add(events), nanoseconds.add(time.count()); }
};

/// One model version on one thread.
struct alignas(64) ModelCounters {
  explicit ModelCounters(std::int64_t max_batch) : batches(static_cast<std::size_t>(max_batch) + 1) {}
  Timed success, failure;  ///< requests
  Timed queue, input, infer, output;
  Counter rows, executions, last_inference_ms, waiting, rejected, late;
  TimeHistogram request_time, inference_time;
  std::vector<Timed> batches;  ///< by size
};

/// One model version over all threads. Lives as long as the server, so that counters never fall when a model is loaded again.
struct ModelStatistics {
  ModelStatistics(int threads_, std::int64_t max_batch) {
    for (int i = 0; i < threads_; ++i) threads.push_back(std::make_unique<ModelCounters>(max_batch));
  }
  std::vector<std::unique_ptr<ModelCounters>> threads;
};

/// HTTP on one thread.
struct alignas(64) HttpCounters {
  std::array<Counter, 600> answers;  ///< by status
  TimeHistogram request_time;        ///< from the first byte of the request to the last of the answer handed to the kernel
  Counter received_bytes, sent_bytes;
};

}  // namespace soma
