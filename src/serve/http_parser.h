// bytes → the head of a request, and the body out of its chunks. Trusts nothing. Boost.Beast does the work.
#pragma once

#include <cstddef>
#include <memory>
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
  explicit Parser(const Limits& limits);
  Parser(Parser&&) noexcept;
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
  struct Beast;
  std::unique_ptr<Beast> beast_;
};

}  // namespace soma::http
