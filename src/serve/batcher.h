// requests for one model on one thread → batches: whoever is there when the last batch has ended goes together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "serve/counters.h"
#include "serve/engine.h"
#include "serve/http.h"

namespace soma {

/// Rows that want to go through a model. Stays where it is until `finish` is called.
struct Job {
  enum class Outcome { done, late };
  const std::byte* samples = nullptr;
  Layout layout = Layout::floats;
  std::int64_t count = 0;   ///< ≥ 1
  float* y = nullptr;       ///< [count, output_size]
  double* score = nullptr;  ///< [count], as Engine::score says, or null: nobody wants to know
  http::Clock::time_point deadline = http::Clock::time_point::max();
  void (*finish)(Job&, Outcome) = nullptr;

 private:
  friend class Batcher;
  std::int64_t begun_ = 0, done_ = 0;
  http::Clock::time_point queued_;
  Job* next_ = nullptr;
};

/// Jobs take turns: each gets at most a batch, and one that is not done then stands behind the others. A batch starts as soon as
/// all that has arrived was read (or `max_delay` later), carries at most the engine's rows, and leaves the loop free between two
/// batches; more rows than that go in several. One thread.
class Batcher : public std::enable_shared_from_this<Batcher> {
 public:
  struct Options {
    std::chrono::microseconds max_delay{0};
    std::size_t max_queue = 1024;  ///< jobs that wait
  };
  Batcher(Engine& engine, ModelCounters& counters, http::Loop& loop, Options options);

  /// False: the queue is full. Otherwise job.finish is called later, from the loop, and not from in here.
  [[nodiscard]] bool submit(Job& job);

  /// Called now and then: goes on where there was no memory to go on.
  void wake() {
    if (first_ != nullptr) schedule();
  }

  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] ModelCounters& counters() { return counters_; }

 private:
  struct Part {
    Job* job;
    std::int64_t rows;
  };
  void append(Job& job);
  void schedule();
  void run_batch();
  std::int64_t gather(http::Clock::time_point now);
  void finish(Job* jobs, Job::Outcome outcome);

  Engine& engine_;
  ModelCounters& counters_;
  http::Loop& loop_;
  Options options_;
  Job *first_ = nullptr, **last_ = &first_;
  std::size_t waiting_ = 0;
  std::int64_t rows_waiting_ = 0;
  std::vector<Part> parts_;
  Job *late_ = nullptr, **late_end_ = &late_;
  bool scheduled_ = false, delayed_ = false;
  std::shared_ptr<Batcher> alive_;  // this, while the loop knows of it
};

}  // namespace soma
