// the outputs of a layer → jobs in a queue → workers made for one call, or lasting ones.
#include <atomic>
#include <thread>

#include "lab/go_service/job_queue.h"
#include "lab/go_service/strategy.h"

namespace soma {
namespace {

class Sequential final : public Strategy {
 public:
  void run(const Outputs& outputs, std::int64_t batch) override {
    for_each_batch(outputs.count, batch, [&](std::int64_t first, std::int64_t last) { outputs(first, last); });
  }
};

class WorkerPool final : public Strategy {
 public:
  WorkerPool(int threads, std::pmr::memory_resource* memory) : threads_(threads), memory_(memory) {}

  void run(const Outputs& outputs, std::int64_t batch) override {
    JobQueue queue(static_cast<std::size_t>((outputs.count + batch - 1) / batch), memory_);
    std::pmr::vector<std::thread> workers(memory_);
    workers.reserve(static_cast<std::size_t>(threads_));
    for (int i = 0; i < threads_; ++i)
      workers.emplace_back([&queue] {
        while (const auto job = queue.pop()) (*job->outputs)(job->first, job->last);
      });
    for_each_batch(outputs.count, batch, [&](std::int64_t first, std::int64_t last) { queue.push({&outputs, first, last}); });
    queue.close();
    for (std::thread& worker : workers) worker.join();
  }

 private:
  int threads_;
  std::pmr::memory_resource* memory_;
};

class StaticWorkerPool final : public Strategy {
 public:
  StaticWorkerPool(int threads, std::pmr::memory_resource* memory) : queue_(kLength, memory), workers_(memory) {
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  StaticWorkerPool(const StaticWorkerPool&) = delete;
  StaticWorkerPool& operator=(const StaticWorkerPool&) = delete;
  ~StaticWorkerPool() override {
    queue_.close();
    for (std::thread& worker : workers_) worker.join();
  }

  void run(const Outputs& outputs, std::int64_t batch) override {
    pending_.store((outputs.count + batch - 1) / batch);
    for_each_batch(outputs.count, batch, [&](std::int64_t first, std::int64_t last) { queue_.push({&outputs, first, last}); });
    for (std::int64_t left = pending_.load(); left > 0; left = pending_.load()) pending_.wait(left);
  }

 private:
  static constexpr std::size_t kLength = 1024;  // jobs; a call with more of them waits for room

  void work() {
    while (const auto job = queue_.pop()) {
      (*job->outputs)(job->first, job->last);
      if (pending_.fetch_sub(1) == 1) pending_.notify_one();
    }
  }

  JobQueue queue_;
  std::atomic<std::int64_t> pending_{0};
  std::pmr::vector<std::thread> workers_;
};

}  // namespace

std::unique_ptr<Strategy> make_sequential() { return std::make_unique<Sequential>(); }

std::unique_ptr<Strategy> make_worker_pool(int threads, std::pmr::memory_resource* memory) {
  return std::make_unique<WorkerPool>(threads, memory);
}

std::unique_ptr<Strategy> make_static_worker_pool(int threads, std::pmr::memory_resource* memory) {
  return std::make_unique<StaticWorkerPool>(threads, memory);
}

const std::vector<StrategyKind>& strategy_kinds() {
  static const std::vector<StrategyKind> kinds = {
      {"sequential", [](int, std::pmr::memory_resource*) { return make_sequential(); }},
      {"goroutine", &make_goroutine},
      {"workerpool", &make_worker_pool},
      {"static workerpool", &make_static_worker_pool},
  };
  return kinds;
}

}  // namespace soma
