// an answered request → a line of JSON, in pieces large enough to be worth a write.
#include "serve/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "serve/json_text.h"

namespace soma {
namespace {

constexpr unsigned kOneIn = 100;
constexpr std::size_t kPiece = 32768;

/// A piece of a request as a JSON string.
std::string json(std::string_view text) {
  http::SlabPool pool;
  http::Buffer buffer;
  buffer.start(pool, 0);
  append_json(buffer, text.substr(0, 500));
  return std::string(buffer.view());
}

std::string optional(std::string_view key, std::string_view text) { return text.empty() ? "" : std::string(key) + json(text); }

}  // namespace

void Log::write(const http::Exchange& exchange, int status, std::chrono::nanoseconds time) {
  if (kind_ == AccessLog::sampled && status < 400 && seen_++ % kOneIn != 0) return;
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  lines_ += fmt::format(
      "{{\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\",\"peer\":\"{}\",\"method\":{},\"path\":{},\"status\":{},\"bytes\":{},\"ms\":{:."
      "3f}"
      "{}{}}}\n",
      fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, exchange.peer(), json(exchange.head.method_text),
      json(exchange.head.target), status, exchange.answer_bytes(), static_cast<double>(time.count()) * 1e-6,
      optional(",\"request_id\":", exchange.head.request_id), optional(",\"traceparent\":", exchange.head.traceparent));
  if (lines_.size() >= kPiece) flush();
}

void Log::flush() {
  if (lines_.empty()) return;
  queue_.push(lines_);
  lines_.clear();
}

}  // namespace soma
