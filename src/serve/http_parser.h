// bytes → the head of a request, and the body out of its chunks. Trusts nothing. Boost.Beast does the work.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "serve/http.h"

namespace soma::http {

/// What a refused request is answered with; status 0 = nothing was refused.
struct Refusal {
  int status = 0;
  std::string_view message;
};

class Parser {
 public:
  /// Borrows the limits.
  explicit Parser(const Limits& limits);
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser();

  enum class State { more, done, refused };

  /// The bytes that follow those consumed so far, until done. The views in `head` point into them: they may not move until the
  /// request is answered.
  State head(std::string_view bytes, Head& head, std::size_t& consumed);
  /// The next bytes of a chunked body: what they hold is appended to `sink(text)`. `consumed` says how many were used.
  template <class Sink>
  State chunks(std::string_view bytes, std::size_t& consumed, Sink& sink) {
    return chunks(
        bytes, consumed, [](void* context, std::string_view text) { (*static_cast<Sink*>(context))(text); }, &sink);
  }
  [[nodiscard]] Refusal refusal() const;
  /// Ready for the next request.
  void reset();

 private:
  State chunks(std::string_view bytes, std::size_t& consumed, void (*sink)(void*, std::string_view), void* context);
  class Fields;
  const Limits& limits_;
  // In place, so that a crowd of connections leaves no small holes in the heap when it goes.
  alignas(std::max_align_t) std::array<std::byte, 256> memory_;
  Fields* fields_ = nullptr;  // lies there
};

}  // namespace soma::http
