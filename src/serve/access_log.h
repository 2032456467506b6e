// an answered request → a line of JSON, in pieces large enough to be worth a write.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "serve/http.h"
#include "serve/log_queue.h"
#include "soma/serve.h"

namespace soma {

/// One thread's.
class Log {
 public:
  Log(AccessLog kind, LogQueue& queue) : kind_(kind), queue_(queue) {}
  ~Log() { flush(); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void answered(const http::Exchange& exchange, int status, std::chrono::nanoseconds time) {
    if (kind_ != AccessLog::off) write(exchange, status, time);
  }
  void flush();

 private:
  void write(const http::Exchange& exchange, int status, std::chrono::nanoseconds time);
  AccessLog kind_;
  LogQueue& queue_;
  std::string lines_;
  unsigned seen_ = 0;
};

}  // namespace soma
