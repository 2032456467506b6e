// an answered request → a line of JSON, in pieces large enough to be worth a write.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "serve/http.h"
#include "soma/serve.h"

namespace soma {

/// One thread's.
class Log {
 public:
  Log(AccessLog kind, std::function<void(std::string_view)> sink) : kind_(sink ? kind : AccessLog::off), sink_(std::move(sink)) {}
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
  std::function<void(std::string_view)> sink_;
  std::string lines_;
  unsigned seen_ = 0;
};

}  // namespace soma
