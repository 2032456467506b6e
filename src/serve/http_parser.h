// bytes → the head of a request, and the body out of its chunks: RFC 9110 and 9112 as written, and nothing forgiven. Trusts
// nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serve/http.h"

namespace soma::http {

/// What a refused request is answered with; status 0 = nothing was refused.
struct Refusal {
  int status = 0;
  std::string_view message;
};

enum class ParseState { more, done, refused };

/// Reads a head line by line as lines become whole, so that what it makes of some bytes does not depend on how they arrived: the
/// first line that is wrong, or does not end within the limit, decides. Holds offsets, never addresses.
class HeadParser {
 public:
  /// Borrows the limits.
  explicit HeadParser(const Limits& limits) : limits_(limits) {}

  /// `bytes`: all that arrived since the last request ended; each call sees the same ones and perhaps more behind them, wherever
  /// they lie by now. Once done, `head` has views into `bytes` and `used` says where the body begins.
  ParseState parse(std::string_view bytes, Head& head, std::size_t& used);
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  /// Ready for the next request.
  void reset();

 private:
  struct Piece {
    std::uint32_t begin = 0, size = 0;
    bool there = false;
  };
  struct Known;
  static const std::array<Known, 13> kKnown;

  bool request_line(std::string_view line);
  bool target(std::string_view text);
  bool field(std::string_view line);
  bool finish(std::string_view bytes, Head& head);
  bool refuse(int status, std::string_view message) { return refusal_ = {status, message}, false; }
  [[nodiscard]] Piece piece(std::string_view part) const;

  const Limits& limits_;
  Refusal refusal_;
  const char* base_ = nullptr;           // of the bytes of the present call
  std::size_t line_ = 0, searched_ = 0;  // where the next line begins; up to where no end of it was found
  std::size_t fields_ = 0;
  bool started_ = false, old_ = false, close_ = false;
  Piece method_, target_, authority_;
  std::array<Piece, 13> values_;
};

/// Takes the chunks of a body apart, byte by byte where it must, so that it needs no room for a whole line.
class ChunkParser {
 public:
  explicit ChunkParser(const Limits& limits) : limits_(limits) {}

  /// Of the whole body; the limits' own unless set.
  void limit(std::size_t bytes) { most_ = bytes; }

  /// The next bytes of the body: what its chunks hold goes to `sink(text)`; `used` says how many bytes were its own.
  template <class Sink>
  ParseState parse(std::string_view bytes, std::size_t& used, Sink&& sink) {
    used = 0;
    while (used < bytes.size() && state_ != State::done && refusal_.status == 0) {
      if (state_ == State::data) {
        const std::string_view text = bytes.substr(used, static_cast<std::size_t>(left_));
        used += text.size();
        left_ -= text.size();
        sink(text);
        if (left_ == 0) state_ = State::data_cr;
      } else {
        take(bytes[used++]);
      }
    }
    return refusal_.status != 0 ? ParseState::refused : state_ == State::done ? ParseState::done : ParseState::more;
  }
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  void reset();

 private:
  enum class State {
    size,
    extension,
    extension_name,
    extension_named,
    extension_value,
    extension_token,
    extension_quoted,
    extension_escape,
    extension_end,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer,
    trailer_lf,
    end_lf,
    done
  };
  void take(char c);
  void take_extension(char c);
  void refuse(int status, std::string_view message) { refusal_ = {status, message}; }

  const Limits& limits_;
  Refusal refusal_;
  State state_ = State::size;
  std::uint64_t left_ = 0, total_ = 0;  // of this chunk, and of all so far
  std::size_t most_ = limits_.body_bytes;
  std::size_t digits_ = 0, line_ = 0, chunks_ = 0, trailer_ = 0;
};

}  // namespace soma::http
