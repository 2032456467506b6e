// numbers ↔ their text in files: the same bytes whatever the locale of the program around the library, which printf and strtod
// ask.
#include "core/number.h"

#include <array>
#include <charconv>
#include <cmath>

namespace soma {
namespace {

template <class T, class... Format>
std::optional<T> read(std::string_view text, Format... format) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, format...);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string exact(double x) {
  std::array<char, 40> digits{};
  const auto [end, failure] = std::to_chars(digits.begin(), digits.end(), std::fabs(x), std::chars_format::hex);
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  const char* sign = std::signbit(x) ? "-" : "";
  return std::string(sign).append(std::isfinite(x) ? "0x" : "").append(text);
}

std::optional<double> from_exact(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with("0x")) text.remove_prefix(2);
  if (text.starts_with('-')) return std::nullopt;
  const auto size = read<double>(text, std::chars_format::hex);
  return size && negative ? std::optional(-*size) : size;
}

std::optional<double> decimal_number(std::string_view text) { return read<double>(text); }
std::optional<std::int64_t> whole_number(std::string_view text) { return read<std::int64_t>(text); }

}  // namespace soma
