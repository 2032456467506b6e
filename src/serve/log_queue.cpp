// lines of a log → whoever writes them, on a thread of its own: a terminal or a pipe that stands still stops nobody.
#include "serve/log_queue.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>

namespace soma {
namespace {

constexpr std::size_t kMost = std::size_t{1} << 20;
constexpr std::chrono::seconds kPatience{1};

}  // namespace

struct LogQueue::Shared {
  std::function<void(std::string_view)> sink;
  std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  std::int64_t dropped = 0;
  bool stopping = false, idle = false;

  void work() {
    std::string lines;
    std::unique_lock lock(mutex);
    for (;;) {
      idle = waiting.empty();
      changed.notify_all();
      changed.wait(lock, [&] { return stopping || !waiting.empty(); });
      if (waiting.empty()) return;
      idle = false;
      lines.clear();
      lines.swap(waiting);
      lock.unlock();
      sink(lines);
      lock.lock();
    }
  }
};

LogQueue::LogQueue(std::function<void(std::string_view)> sink) {
  if (!sink) return;
  shared_ = std::make_shared<Shared>();
  shared_->sink = std::move(sink);
  std::thread([shared = shared_] { shared->work(); }).detach();
}

LogQueue::~LogQueue() {
  if (!shared_) return;
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kPatience, [&] { return shared_->idle && shared_->waiting.empty(); });
}

void LogQueue::push(std::string_view lines) noexcept {
  if (!shared_ || lines.empty()) return;
  const std::lock_guard lock(shared_->mutex);
  try {
    if (shared_->waiting.size() + lines.size() <= kMost) {
      shared_->waiting += lines;
      return shared_->changed.notify_all();
    }
  } catch (const std::bad_alloc&) {
  }
  shared_->dropped += std::count(lines.begin(), lines.end(), '\n');
}

std::int64_t LogQueue::dropped() const {
  if (!shared_) return 0;
  const std::lock_guard lock(shared_->mutex);
  return shared_->dropped;
}

}  // namespace soma
