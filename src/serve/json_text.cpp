// values → JSON, appended to a buffer without a tree in between: what the server answers with.
#include "serve/json_text.h"

#include <charconv>
#include <cmath>

namespace soma {
namespace {

template <class T>
void append_number(http::Buffer& body, T value) {
  char* to = body.room(32);
  body.commit(static_cast<std::size_t>(std::to_chars(to, to + 32, value).ptr - to));
}

/// How many bytes of well-formed UTF-8 stand at the front (RFC 3629), 0 for others.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0), second = byte(1);
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;  // overlong; half of a pair
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

/// What cannot stand for itself; returns how many bytes of the text it was.
std::size_t append_other(http::Buffer& body, std::string_view text) {
  static constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt", kHex = "0123456789abcdef";
  const char c = text[0];
  if (const std::size_t at = kShort.find(c); at != std::string_view::npos) {
    body.append('\\');
    body.append(kLetters[at]);
    return 1;
  }
  if (static_cast<unsigned char>(c) < 0x80) {
    body.append("\\u00");
    body.append(kHex[static_cast<unsigned char>(c) >> 4]);
    body.append(kHex[static_cast<unsigned char>(c) & 15U]);
    return 1;
  }
  const std::size_t length = utf8_length(text);
  body.append(length > 0 ? text.substr(0, length) : std::string_view("\xef\xbf\xbd"));
  return std::max<std::size_t>(length, 1);
}

}  // namespace

void append_json(http::Buffer& body, std::string_view text) {
  body.append('"');
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    body.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (!text.empty()) text.remove_prefix(append_other(body, text));
  }
  body.append('"');
}

void append_json(http::Buffer& body, float value) { std::isfinite(value) ? append_number(body, value) : body.append("null"); }
void append_json(http::Buffer& body, double value) { std::isfinite(value) ? append_number(body, value) : body.append("null"); }
void append_json(http::Buffer& body, std::int64_t value) { append_number(body, value); }
void append_json(http::Buffer& body, std::uint64_t value) { append_number(body, value); }

}  // namespace soma
