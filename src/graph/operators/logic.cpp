// arrays → truth, and arrays by truth: comparisons, and, or, bits, where, is it a number.
#include <cmath>
#include <functional>

#include "graph/operators/elementwise.h"

namespace soma {
namespace {

void truth_shape(Shaping& site) {
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  const auto y = broadcast(site.extents(0), aligned(site, site.extents(0), site.extents(1)));
  if (!y) Site::refuse("extents that broadcast", to_string(site.extents(0)) + " and " + to_string(site.extents(1)));
  site.give(0, ElementType::boolean, *y);
}

template <auto f>
void compare(Call& call) {
  with_number(call.in[0].type, [&]<class T>() { elementwise<T, bool>(call, f); });
}

void equal(Call& call) {
  constexpr auto same = [](const auto& a, const auto& b) { return a == b; };
  with_number_or_boolean(call.in[0].type, [&]<class T>() { elementwise<T, bool>(call, same); });
  if (call.in[0].type == ElementType::string) elementwise<std::string, bool>(call, same);
}

template <auto f>
void logical(Call& call) {
  elementwise<bool, bool>(call, f);
}

void negation(Call& call) {
  for (std::int64_t i = 0, n = call.in[0].size(); i < n; ++i) call.out[0].as<bool>()[i] = !call.in[0].as<bool>()[i];
}

template <class F>
void with_whole(ElementType type, F&& f) {
  with_type<std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>(
      type, f);
}

template <auto f>
void bitwise(Call& call) {
  with_whole(call.in[0].type, [&]<class T>() { elementwise<T, T>(call, [](T a, T b) { return static_cast<T>(f(a, b)); }); });
}

void bitwise_not(Call& call) {
  with_whole(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0, n = call.in[0].size(); i < n; ++i) call.out[0].as<T>()[i] = static_cast<T>(~call.in[0].as<T>()[i]);
  });
}

void bit_shift(Call& call) {
  const bool left = call.word("direction", "") == "LEFT";
  with_whole(call.in[0].type, [&]<class T>() {
    elementwise<T, T>(call, [left](T a, T b) {
      if (static_cast<std::uint64_t>(b) >= sizeof(T) * 8) return T(0);
      return static_cast<T>(left ? static_cast<std::uint64_t>(a) << b : static_cast<std::uint64_t>(a) >> b);
    });
  });
}

void where_shape(Shaping& site) {
  if (site.type(1) != site.type(2)) Site::refuse(to_string(site.type(1)), to_string(site.type(2)));
  auto y = broadcast(site.extents(0), site.extents(1));
  if (y) y = broadcast(*y, site.extents(2));
  if (!y)
    Site::refuse("extents that broadcast",
                 to_string(site.extents(0)) + ", " + to_string(site.extents(1)) + " and " + to_string(site.extents(2)));
  site.give(0, site.type(1), *y);
}

void where(Call& call) {
  const Operand &condition = call.in[0], &a = call.in[1], &b = call.in[2], &y = call.out[0];
  with_storage(y.type, [&]<class T>() {
    each_line<4>(y.extents,
                 {strides_of(y.extents), broadcast_strides(condition.extents, y.extents), broadcast_strides(a.extents, y.extents),
                  broadcast_strides(b.extents, y.extents)},
                 [&](const auto& at, std::int64_t n, const auto& step) {
                   for (std::int64_t i = 0; i < n; ++i)
                     y.as<T>()[at[0] + i * step[0]] = condition.as<bool>()[at[1] + i * step[1]] ? a.as<T>()[at[2] + i * step[2]]
                                                                                                : b.as<T>()[at[3] + i * step[3]];
                 });
  });
}

void is_shape(Shaping& site) { site.give(0, ElementType::boolean, site.extents(0)); }

void is_nan(Call& call) {
  with_real(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0, n = call.in[0].size(); i < n; ++i) call.out[0].as<bool>()[i] = std::isnan(call.in[0].as<T>()[i]);
  });
}

void is_infinite(Call& call) {
  const bool below = call.integer("detect_negative", 1) != 0, above = call.integer("detect_positive", 1) != 0;
  with_real(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0, n = call.in[0].size(); i < n; ++i) {
      const T x = call.in[0].as<T>()[i];
      call.out[0].as<bool>()[i] = std::isinf(x) && (x > 0 ? above : below);
    }
  });
}

}  // namespace

Rows logic_operators() {
  return {{"Equal", {1, 7, 11, 13, 19}, kAny, truth_shape, equal},
          {"Greater", {1, 7, 9, 13}, kNumbers, truth_shape, compare<std::greater<>{}>},
          {"GreaterOrEqual", {12, 16}, kNumbers, truth_shape, compare<std::greater_equal<>{}>},
          {"Less", {1, 7, 9, 13}, kNumbers, truth_shape, compare<std::less<>{}>},
          {"LessOrEqual", {12, 16}, kNumbers, truth_shape, compare<std::less_equal<>{}>},
          {"And", {1, 7}, kBoolean, truth_shape, logical<[](bool a, bool b) { return a && b; }>},
          {"Or", {1, 7}, kBoolean, truth_shape, logical<[](bool a, bool b) { return a || b; }>},
          {"Xor", {1, 7}, kBoolean, truth_shape, logical<[](bool a, bool b) { return a != b; }>},
          {"Not", {1}, kBoolean, same_shape, negation},
          {"BitwiseAnd", {18}, kWhole, broadcast_shape, bitwise<[](auto a, auto b) { return a & b; }>},
          {"BitwiseOr", {18}, kWhole, broadcast_shape, bitwise<[](auto a, auto b) { return a | b; }>},
          {"BitwiseXor", {18}, kWhole, broadcast_shape, bitwise<[](auto a, auto b) { return a ^ b; }>},
          {"BitwiseNot", {18}, kWhole, same_shape, bitwise_not},
          {"BitShift", {11, 28}, kUnsigned, broadcast_shape, bit_shift},
          {"Where", {9, 16}, kBoolean, where_shape, where, true},
          {"IsNaN", {9, 13, 20}, kReal, is_shape, is_nan},
          {"IsInf", {10, 20}, kReal, is_shape, is_infinite}};
}

}  // namespace soma
