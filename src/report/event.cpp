// what happened at a step → the bytes of a TensorBoard Event message.
#include "report/event.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace soma::report {
namespace {

// The wire format of protocol buffers, as far as six fields need it: https://protobuf.dev/programming-guides/encoding.
// The numbers below are those of event.proto and summary.proto.
enum Wire : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7U) out += static_cast<char>((number & 0x7FU) | 0x80U);
  out += static_cast<char>(number);
}

void put_key(std::string& out, std::uint64_t field, Wire wire) { put_varint(out, field << 3U | wire); }

template <class Number>
void put_little_endian(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) out += static_cast<char>(number >> (8 * i) & 0xFFU);
}

void put_double(std::string& out, std::uint64_t field, double value) {
  put_key(out, field, kFixed64);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}

void put_bytes(std::string& out, std::uint64_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_doubles(std::string& out, std::uint64_t field, std::span<const double> values) {
  put_key(out, field, kBytes);
  put_varint(out, 8 * values.size());
  for (const double value : values) put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}

}  // namespace

Spread spread_of(std::span<const float> values) {
  constexpr std::size_t kPieces = 64;
  Spread spread;
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    spread.min = spread.count == 0 ? x : std::min<double>(spread.min, x);
    spread.max = spread.count == 0 ? x : std::max<double>(spread.max, x);
    spread.sum += x;
    spread.sum_squares += static_cast<double>(x) * x;
    ++spread.count;
  }
  const double width = spread.max - spread.min;
  const std::size_t pieces = width > 0 ? kPieces : 1;
  spread.counts.assign(pieces, 0);
  for (std::size_t i = 1; i < pieces; ++i)
    spread.limits.push_back(spread.min + width * static_cast<double>(i) / static_cast<double>(pieces));
  spread.limits.push_back(spread.max);
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    const double at = width > 0 ? std::ceil((x - spread.min) / width * static_cast<double>(pieces)) - 1 : 0;
    ++spread.counts[static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(pieces - 1)))];
  }
  return spread;
}

EventMessage::EventMessage(double wall_seconds, std::int64_t step) {
  put_double(head_, 1, wall_seconds);
  put_key(head_, 2, kVarint);
  put_varint(head_, static_cast<std::uint64_t>(step));
}

void EventMessage::version() { put_bytes(head_, 3, "brain.Event:2"); }

void EventMessage::starts_again() {
  std::string log;
  put_key(log, 1, kVarint);
  put_varint(log, 1);  // SessionLog.START
  put_bytes(head_, 7, log);
}

void EventMessage::scalar(std::string_view tag, double value) {
  std::string entry;
  put_bytes(entry, 1, tag);
  put_key(entry, 2, kFixed32);
  put_little_endian(entry, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  put_bytes(summary_, 1, entry);
}

void EventMessage::histogram(std::string_view tag, const Spread& spread) {
  std::string numbers;
  put_double(numbers, 1, spread.min);
  put_double(numbers, 2, spread.max);
  put_double(numbers, 3, static_cast<double>(spread.count));
  put_double(numbers, 4, spread.sum);
  put_double(numbers, 5, spread.sum_squares);
  put_doubles(numbers, 6, spread.limits);
  put_doubles(numbers, 7, spread.counts);
  std::string entry;
  put_bytes(entry, 1, tag);
  put_bytes(entry, 5, numbers);
  put_bytes(summary_, 1, entry);
}

std::string EventMessage::bytes() const {
  std::string message = head_;
  if (!summary_.empty()) put_bytes(message, 5, summary_);
  return message;
}

}  // namespace soma::report
