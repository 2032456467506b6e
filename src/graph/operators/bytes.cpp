// bytes with scales and zero points → bytes: the operators that onnxruntime's quantiser adds to ONNX's own (com.microsoft).
// (void) before a call: it is made for the Refusal it throws.
#include "graph/operators/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/operators/windows.h"

namespace soma {
namespace {

/// What an array of bytes stands for: input `at`, its scale and its zero point are three inputs in a row.
struct Real {
  const Operand& x;
  double scale;
  std::int64_t zero;

  [[nodiscard]] double operator[](std::int64_t i) const {
    const std::int64_t q =
        x.type == ElementType::u8 ? std::int64_t{x.as<std::uint8_t>()[i]} : std::int64_t{x.as<std::int8_t>()[i]};
    return scale * static_cast<double>(q - zero);
  }
};

std::int64_t zero_of(const Call& call, std::size_t i) {
  if (!call.has(i)) return 0;
  return call.integers_of(i).at(0);
}

Real real(const Call& call, std::size_t at) {
  return {call.in[at], static_cast<double>(*call.in[at + 1].as<float>()), zero_of(call, at + 2)};
}

/// y = value as the nearest byte of the scale in input `at` and the zero point behind it.
void put(const Call& call, std::int64_t i, double value, std::size_t at) {
  const double moved =
      std::nearbyint(value / static_cast<double>(*call.in[at].as<float>())) + static_cast<double>(zero_of(call, at + 1));
  if (call.out[0].type == ElementType::u8)
    call.out[0].as<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::clamp(std::isnan(moved) ? 0.0 : moved, 0.0, 255.0));
  else
    call.out[0].as<std::int8_t>()[i] = static_cast<std::int8_t>(std::clamp(std::isnan(moved) ? 0.0 : moved, -128.0, 127.0));
}

void check_quantised(const Shaping& site, std::size_t at) {
  if ((bit(site.type(at)) & kBytes) == 0) Site::refuse("bytes", to_string(site.type(at)));
  if (elements(site.extents(at + 1)) != 1 || site.type(at + 1) != ElementType::f32)
    Site::refuse("one scale", to_string(site.extents(at + 1)));
  if (site.has(at + 2) && (elements(site.extents(at + 2)) != 1 || site.type(at + 2) != site.type(at)))
    Site::refuse("one zero point of the bytes' type", to_string(site.extents(at + 2)));
}

/// The scale in input `at` and the zero point behind it belong to the result.
void check_result(const Shaping& site, std::size_t at, ElementType type) {
  if (elements(site.extents(at)) != 1 || site.type(at) != ElementType::f32)
    Site::refuse("one scale", to_string(site.extents(at)));
  if (site.has(at + 1) && (elements(site.extents(at + 1)) != 1 || site.type(at + 1) != type))
    Site::refuse("one zero point of the bytes' type", to_string(site.extents(at + 1)));
}

void binary_shape(Shaping& site) {
  check_quantised(site, 0);
  check_quantised(site, 3);
  check_result(site, 6, site.type(0));
  const auto y = broadcast(site.extents(0), site.extents(3));
  if (!y || site.type(0) != site.type(3))
    Site::refuse("extents that broadcast", to_string(site.extents(0)) + " and " + to_string(site.extents(3)));
  site.give(0, site.type(0), *y);
}

template <bool product_of>
void binary(Call& call) {
  const Real a = real(call, 0), b = real(call, 3);
  const Shape& y = call.out[0].extents;
  each_line<3>(y, {strides_of(y), broadcast_strides(a.x.extents, y), broadcast_strides(b.x.extents, y)},
               [&](const auto& at, std::int64_t n, const auto& step) {
                 for (std::int64_t i = 0; i < n; ++i) {
                   const double left = a[at[1] + i * step[1]], right = b[at[2] + i * step[2]];
                   put(call, at[0] + i * step[0], product_of ? left * right : left + right, 6);
                 }
               });
}

void unary_shape(Shaping& site) {
  check_quantised(site, 0);
  check_result(site, 3, site.type(0));
  same_shape(site);
}

void leaky(Call& call) {
  const Real x = real(call, 0);
  const double alpha = static_cast<double>(call.number("alpha", 0.01F));
  for (std::int64_t i = 0; i < x.x.size(); ++i) put(call, i, x[i] < 0 ? alpha * x[i] : x[i], 3);
}

void sigmoid(Call& call) {
  const Real x = real(call, 0);
  for (std::int64_t i = 0; i < x.x.size(); ++i) put(call, i, 1 / (1 + std::exp(-x[i])), 3);
}

/// Lines of `n` elements that lie `inner` apart, as the Softmax of the operator set in `opset` has them: before 13 all from
/// `axis` on are one.
struct Lines {
  std::int64_t n = 1, inner = 1;
};

Lines softmax_lines(const Site& site, const Shape& x) {
  const std::size_t axis = Shaping::axis(site.integer("axis", -1), x.size());
  if (site.integer("opset", 0) < 13) return {product(x, axis, x.size()), 1};
  return {x[axis], product(x, axis + 1, x.size())};
}

void softmax_shape(Shaping& site) {
  if (site.extents(0).empty()) Site::refuse("an array of at least one axis", "a single number");
  (void)softmax_lines(site, site.extents(0));
  unary_shape(site);
}

void softmax(Call& call) {
  const Real x = real(call, 0);
  const Lines lines = softmax_lines(call, x.x.extents);
  const std::int64_t block = lines.n * lines.inner;
  for (std::int64_t line = 0; block > 0 && line < x.x.size() / lines.n; ++line) {
    const std::int64_t first = line / lines.inner * block + line % lines.inner, end = first + block;
    double most = x[first], sum = 0;
    for (std::int64_t i = first; i < end; i += lines.inner) most = std::max(most, x[i]);
    for (std::int64_t i = first; i < end; i += lines.inner) sum += std::exp(x[i] - most);
    for (std::int64_t i = first; i < end; i += lines.inner) put(call, i, std::exp(x[i] - most) / sum, 3);
  }
}

void pool_shape(Shaping& site) {
  check_quantised(site, 0);
  check_result(site, 3, site.type(0));
  const Shape& x = site.extents(0);
  if (site.integer("channels_last", 0) != 0) Site::refuse("channels first", "channels_last");
  if (x.size() < 3) Site::refuse("an array [batch, channels, …]", to_string(x));
  Shape y = {x[0], x[1]};
  if (site.node.op_type() == "QLinearGlobalAveragePool") {
    y.resize(x.size(), 1);
  } else {
    const Windows windows = windows_of(site, x, {});
    y.insert(y.end(), windows.y.begin(), windows.y.end());
  }
  site.give(0, site.type(0), std::move(y));
}

void global_average(Call& call) {
  const Real x = real(call, 0);
  const std::int64_t area = product(x.x.extents, 2, x.x.extents.size());
  for (std::int64_t c = 0; c < call.out[0].size(); ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < area; ++i) sum += x[c * area + i];
    put(call, c, sum / static_cast<double>(area), 3);
  }
}

void average(Call& call) {
  const Real x = real(call, 0);
  const Windows windows = windows_of(call, x.x.extents, {});
  const std::int64_t area = product(windows.x, 0, windows.x.size()), positions = windows.positions(), points = windows.points();
  const bool padding_counts = call.integer("count_include_pad", 0) != 0;
  for (std::int64_t c = 0, n = x.x.extents[0] * x.x.extents[1]; c < n; ++c) {
    double sum = 0;
    std::int64_t count = 0;
    each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
      if (point == 0) sum = 0, count = 0;
      if (offset >= 0) sum += x[c * area + offset], ++count;
      if (point + 1 == points)
        put(call, c * positions + window, sum / static_cast<double>(std::max<std::int64_t>(padding_counts ? points : count, 1)),
            3);
    });
  }
}

void concat_shape(Shaping& site) {
  if (site.inputs() < 5 || (site.inputs() - 2) % 3 != 0)
    Site::refuse("a scale, a zero point and arrays with theirs", fmt::format("{} inputs", site.inputs()));
  Shape y = site.extents(2);
  const std::size_t axis = Shaping::axis(site.integer("axis", 1), y.size());
  check_result(site, 0, site.type(2));
  y[axis] = 0;
  for (std::size_t i = 2; i < site.inputs(); i += 3) {
    check_quantised(site, i);
    Shape x = site.extents(i);
    if (x.size() != y.size() || site.type(i) != site.type(2)) Site::refuse("arrays of one type and rank", to_string(x));
    const std::int64_t more = x[axis];
    x[axis] = y[axis];
    if (x != y) Site::refuse("extents that differ along the axis alone", to_string(site.extents(i)));
    y[axis] += more;
  }
  site.give(0, site.type(2), std::move(y));
}

void concat(Call& call) {
  const Shape& y = call.out[0].extents;
  const std::size_t axis = Shaping::axis(call.integer("axis", 1), y.size());
  const std::int64_t outer = product(y, 0, axis), row = product(y, axis, y.size());
  std::int64_t at = 0;
  for (std::size_t i = 2; i < call.in.size(); i += 3) {
    const Real x = real(call, i);
    const std::int64_t part = product(x.x.extents, axis, y.size());
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < part; ++k) put(call, o * row + at + k, x[o * part + k], 0);
    at += part;
  }
}

void gemm_shape(Shaping& site) {
  if ((bit(site.type(3)) & kBytes) == 0) Site::refuse("bytes", to_string(site.type(3)));
  const Shape &a = site.extents(0), &b = site.extents(3);
  if (a.size() != 2 || b.size() != 2) Site::refuse("two matrices", to_string(a) + " and " + to_string(b));
  const bool a_turned = site.integer("transA", 0) != 0, b_turned = site.integer("transB", 0) != 0;
  const std::int64_t m = a[a_turned ? 1 : 0], n = b[b_turned ? 0 : 1];
  if (a[a_turned ? 0 : 1] != b[b_turned ? 1 : 0]) Site::refuse("matrices that fit", to_string(a) + " and " + to_string(b));
  for (const std::size_t i : {1U, 4U})
    if (site.type(i) != ElementType::f32 || (elements(site.extents(i)) != 1 && (i == 1 || elements(site.extents(i)) != n)))
      Site::refuse("one scale, or one per column", to_string(site.extents(i)));
  for (const std::size_t i : {2U, 5U})
    if (site.has(i) && (site.type(i) != site.type(i - 2) || elements(site.extents(i)) != elements(site.extents(i - 1))))
      Site::refuse("as many zero points as scales", to_string(site.extents(i)));
  if (site.has(6) && (site.type(6) != ElementType::i32 || broadcast({m, n}, site.extents(6)) != Shape{m, n}))
    Site::refuse("a sum in int32", to_string(site.extents(6)));
  if (site.has(7)) check_result(site, 7, site.has(8) ? site.type(8) : site.type(0));
  if (site.has(8) && (bit(site.type(8)) & kBytes) == 0) Site::refuse("bytes", to_string(site.type(8)));
  site.give(0, site.has(7) ? (site.has(8) ? site.type(8) : site.type(0)) : ElementType::f32, {m, n});
}

void gemm(Call& call) {
  const Operand& a = call.in[0];
  const bool a_turned = call.integer("transA", 0) != 0, b_turned = call.integer("transB", 0) != 0;
  const std::int64_t m = call.out[0].extents[0], n = call.out[0].extents[1], k = a.extents[a_turned ? 0 : 1];
  const Shape left = call.integers_of(0), right = call.integers_of(3), added = call.has(6) ? call.integers_of(6) : Shape();
  const Shape sums = call.has(6) ? broadcast_strides(call.in[6].extents, {m, n}) : Shape{0, 0};
  const Shape zeros = call.has(5) ? call.integers_of(5) : Shape{0};
  const std::int64_t a_zero = zero_of(call, 2);
  const double alpha = static_cast<double>(call.number("alpha", 1));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t zero = zeros[zeros.size() == 1 ? 0 : static_cast<std::size_t>(j)];
      std::int64_t sum = added.empty() ? 0 : added[static_cast<std::size_t>(i * sums[0] + j * sums[1])];
      for (std::int64_t l = 0; l < k; ++l)
        sum += (left[static_cast<std::size_t>(a_turned ? l * m + i : i * k + l)] - a_zero) *
               (right[static_cast<std::size_t>(b_turned ? j * k + l : l * n + j)] - zero);
      const double scale = static_cast<double>(*call.in[1].as<float>()) *
                           static_cast<double>(call.in[4].as<float>()[call.in[4].size() == 1 ? 0 : j]) * alpha;
      if (call.has(7))
        put(call, i * n + j, static_cast<double>(sum) * scale, 7);
      else
        call.out[0].as<float>()[i * n + j] = static_cast<float>(static_cast<double>(sum) * scale);
    }
}

}  // namespace

Rows byte_operators() {
  Rows rows = {{"QLinearAdd", {1}, kBytes, binary_shape, binary<false>},
               {"QLinearMul", {1}, kBytes, binary_shape, binary<true>},
               {"QLinearLeakyRelu", {1}, kBytes, unary_shape, leaky},
               {"QLinearSigmoid", {1}, kBytes, unary_shape, sigmoid},
               {"QLinearSoftmax", {1}, kBytes, softmax_shape, softmax},
               {"QLinearGlobalAveragePool", {1}, kBytes, pool_shape, global_average},
               {"QLinearAveragePool", {1}, kBytes, pool_shape, average},
               {"QLinearConcat", {1}, bit(ElementType::f32), concat_shape, concat},
               {"QGemm", {1}, kBytes, gemm_shape, gemm}};
  for (Operator& row : rows) row.domain = "com.microsoft";
  return rows;
}

}  // namespace soma
