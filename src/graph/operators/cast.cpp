// arrays of one element type → the same numbers in another.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "graph/convert.h"
#include "graph/operator.h"

namespace soma {
namespace {

template <class To, class From>
To narrowed(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(x)) return 0;
    // The limits themselves may not be floats; the powers of two beside them are.
    constexpr double high = std::is_signed_v<To> ? -2.0 * static_cast<double>(std::numeric_limits<To>::min() / 2)
                                                 : 2.0 * static_cast<double>(std::numeric_limits<To>::max() / 2 + 1);
    const double whole = std::trunc(static_cast<double>(x));
    if (whole >= high) return std::numeric_limits<To>::max();
    if (whole < static_cast<double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(whole);
  } else {
    return static_cast<To>(x);
  }
}

template <class T>
std::string written(T x) {
  if constexpr (std::is_same_v<T, bool>)
    return x ? "True" : "False";
  else
    return fmt::format("{}", x);
}

template <class T>
bool read(std::string_view text, T& x) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  if constexpr (std::is_same_v<T, bool>) {
    x = text == "1" || text == "True" || text == "true";
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (failure == std::errc() && end == text.data() + text.size()) return true;
    double wide = 0;
    if (!read(text, wide)) return false;
    x = narrowed<T>(wide);
    return true;
  } else {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), x);
    return failure == std::errc() && end == text.data() + text.size();
  }
}

bool is_half(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

/// Through floats, since no C++ type has 16 bits of precision to spare.
bool through_floats(const Operand& x, const Operand& y) {
  std::vector<float> floats(static_cast<std::size_t>(x.size()));
  const Operand between{ElementType::f32, x.extents, floats.data()};
  if (is_half(x.type))
    convert_half(x, between);
  else if (!convert(x, between))
    return false;
  if (!is_half(y.type)) return convert(between, y);
  convert_half(between, y);
  return true;
}

/// The type an operator's attribute `to` names.
ElementType target(const Shaping& site) {
  const std::int64_t to = site.integer("to", 0);
  const auto type = element_type(static_cast<std::int32_t>(to));
  if (!type) Site::refuse("a type of whole or real numbers, bool or string", fmt::format("ONNX type {}", to));
  return *type;
}

void cast_shape(Shaping& site) {
  if (site.version < 6) Site::refuse("version 6 or later", "types by name");
  site.give(0, target(site), site.extents(0));
}

void cast_like_shape(Shaping& site) { site.give(0, site.type(1), site.extents(0)); }

void cast(Call& call) {
  if (!convert(call.in[0], call.out[0])) Site::refuse("text that is a number", "other text");
}

}  // namespace

void convert_half(const Operand& x, const Operand& y) {
  const std::int64_t n = x.size();
  const bool wide = x.type == ElementType::f32, half = (wide ? y.type : x.type) == ElementType::f16;
  const auto* bits = x.as<std::uint16_t>();
  const auto* floats = x.as<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    if (wide)
      y.as<std::uint16_t>()[i] = half ? to_half(floats[i]) : to_bfloat(floats[i]);
    else
      y.as<float>()[i] = half ? from_half(bits[i]) : from_bfloat(bits[i]);
  }
}

bool convert(const Operand& x, const Operand& y) {
  if (x.type == y.type) {
    with_storage(x.type, [&]<class T>() { std::copy_n(x.as<T>(), x.size(), y.as<T>()); });
    return true;
  }
  if (is_half(x.type) || is_half(y.type)) return through_floats(x, y);
  const std::int64_t n = x.size();
  bool fits = true;
  if (x.type == ElementType::string) {
    with_number_or_boolean(y.type, [&]<class T>() {
      for (std::int64_t i = 0; i < n; ++i) fits = read(x.as<std::string>()[i], y.as<T>()[i]) && fits;
    });
    return fits;
  }
  with_number_or_boolean(x.type, [&]<class From>() {
    const From* from = x.as<From>();
    if (y.type == ElementType::string)
      for (std::int64_t i = 0; i < n; ++i) y.as<std::string>()[i] = written(from[i]);
    with_number_or_boolean(y.type, [&]<class To>() {
      for (std::int64_t i = 0; i < n; ++i) y.as<To>()[i] = narrowed<To>(from[i]);
    });
  });
  return true;
}

Rows cast_operators() {
  return {{"Cast", {1, 6, 9, 13, 19, 21, 23, 24, 25, 28}, kAny, cast_shape, cast, true},
          {"CastLike", {15, 19, 21, 23, 24, 25}, kAny, cast_like_shape, cast, true}};
}

}  // namespace soma
