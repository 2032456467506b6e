// work that would hold up a thread of the server → one thread beside them that does it, in order.
#include "serve/aside.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

#include "serve/http.h"

namespace soma::http {
namespace {

constexpr int kNice = 5;  // large requests never take the processor from small ones
constexpr std::chrono::milliseconds kRetry(50);

}  // namespace

void Aside::run(Loop& loop, std::function<void()> work, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({&loop, std::move(work), std::move(then)});
    if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { go_on(); });
  }
  changed_.notify_one();
}

void Aside::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Aside::go_on() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  for (;;) {
    Piece next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next.work();
    for (bool told = false; !told;) {  // somebody waits for it: without memory to say so this tries again until there is some
      try {
        next.loop->post(next.then);
        told = true;
      } catch (const std::bad_alloc&) {
        std::this_thread::sleep_for(kRetry);
      }
    }
  }
}

}  // namespace soma::http
