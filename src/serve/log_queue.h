// lines of a log → whoever writes them, on a thread of its own: a terminal or a pipe that stands still stops nobody.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace soma {

class LogQueue {
 public:
  /// `sink` is called on the queue's own thread with whole lines. Null: nothing is kept.
  explicit LogQueue(std::function<void(std::string_view)> sink);
  /// Writes what is there, but waits no longer than a second for a sink that stands still.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  /// Whole lines. Never waits: what does not fit into a mebibyte is dropped and counted. From any thread.
  void push(std::string_view lines) noexcept;
  [[nodiscard]] std::int64_t dropped() const;

 private:
  struct Shared;  // outlives this when the sink never returns
  std::shared_ptr<Shared> shared_;
};

}  // namespace soma
