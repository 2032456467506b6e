// work that would hold up a thread of the server → one thread beside them that does it, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "serve/slab.h"

namespace soma::http {

class Loop;

/// Its thread starts with the first piece of work.
class Aside {
 public:
  explicit Aside(Budget* budget) : slabs(budget, SlabPool::Keeps::nothing) {}
  ~Aside() { stop(); }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  /// Runs `work` beside, then `then` on the loop's thread. Neither throws. From any thread; throws std::bad_alloc.
  void run(Loop& loop, std::function<void()> work, std::function<void()> then);
  /// Waits for what is being done; what is only queued is never done.
  void stop();

  SlabPool slabs;  ///< for what is written there and read elsewhere: from any thread

 private:
  struct Piece {
    Loop* loop;
    std::function<void()> work, then;
  };
  void go_on();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace soma::http
