// static-pool: units of an operation → a queue, and workers that stay from one operation to the next.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "train/strategy.h"

namespace soma {
namespace {

class StaticPool final : public Spread {
 public:
  explicit StaticPool(int workers) {
    threads_.reserve(static_cast<std::size_t>(workers));
    try {
      for (int member = 0; member < workers; ++member) threads_.emplace_back([this, member] { work(member); });
    } catch (const std::system_error&) {  // the system has no thread left: those there are do the work
    } catch (const std::bad_alloc&) {     // nor memory for one
    }
  }
  ~StaticPool() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  StaticPool(const StaticPool&) = delete;
  StaticPool& operator=(const StaticPool&) = delete;

  [[nodiscard]] int members() const override { return std::max(1, static_cast<int>(threads_.size())); }

  void share(std::int64_t count, Unit unit, void* context) noexcept override {
    for (std::int64_t i = 0; threads_.empty() && i < count; ++i) unit(context, i, i + 1, 0);
    if (threads_.empty()) return;
    std::unique_lock lock(mutex_);
    unit_ = unit;
    context_ = context;
    next_ = 0;
    count_ = left_ = count;
    wake_.notify_all();
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  void work(int member) {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || next_ < count_; });
      if (stopping_) return;
      const std::int64_t job = next_++;
      lock.unlock();
      unit_(context_, job, job + 1, member);
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Unit unit_ = nullptr;
  void* context_ = nullptr;
  std::int64_t next_ = 0, count_ = 0, left_ = 0;  // the queue: jobs [next_, count_) wait
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Spread> make_static_pool(int workers) { return std::make_unique<StaticPool>(workers); }

}  // namespace soma
