// numbers and foreign words → text that may stand in a page.
#include "report/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace soma::report {
namespace {

constexpr std::string_view kSpace = "\u202f", kUnknown = "\ufffd";

/// Bytes of the UTF-8 character at the front; 0 when there is none (RFC 3629: no overlong forms, no surrogates).
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool fits = !(first == 0xE0 && second < 0xA0) && !(first == 0xED && second > 0x9F);
    return fits && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool fits = !(first == 0xF0 && second < 0x90) && !(first == 0xF4 && second > 0x8F);
    return fits && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string escaped(std::string_view words) {
  std::string text;
  text.reserve(words.size());
  while (!words.empty()) {
    const std::size_t length = character(words);
    const char c = words[0];
    if (length == 1 && c == '&') {
      text += "&amp;";
    } else if (length == 1 && c == '<') {
      text += "&lt;";
    } else if (length == 1 && c == '>') {
      text += "&gt;";
    } else if (length == 1 && c == '"') {
      text += "&quot;";
    } else if (length == 1 && c == '\'') {
      text += "&#39;";
    } else if (length == 0 || (length == 1 && static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == '\x7f') {
      text += kUnknown;
    } else {
      text += words.substr(0, length);
    }
    words.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n);
  if (digits.size() > 4)
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, kSpace);
  return (n < 0 ? "−" : "") + (digits.starts_with(kSpace) ? digits.substr(kSpace.size()) : digits);
}

std::string percent(double share) {
  if (!std::isfinite(share)) return "–";
  return fmt::format("{:.{}f}{}%", 100 * share, share >= 0.9 && share < 1 ? 2 : 1, kSpace);
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "–";
  if (seconds < 1e-3) return fmt::format("{:.3g}{}µs", seconds * 1e6, kSpace);
  if (seconds < 1) return fmt::format("{:.3g}{}ms", seconds * 1e3, kSpace);
  if (seconds < 120) return fmt::format("{:.{}f}{}s", seconds, seconds < 10 ? 2 : 1, kSpace);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 7200) return fmt::format("{}{}min {}{}s", whole / 60, kSpace, whole % 60, kSpace);
  return fmt::format("{}{}h {}{}min", whole / 3600, kSpace, whole % 3600 / 60, kSpace);
}

std::string fixed(double x, int decimals) {
  if (!std::isfinite(x)) return "–";
  std::string text = fmt::format("{:.{}f}", std::abs(x), decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  if (const std::size_t whole = std::min(text.find('.'), text.size()); whole > 4) {
    std::string digits = text.substr(0, whole);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, kSpace);
    text = (digits.starts_with(kSpace) ? digits.substr(kSpace.size()) : digits) + text.substr(whole);
  }
  return (x < 0 && !zero ? "−" : "") + text;
}

std::string with_prefix(double x) {
  static constexpr std::array<const char*, 5> prefixes = {"", "k", "M", "G", "T"};
  if (!std::isfinite(x)) return "–";
  std::size_t power = 0;
  for (; std::abs(x) >= 1000 && power + 1 < prefixes.size(); ++power) x /= 1000;
  return fmt::format("{:.{}g}{}{}", x, power == 0 ? 4 : 3, power == 0 ? "" : kSpace, prefixes[power]);
}

std::string brief(double x) {
  if (!std::isfinite(x)) return "–";
  if (x == 0) return "0";
  const double size = std::abs(x);
  if (size >= 1e7 || size < 1e-4) {
    const std::string text = fmt::format("{:.2e}", x);  // 2.00e-05 → 2e-5
    const std::size_t e = text.find('e');
    std::string mantissa = text.substr(0, e);
    mantissa.erase(mantissa.find_last_not_of('0') + 1);
    if (mantissa.ends_with('.')) mantissa.pop_back();
    return fmt::format("{}e{}", mantissa, std::stoi(text.substr(e + 1)));
  }
  const int digits = std::max(0, 2 - static_cast<int>(std::floor(std::log10(size))));
  std::string text = fixed(x, digits);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return text;
}

}  // namespace soma::report
