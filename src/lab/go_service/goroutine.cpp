// the outputs of a layer → a task from the heap for each → lists of lasting threads, without a lock.
#include <atomic>
#include <deque>
#include <thread>

#include "lab/go_service/strategy.h"

namespace soma {
namespace {

struct Task {
  Job job;
  std::atomic<Task*> next{nullptr};
};

/// Tasks from one thread to one other (or itself), unbounded. The newest task stays behind when it is done: it holds the place.
class TaskList {
 public:
  explicit TaskList(std::pmr::memory_resource* memory) : memory_(memory), head_(make({})), tail_(head_) {}
  TaskList(const TaskList&) = delete;
  TaskList& operator=(const TaskList&) = delete;
  ~TaskList() {
    while (head_ != nullptr) drop_head();
  }

  void append(const Job& job) {
    Task* task = make(job);
    tail_->next.store(task, std::memory_order_release);
    tail_ = task;
  }

  /// Runs the oldest task; false when there is none.
  bool run_one() noexcept {
    Task* task = head_->next.load(std::memory_order_acquire);
    if (task == nullptr) return false;
    drop_head();
    (*task->job.outputs)(task->job.first, task->job.last);
    return true;
  }

 private:
  Task* make(const Job& job) {
    std::pmr::polymorphic_allocator<Task> allocator(memory_);
    Task* task = allocator.new_object<Task>();
    task->job = job;
    return task;
  }
  void drop_head() noexcept {
    Task* old = head_;
    head_ = old->next.load(std::memory_order_acquire);
    std::pmr::polymorphic_allocator<Task>(memory_).delete_object(old);
  }

  std::pmr::memory_resource* memory_;
  alignas(64) Task* head_;  // the consumer's
  alignas(64) Task* tail_;  // the producer's
};

class Goroutine final : public Strategy {
 public:
  Goroutine(int threads, std::pmr::memory_resource* memory) {
    for (int i = 0; i < threads; ++i) lists_.emplace_back(memory);
    for (std::size_t i = 1; i < lists_.size(); ++i) threads_.emplace_back([this, i] { work(lists_[i]); });
  }
  Goroutine(const Goroutine&) = delete;
  Goroutine& operator=(const Goroutine&) = delete;
  ~Goroutine() override {
    stopping_.store(true);
    wake();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(const Outputs& outputs, std::int64_t batch) override {
    pending_.store((outputs.count + batch - 1) / batch);
    wake();
    std::size_t turn = 0;
    for_each_batch(outputs.count, batch, [&](std::int64_t first, std::int64_t last) {
      lists_[turn].append({&outputs, first, last});
      turn = turn + 1 == lists_.size() ? 0 : turn + 1;
    });
    while (lists_[0].run_one()) pending_.fetch_sub(1);
    for (std::int64_t left = pending_.load(); left > 0; left = pending_.load()) pending_.wait(left);
  }

 private:
  void wake() {
    calls_.fetch_add(1);
    calls_.notify_all();
  }

  void work(TaskList& list) {
    for (std::uint32_t seen = 0;;) {
      if (list.run_one()) {
        if (pending_.fetch_sub(1) == 1) pending_.notify_one();
        continue;
      }
      if (pending_.load() > 0) {
        std::this_thread::yield();
        continue;
      }
      const std::uint32_t now = calls_.load();
      if (stopping_.load()) return;
      if (now == seen) calls_.wait(seen);
      seen = calls_.load();
    }
  }

  std::deque<TaskList> lists_;  // [0] is the caller's
  std::atomic<std::uint32_t> calls_{0};
  std::atomic<std::int64_t> pending_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Strategy> make_goroutine(int threads, std::pmr::memory_resource* memory) {
  return std::make_unique<Goroutine>(threads, memory);
}

}  // namespace soma
