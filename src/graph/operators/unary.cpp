// one array → the same function of each element: activations, roots, angles, rounding.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "graph/operator.h"

namespace soma {
namespace {

template <class T, class F>
void map(Call& call, F f) {
  const T* x = call.in[0].as<T>();
  T* y = call.out[0].as<T>();
  for (std::int64_t i = 0, n = call.in[0].size(); i < n; ++i) y[i] = f(x[i]);
}

/// A function of real numbers.
template <auto f>
void real(Call& call) {
  with_real(call.in[0].type, [&]<class T>() { map<T>(call, [](T x) { return static_cast<T>(f(x)); }); });
}

template <auto f>
Operator row(std::string_view name, std::vector<std::int64_t> versions) {
  return {name, std::move(versions), kReal, same_shape, real<f>};
}

/// A function with parameters: f(x, alpha, beta).
template <auto f>
void with_parameters(Call& call, std::string_view first, float alpha, std::string_view second, float beta) {
  const float a = call.number(first, alpha), b = call.number(second, beta);
  with_real(call.in[0].type,
            [&]<class T>() { map<T>(call, [a = static_cast<T>(a), b = static_cast<T>(b)](T x) { return f(x, a, b); }); });
}

constexpr auto sigmoid = []<class T>(T x) { return T(1) / (T(1) + std::exp(-x)); };
constexpr auto softplus = []<class T>(T x) { return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))); };
constexpr auto normal = []<class T>(T x) { return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440))); };
constexpr auto normal_by_tanh = []<class T>(T x) {
  return T(0.5) * x * (T(1) + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
};

void leaky(Call& call) {
  with_parameters<[]<class T>(T x, T a, T) { return x < 0 ? a * x : x; }>(call, "alpha", 0.01F, "", 0);
}
void elu(Call& call) {
  with_parameters<[]<class T>(T x, T a, T) { return x < 0 ? a * std::expm1(x) : x; }>(call, "alpha", 1, "", 0);
}
void celu(Call& call) {
  with_parameters<[]<class T>(T x, T a, T) { return std::max(T(0), x) + std::min(T(0), a * std::expm1(x / a)); }>(call, "alpha",
                                                                                                                  1, "", 0);
}
void selu(Call& call) {
  // Before operator set 6 the constants were rounded to four digits.
  with_parameters<[]<class T>(T x, T a, T g) { return 0 < x ? g * x : g * (a * std::expm1(x)); }>(
      call, "alpha", call.version < 6 ? 1.6732F : 1.67326319217681884765625F, "gamma",
      call.version < 6 ? 1.0507F : 1.05070102214813232421875F);
}
void hard_sigmoid(Call& call) {
  with_parameters<[]<class T>(T x, T a, T b) { return std::clamp(a * x + b, T(0), T(1)); }>(call, "alpha", 0.2F, "beta", 0.5F);
}
void thresholded(Call& call) {
  with_parameters<[]<class T>(T x, T a, T) { return a < x ? x : T(0); }>(call, "alpha", 1, "", 0);
}
void swish(Call& call) {
  with_parameters<[]<class T>(T x, T a, T) { return x / (T(1) + std::exp(-a * x)); }>(call, "alpha", 1, "", 0);
}
void shrink(Call& call) {
  const float lambda = call.number("lambd", 0.5F), bias = call.number("bias", 0);
  with_number(call.in[0].type, [&]<class T>() {
    map<T>(call, [&](T x) {
      const double value = static_cast<double>(x);
      return static_cast<T>(value < -lambda ? value + bias : value > lambda ? value - bias : 0);
    });
  });
}
void gelu(Call& call) {
  if (call.word("approximate", "none") == "tanh") return real<normal_by_tanh>(call);
  real<normal>(call);
}

void relu(Call& call) {
  with_number(call.in[0].type, [&]<class T>() { map<T>(call, [](T x) { return x < 0 ? T(0) : x; }); });
}
void absolute(Call& call) {
  with_number(call.in[0].type, [&]<class T>() {
    map<T>(call, [](T x) {
      if constexpr (std::is_floating_point_v<T>)
        return std::abs(x);
      else if constexpr (std::is_signed_v<T>)
        return x < 0 ? static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(x)) : x;
      else
        return x;
    });
  });
}
void negative(Call& call) {
  with_number(call.in[0].type, [&]<class T>() {
    map<T>(call, [](T x) {
      if constexpr (std::is_floating_point_v<T>)
        return -x;
      else
        return static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(x));
    });
  });
}
void sign(Call& call) {
  with_number(call.in[0].type, [&]<class T>() { map<T>(call, [](T x) { return static_cast<T>((x > 0) - (x < 0)); }); });
}

/// Limits are attributes before operator set 11, inputs since. An upper limit below the lower one wins.
void clip(Call& call) {
  with_number(call.in[0].type, [&]<class T>() {
    T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
    if constexpr (std::is_floating_point_v<T>) low = -std::numeric_limits<T>::infinity(), high = -low;
    if (call.version < 11) {
      if (call.attribute("min") != nullptr) low = static_cast<T>(call.number("min", 0));
      if (call.attribute("max") != nullptr) high = static_cast<T>(call.number("max", 0));
    }
    if (call.has(1)) low = *call.in[1].as<T>();
    if (call.has(2)) high = *call.in[2].as<T>();
    map<T>(call, [&](T x) {
      const T raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  });
}

void clip_shape(Shaping& site) {
  for (const std::size_t i : {1U, 2U})
    if (site.has(i) && (site.type(i) != site.type(0) || elements(site.extents(i)) != 1))
      Site::refuse(std::string("one ") + std::string(to_string(site.type(0))), to_string(site.extents(i)));
  same_shape(site);
}

}  // namespace

Rows unary_operators() {
  Rows rows = {row<[](auto x) { return std::exp(x); }>("Exp", {1, 6, 13}),
               row<[](auto x) { return std::log(x); }>("Log", {1, 6, 13}),
               row<[](auto x) { return std::sqrt(x); }>("Sqrt", {1, 6, 13}),
               row<[](auto x) { return 1 / x; }>("Reciprocal", {1, 6, 13}),
               row<[](auto x) { return std::erf(x); }>("Erf", {9, 13}),
               row<[](auto x) { return std::floor(x); }>("Floor", {1, 6, 13}),
               row<[](auto x) { return std::ceil(x); }>("Ceil", {1, 6, 13}),
               row<[](auto x) { return std::nearbyint(x); }>("Round", {11, 22}),
               row<[](auto x) { return std::sin(x); }>("Sin", {7, 22}),
               row<[](auto x) { return std::cos(x); }>("Cos", {7, 22}),
               row<[](auto x) { return std::tan(x); }>("Tan", {7, 22}),
               row<[](auto x) { return std::asin(x); }>("Asin", {7, 22}),
               row<[](auto x) { return std::acos(x); }>("Acos", {7, 22}),
               row<[](auto x) { return std::atan(x); }>("Atan", {7, 22}),
               row<[](auto x) { return std::sinh(x); }>("Sinh", {9, 22}),
               row<[](auto x) { return std::cosh(x); }>("Cosh", {9, 22}),
               row<[](auto x) { return std::tanh(x); }>("Tanh", {1, 6, 13}),
               row<[](auto x) { return std::asinh(x); }>("Asinh", {9, 22}),
               row<[](auto x) { return std::acosh(x); }>("Acosh", {9, 22}),
               row<[](auto x) { return std::atanh(x); }>("Atanh", {9, 22}),
               row<sigmoid>("Sigmoid", {1, 6, 13}),
               row<softplus>("Softplus", {1, 22}),
               row<[](auto x) { return x / (1 + std::abs(x)); }>("Softsign", {1, 22}),
               row<[]<class T>(T x) { return x * std::clamp(x / T(6) + T(0.5), T(0), T(1)); }>("HardSwish", {14, 22}),
               row<[](auto x) { return x * std::tanh(softplus(x)); }>("Mish", {18, 22})};
  const Rows more = {{"Relu", {1, 6, 13, 14}, kReal | kSigned, same_shape, relu},
                     {"LeakyRelu", {1, 6, 16}, kReal, same_shape, leaky},
                     {"Elu", {1, 6, 22}, kReal, same_shape, elu},
                     {"Celu", {12, 28}, kReal, same_shape, celu},
                     {"Selu", {1, 6, 22}, kReal, same_shape, selu},
                     {"HardSigmoid", {1, 6, 22}, kReal, same_shape, hard_sigmoid},
                     {"ThresholdedRelu", {10, 22}, kReal, same_shape, thresholded},
                     {"Swish", {24}, kReal, same_shape, swish},
                     {"Shrink", {9}, kNumbers, same_shape, shrink},
                     {"Gelu", {20}, kReal, same_shape, gelu},
                     {"Abs", {1, 6, 13}, kNumbers, same_shape, absolute},
                     {"Neg", {1, 6, 13}, kReal | kSigned, same_shape, negative},
                     {"Sign", {9, 13}, kNumbers, same_shape, sign},
                     {"Clip", {1, 6, 11, 12, 13}, kNumbers, clip_shape, clip}};
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace soma
