// spawn: units of an operation → a thread for each, as a Go program starts a goroutine per element.
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "train/strategy.h"

namespace soma {
namespace {

/// As many threads are alive at once as there are members; a goroutine would wait for a processor in the same way.
class Spawn final : public Spread {
 public:
  explicit Spawn(int workers) : threads_(static_cast<std::size_t>(workers)) {
    for (int member = workers - 1; member >= 0; --member) free_.push_back(member);
  }

  [[nodiscard]] int members() const override { return static_cast<int>(threads_.size()); }

  void share(std::int64_t count, Unit unit, void* context) noexcept override {
    for (std::int64_t i = 0; i < count; ++i) {
      const int member = take_member();
      std::thread& thread = threads_[static_cast<std::size_t>(member)];
      if (thread.joinable()) thread.join();  // it has given its place back, and is only on its way out
      const auto task = [this, unit, context, i, member] {
        unit(context, i, i + 1, member);
        give_back(member);
      };
      try {
        thread = std::thread(task);
      } catch (const std::system_error&) {
        task();  // the system has no thread left
      } catch (const std::bad_alloc&) {
        task();  // nor memory for one
      }
    }
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }

 private:
  int take_member() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !free_.empty(); });
    const int member = free_.back();
    free_.pop_back();
    return member;
  }
  void give_back(int member) {
    const std::lock_guard lock(mutex_);
    free_.push_back(member);
    idle_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<int> free_;
  std::vector<std::thread> threads_;  // the last one of each member
};

}  // namespace

std::unique_ptr<Spread> make_spawn(int workers) { return std::make_unique<Spawn>(workers); }

}  // namespace soma
