// pool: units of an operation → a queue, and workers that are made for this one operation.
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "train/strategy.h"

namespace soma {
namespace {

/// Holds every job before the first is taken, as the channel of a Go worker pool does.
class JobQueue {
 public:
  explicit JobQueue(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) jobs_.push_back(i);
  }
  std::optional<std::int64_t> take() {
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return std::nullopt;
    const std::int64_t job = jobs_.front();
    jobs_.pop_front();
    return job;
  }

 private:
  std::mutex mutex_;
  std::deque<std::int64_t> jobs_;
};

class Pool final : public Spread {
 public:
  explicit Pool(int workers) : members_(workers) {}

  [[nodiscard]] int members() const override { return members_; }

  void share(std::int64_t count, Unit unit, void* context) noexcept override {
    std::optional<JobQueue> queue;
    const auto work = [&](int member) {
      while (const auto job = queue->take()) unit(context, *job, *job + 1, member);
    };
    std::vector<std::thread> workers;
    try {
      queue.emplace(count);
      workers.reserve(static_cast<std::size_t>(members_));
      for (int member = 0; member < members_; ++member) workers.emplace_back(work, member);
    } catch (const std::system_error&) {  // the system has no thread left: those there are do the work
    } catch (const std::bad_alloc&) {     // nor memory for one
    }
    if (!queue)
      for (std::int64_t i = 0; i < count; ++i) unit(context, i, i + 1, 0);
    else if (workers.empty())
      work(0);
    for (std::thread& worker : workers) worker.join();
  }

 private:
  const int members_;
};

}  // namespace

std::unique_ptr<Spread> make_pool(int workers) { return std::make_unique<Pool>(workers); }

}  // namespace soma
