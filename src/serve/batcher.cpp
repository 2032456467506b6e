// requests for one model on one thread → batches: whoever is there when the last batch has ended goes together.
#include "serve/batcher.h"

#include <algorithm>
#include <cstring>

namespace soma {

using http::Clock;

Batcher::Batcher(Engine& engine, ModelCounters& counters, http::Loop& loop, Options options)
    : engine_(engine), counters_(counters), loop_(loop), options_(options) {
  parts_.reserve(static_cast<std::size_t>(engine.max_batch()));
}

bool Batcher::submit(Job& job) {
  if (waiting_ >= options_.max_queue) {
    counters_.rejected.add();
    return false;
  }
  job.queued_ = Clock::now();
  job.begun_ = job.done_ = 0;
  job.next_ = nullptr;
  rows_waiting_ += job.count;
  try {
    schedule();
  } catch (...) {
    rows_waiting_ -= job.count;
    throw;
  }
  append(job);
  counters_.waiting.set(static_cast<std::int64_t>(++waiting_));
  return true;
}

void Batcher::append(Job& job) {
  job.next_ = nullptr;
  *last_ = &job;
  last_ = &job.next_;
}

void Batcher::schedule() {
  if (scheduled_) return;
  const bool now = options_.max_delay.count() == 0 || rows_waiting_ >= engine_.max_batch();
  if (!now && delayed_) return;
  alive_ = shared_from_this();
  if (now) {
    loop_.defer([](void* self) { static_cast<Batcher*>(self)->run_batch(); }, this);
    scheduled_ = true;
  } else {
    delayed_ = true;
    loop_.after(
        options_.max_delay,
        [](void* self) {
          static_cast<Batcher*>(self)->delayed_ = false;
          static_cast<Batcher*>(self)->run_batch();
        },
        this);
  }
}

/// Fills the engine's rows from the front of the queue; jobs whose time is over go to late_.
std::int64_t Batcher::gather(Clock::time_point now) {
  const auto stride = [&](Layout layout) {
    return engine_.sample_size() * (layout == Layout::bytes ? 1 : static_cast<std::int64_t>(sizeof(float)));
  };
  parts_.clear();
  std::int64_t rows = 0;
  while (first_ != nullptr && rows < engine_.max_batch()) {
    Job& job = *first_;
    const bool late = job.begun_ == 0 && now > job.deadline;
    const std::int64_t take = late ? 0 : std::min(job.count - job.begun_, engine_.max_batch() - rows);
    if (job.begun_ == 0) counters_.queue.add(now - job.queued_);
    if (take > 0) {
      engine_.fill(rows, job.samples + job.begun_ * stride(job.layout), take, job.layout);
      parts_.push_back({&job, take});
      rows += take;
      job.begun_ += take;
    }
    rows_waiting_ -= late ? job.count : take;
    first_ = job.next_;
    if (first_ == nullptr) last_ = &first_;
    job.next_ = nullptr;
    if (!late && job.begun_ < job.count) {  // the batch is full: now the others
      append(job);
      break;
    }
    counters_.waiting.set(static_cast<std::int64_t>(--waiting_));
    if (!late) continue;
    counters_.late.add();
    *late_end_ = &job;
    late_end_ = &job.next_;
  }
  return rows;
}

void Batcher::finish(Job* jobs, Job::Outcome outcome) {
  while (jobs != nullptr) {
    Job* job = jobs;
    jobs = job->next_;
    job->finish(*job, outcome);
  }
}

void Batcher::run_batch() {
  const std::shared_ptr<Batcher> alive = alive_;
  scheduled_ = false;
  const Clock::time_point began = Clock::now();
  const std::int64_t rows = gather(began);
  Job *done = nullptr, **end = &done;
  if (rows > 0) {
    const Clock::time_point filled = Clock::now();
    const float* y = engine_.run(rows);
    const Clock::time_point computed = Clock::now();
    const std::int64_t width = engine_.output_size();
    std::int64_t row = 0;
    for (const Part& part : parts_) {
      Job& job = *part.job;
      for (std::int64_t i = 0; i < part.rows && job.score != nullptr; ++i)
        job.score[job.done_ + i] = engine_.score(row + i, y + i * width);
      row += part.rows;
      std::copy(y, y + part.rows * width, job.y + job.done_ * width);
      y += part.rows * width;
      job.done_ += part.rows;
      if (job.done_ < job.count) continue;
      *end = &job;
      end = &job.next_;
    }
    counters_.input.add(filled - began);
    counters_.infer.add(computed - filled);
    counters_.inference_time.observe(computed - filled);
    counters_.batches[static_cast<std::size_t>(rows)].add(computed - filled);
    counters_.rows.add(rows);
    counters_.executions.add();
    counters_.last_inference_ms.set(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  }
  Job* late = late_;
  late_ = nullptr;
  late_end_ = &late_;
  if (first_ != nullptr) schedule();
  if (!scheduled_ && !delayed_) alive_.reset();
  finish(late, Job::Outcome::late);
  finish(done, Job::Outcome::done);
}

}  // namespace soma
