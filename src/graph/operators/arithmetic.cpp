// two or more arrays of numbers → their sum, difference, product, quotient, power, remainder, extremes, mean.
#include <cmath>
#include <limits>
#include <type_traits>

#include "graph/operators/elementwise.h"

namespace soma {
namespace {

/// Whole numbers wrap, as they do in NumPy.
template <class T>
T wrapped(std::uint64_t value) {
  return static_cast<T>(value);
}

struct Plus {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return wrapped<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    else
      return a + b;
  }
};
struct Minus {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return wrapped<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
    else
      return a - b;
  }
};
struct Times {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return wrapped<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else
      return a * b;
  }
};
struct Over {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>)
        if (b == -1) return wrapped<T>(std::uint64_t{0} - static_cast<std::uint64_t>(a));
      return static_cast<T>(a / b);
    } else {
      return a / b;
    }
  }
};
struct Smaller {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(a)) return a;
    return a < b || a == b ? a : b;
  }
};
struct Larger {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(a)) return a;
    return a > b || a == b ? a : b;
  }
};
/// The sign of the divisor, as Python has it.
struct Modulo {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>)
        if (b == -1) return 0;
      const auto rest = static_cast<T>(a % b);
      return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    } else {
      const T rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
};
/// The sign of the dividend, as C has it.
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>)
        if (b == -1) return 0;
      return static_cast<T>(a % b);
    } else {
      return std::fmod(a, b);
    }
  }
};

template <class F>
void binary(Call& call) {
  with_number(call.in[0].type, [&]<class T>() { elementwise<T, T>(call, F{}); });
}

/// One array after the other into the result.
template <class F>
void several(Call& call) {
  const Operand& y = call.out[0];
  with_number(y.type, [&]<class T>() {
    copy_strided(y.extents, call.in[0].as<T>(), broadcast_strides(call.in[0].extents, y.extents), y.as<T>(),
                 strides_of(y.extents));
    for (std::size_t i = 1; i < call.in.size(); ++i)
      elementwise(y.extents, y.as<T>(), y.extents, call.in[i].as<T>(), call.in[i].extents, y.as<T>(), F{});
  });
}

void mean(Call& call) {
  several<Plus>(call);
  const Operand& y = call.out[0];
  with_real(y.type, [&]<class T>() {
    for (std::int64_t i = 0; i < y.size(); ++i) y.as<T>()[i] /= static_cast<T>(call.in.size());
  });
}

void modulo(Call& call) {
  if (call.integer("fmod", 0) != 0) return binary<Remainder>(call);
  binary<Modulo>(call);
}

void binary_shape(Shaping& site) {
  const Shape b = aligned(site, site.extents(0), site.extents(1));
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  const auto y = broadcast(site.extents(0), b);
  if (!y) Site::refuse("extents that broadcast", to_string(site.extents(0)) + " and " + to_string(site.extents(1)));
  site.give(0, site.type(0), *y);
}

void power_shape(Shaping& site) {
  if ((bit(site.type(1)) & kNumbers) == 0) Site::refuse("a number as exponent", to_string(site.type(1)));
  const auto y = broadcast(site.extents(0), aligned(site, site.extents(0), site.extents(1)));
  if (!y) Site::refuse("extents that broadcast", to_string(site.extents(0)) + " and " + to_string(site.extents(1)));
  site.give(0, site.type(0), *y);
}

/// Base and exponent may be of different types; the result is of the base's.
void power(Call& call) {
  const Operand &x = call.in[0], &exponent = call.in[1], &y = call.out[0];
  with_number(x.type, [&]<class T>() {
    with_number(exponent.type, [&]<class E>() {
      elementwise(y.extents, x.as<T>(), x.extents, exponent.as<E>(), aligned(call, x.extents, exponent.extents), y.as<T>(),
                  [](T base, E by) {
                    if constexpr (std::is_same_v<T, float>)
                      return std::pow(base, static_cast<float>(by));
                    else
                      return static_cast<T>(std::pow(static_cast<double>(base), static_cast<double>(by)));
                  });
    });
  });
}

/// Before operator set 7 a slope of one extent belongs to channels.
Shape slope_extents(const Site& site, const Shape& x, Shape slope) {
  if (site.version < 7 && slope.size() == 1 && x.size() > 2) slope.insert(slope.end(), x.size() - 2, 1);
  return slope;
}

void prelu_shape(Shaping& site) {
  const Shape slope = slope_extents(site, site.extents(0), site.extents(1));
  if (broadcast(site.extents(0), slope) != site.extents(0))
    Site::refuse("a slope that broadcasts to its input", to_string(slope));
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  same_shape(site);
}

void prelu(Call& call) {
  const Operand &x = call.in[0], &slope = call.in[1], &y = call.out[0];
  with_number(x.type, [&]<class T>() {
    elementwise(y.extents, x.as<T>(), x.extents, slope.as<T>(), slope_extents(call, x.extents, slope.extents), y.as<T>(),
                [](T a, T by) { return a < 0 ? Times{}(a, by) : a; });
  });
}

}  // namespace

Shape aligned(const Site& site, const Shape& a, const Shape& b) {
  if (site.version >= 7) return b;
  if (site.integer("broadcast", 0) == 0) {
    if (a != b) Site::refuse("two arrays of the same extents, or broadcast = 1", to_string(a) + " and " + to_string(b));
    return b;
  }
  const std::int64_t rank = static_cast<std::int64_t>(a.size()), own = static_cast<std::int64_t>(b.size());
  std::int64_t axis = site.integer("axis", rank - own);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis + own > rank) Site::refuse("an axis where the second array fits", std::to_string(axis));
  Shape padded = b;
  padded.insert(padded.end(), static_cast<std::size_t>(rank - own - axis), 1);
  return padded;
}

Rows arithmetic_operators() {
  return {{"Add", {1, 6, 7, 13, 14}, kNumbers, binary_shape, binary<Plus>},
          {"Sub", {1, 6, 7, 13, 14}, kNumbers, binary_shape, binary<Minus>},
          {"Mul", {1, 6, 7, 13, 14}, kNumbers, binary_shape, binary<Times>},
          {"Div", {1, 6, 7, 13, 14}, kNumbers, binary_shape, binary<Over>},
          {"Mod", {10, 13, 28}, kNumbers, binary_shape, modulo},
          {"Pow", {1, 7, 12, 13, 15}, kNumbers, power_shape, power},
          {"Sum", {1, 6, 8, 13}, kReal, broadcast_shape, several<Plus>},
          {"Mean", {1, 6, 8, 13}, kReal, broadcast_shape, mean},
          {"Min", {1, 6, 8, 12, 13}, kNumbers, broadcast_shape, several<Smaller>},
          {"Max", {1, 6, 8, 12, 13}, kNumbers, broadcast_shape, several<Larger>},
          {"PRelu", {1, 6, 7, 9, 16}, kNumbers, prelu_shape, prelu}};
}

}  // namespace soma
