// real numbers ↔ whole ones with a scale and a zero point, and products and convolutions of those.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/operators/bytes.h"
#include "graph/operators/convolution.h"
#include "graph/operators/matrix.h"

namespace soma {
namespace {

template <class F>
void with_quantum(ElementType type, F&& f) {
  with_type<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t>(type, f);
}
constexpr TypeSet kScale = bit(ElementType::f32) | bit(ElementType::f16) | bit(ElementType::bf16);
constexpr TypeSet kQuanta = kBytes | bit(ElementType::i16) | bit(ElementType::u16);

/// Rounded to the nearest, ties to even, moved, and kept in range. NaN becomes the lowest.
template <class T>
T quantum(float value, std::int32_t zero) {
  const double moved = static_cast<double>(std::nearbyint(value)) + zero;
  if (!(moved > static_cast<double>(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
  return moved < static_cast<double>(std::numeric_limits<T>::max()) ? static_cast<T>(moved) : std::numeric_limits<T>::max();
}

/// Which scale belongs to an element: one for all, one per place along an axis, or one per block of places along it.
struct Scales {
  std::int64_t count = 1, inner = 1, n = 1, block = 0, blocks = 1;

  [[nodiscard]] std::int64_t at(std::int64_t i) const {
    if (block > 0) return (i / (inner * n) * blocks + i / inner % n / block) * inner + i % inner;
    return count == 1 ? 0 : i / inner % n;
  }
};

Scales scales_of(const Site& site, const Shape& x, const Shape& scale) {
  Scales scales;
  scales.count = elements(scale);
  const std::int64_t block = site.integer("block_size", 0);
  if (scales.count == 1 && block == 0) return scales;
  if (site.version < 13) Site::refuse("one scale", to_string(scale));
  const std::size_t axis = Shaping::axis(site.integer("axis", 1), x.size());
  scales.n = x[axis];
  scales.inner = product(x, axis + 1, x.size());
  if (block == 0) {
    if (scale != Shape{scales.n}) Site::refuse(fmt::format("{} scales", scales.n), to_string(scale));
    return scales;
  }
  if (block < 1 || block > std::numeric_limits<std::int32_t>::max())
    Site::refuse("blocks of usable size", fmt::format("{}", block));
  scales.block = block;
  scales.blocks = (scales.n + block - 1) / block;
  Shape wanted = x;
  wanted[axis] = scales.blocks;
  if (scale != wanted) Site::refuse("scales " + to_string(wanted), to_string(scale));
  return scales;
}

/// A zero point for each scale; of single ones onnxruntime's quantiser writes one as a number and the other as [1].
bool pair(const Shape& zeros, const Shape& scales) { return zeros == scales || (elements(zeros) == 1 && elements(scales) == 1); }

void quantise_shape(Shaping& site) {
  const std::int64_t named = site.integer("output_dtype", 0);
  auto type = site.has(2)  ? std::optional(site.type(2))
              : named != 0 ? element_type(static_cast<std::int32_t>(named))
                           : ElementType::u8;
  if (!type || (bit(*type) & kQuanta) == 0)
    Site::refuse("whole numbers of 8 or 16 bits", type ? std::string(to_string(*type)) : fmt::format("ONNX type {}", named));
  if (site.integer("precision", 0) > 1) Site::refuse("float32", "another precision");
  (void)scales_of(site, site.extents(0), site.extents(1));
  if ((bit(site.type(1)) & kScale) == 0) Site::refuse("scales in float32 or halves", to_string(site.type(1)));
  if (site.has(2) && !pair(site.extents(2), site.extents(1)))
    Site::refuse("as many zero points as scales", to_string(site.extents(2)));
  site.give(0, *type, site.extents(0));
}

/// A zero point, 0 where there is none.
std::int32_t zero_at(const Call& call, std::size_t input, std::int64_t i) {
  std::int32_t zero = 0;
  if (call.has(input))
    with_quantum(call.in[input].type, [&]<class T>() { zero = static_cast<std::int32_t>(call.in[input].as<T>()[i]); });
  return zero;
}

void quantise(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const Scales scales = scales_of(call, x.extents, call.in[1].extents);
  with_quantum(y.type, [&]<class Y>() {
    with_type<float, double, std::int32_t>(x.type, [&]<class X>() {
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const std::int64_t at = scales.at(i);
        y.as<Y>()[i] = quantum<Y>(static_cast<float>(x.as<X>()[i]) / call.in[1].as<float>()[at], zero_at(call, 2, at));
      }
    });
  });
}

void dequantise_shape(Shaping& site) {
  (void)scales_of(site, site.extents(0), site.extents(1));
  if ((bit(site.type(1)) & kScale) == 0) Site::refuse("scales in float32 or halves", to_string(site.type(1)));
  if (site.has(2) && (!pair(site.extents(2), site.extents(1)) || site.type(2) != site.type(0)))
    Site::refuse("as many zero points as scales, of x's type", to_string(site.extents(2)));
  const std::int64_t named = site.integer("output_dtype", 0);
  const auto type = named != 0 ? element_type(static_cast<std::int32_t>(named)) : site.type(1);
  if (!type || (bit(*type) & kReal) == 0 || *type == ElementType::f64)
    Site::refuse("float32 or halves", fmt::format("ONNX type {}", named));
  site.give(0, *type, site.extents(0));
}

void dequantise(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const Scales scales = scales_of(call, x.extents, call.in[1].extents);
  with_quantum(x.type, [&]<class X>() {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const std::int64_t at = scales.at(i);
      const std::int64_t steps = std::int64_t{x.as<X>()[i]} - zero_at(call, 2, at);
      y.as<float>()[i] = static_cast<float>(steps) * call.in[1].as<float>()[at];
    }
  });
}

void dynamic_shape(Shaping& site) {
  site.give(0, ElementType::u8, site.extents(0));
  site.give(1, ElementType::f32, {});
  site.give(2, ElementType::u8, {});
}

void dynamic(Call& call) {
  const Operand& x = call.in[0];
  float low = 0, high = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    low = std::min(low, x.as<float>()[i]);
    high = std::max(high, x.as<float>()[i]);
  }
  const float scale = high == low ? 1.0F : (high - low) / 255.0F;
  const auto zero = quantum<std::uint8_t>(-low / scale, 0);
  if (call.makes(1)) *call.out[1].as<float>() = scale;
  if (call.makes(2)) *call.out[2].as<std::uint8_t>() = zero;
  for (std::int64_t i = 0; i < x.size() && call.makes(0); ++i)
    call.out[0].as<std::uint8_t>()[i] = quantum<std::uint8_t>(x.as<float>()[i] / scale, zero);
}

/// Bytes as differences from their zero point. `places` zero points lie `inner` elements apart, again and again.
std::vector<std::int32_t> centred(const Call& call, std::size_t input, std::size_t zero, std::int64_t inner) {
  const Operand& x = call.in[input];
  std::vector<std::int32_t> values(static_cast<std::size_t>(x.size()));
  const std::int64_t zeros = call.has(zero) ? call.in[zero].size() : 1;
  with_quantum(x.type, [&]<class T>() {
    for (std::int64_t i = 0; i < x.size(); ++i)
      values[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(x.as<T>()[i]) - zero_at(call, zero, zeros == 1 ? 0 : i / inner % zeros);
  });
  return values;
}

void check_zero(const Shaping& site, std::size_t i, std::size_t of, std::int64_t most) {
  if (!site.has(i)) return;
  const std::int64_t count = elements(site.extents(i));
  if ((count != 1 && count != most) || site.type(i) != site.type(of))
    Site::refuse(fmt::format("one zero point, or {}", most), to_string(site.extents(i)));
}
void check_scale(const Shaping& site, std::size_t i, std::int64_t most) {
  const std::int64_t count = elements(site.extents(i));
  if ((count != 1 && count != most) || (bit(site.type(i)) & kReal) == 0)
    Site::refuse(fmt::format("one scale, or {}", most), to_string(site.extents(i)));
}
void check_bytes(const Shaping& site, std::size_t i) {
  if ((bit(site.type(i)) & kBytes) == 0) Site::refuse("bytes", to_string(site.type(i)));
}

/// The rows of the first operand and the columns of the second may have zero points and scales of their own.
std::int64_t rows_of(const Shape& a) { return a.size() < 2 ? 1 : a[a.size() - 2]; }
std::int64_t columns_of(const Shape& b) { return b.size() < 2 ? 1 : b.back(); }

/// Σ (a − zero)·(b − zero) of MatMulInteger and QLinearMatMul: each(place in the result, sum).
template <class Each>
void integer_products(const Call& call, std::size_t b_input, std::size_t a_zero, std::size_t b_zero, Each&& each) {
  const Operand &a = call.in[0], &b = call.in[b_input];
  const MatrixStacks s = matrix_stacks(a.extents, b.extents);
  const auto left = centred(call, 0, a_zero, s.k), right = centred(call, b_input, b_zero, 1);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(s.m * s.n));
  each_pair(s, [&](std::int64_t from_a, std::int64_t from_b, std::int64_t to) {
    multiply(s.m, s.n, s.k, Matrix<std::int32_t>{left.data() + from_a, s.k}, Matrix<std::int32_t>{right.data() + from_b, s.n},
             sums.data());
    for (std::int64_t i = 0; i < s.m * s.n; ++i) each(to + i, sums[static_cast<std::size_t>(i)]);
  });
}

void matmul_integer_shape(Shaping& site) {
  check_bytes(site, 1);
  check_zero(site, 2, 0, rows_of(site.extents(0)));
  check_zero(site, 3, 1, columns_of(site.extents(1)));
  site.give(0, ElementType::i32, matrix_stacks(site.extents(0), site.extents(1)).result);
}

void matmul_integer(Call& call) {
  integer_products(call, 1, 2, 3, [&](std::int64_t i, std::int32_t sum) { call.out[0].as<std::int32_t>()[i] = sum; });
}

void qlinear_matmul_shape(Shaping& site) {
  const std::int64_t rows = rows_of(site.extents(0)), columns = columns_of(site.extents(3));
  check_bytes(site, 3);
  check_bytes(site, 7);
  check_scale(site, 1, rows);
  check_zero(site, 2, 0, rows);
  check_scale(site, 4, columns);
  check_zero(site, 5, 3, columns);
  check_scale(site, 6, 1);
  check_zero(site, 7, 7, 1);
  site.give(0, site.type(7), matrix_stacks(site.extents(0), site.extents(3)).result);
}

/// Among scales: the only one, or that of `place`.
float scale_at(const Operand& scale, std::int64_t place) { return scale.as<float>()[scale.size() == 1 ? 0 : place]; }

void qlinear_matmul(Call& call) {
  const std::int64_t rows = rows_of(call.in[0].extents), columns = columns_of(call.in[3].extents);
  with_quantum(call.out[0].type, [&]<class Y>() {
    integer_products(call, 3, 2, 5, [&](std::int64_t i, std::int32_t sum) {
      const float scale = scale_at(call.in[1], i / columns % rows) * scale_at(call.in[4], i % columns) / scale_at(call.in[6], 0);
      call.out[0].as<Y>()[i] = quantum<Y>(static_cast<float>(sum) * scale, zero_at(call, 7, 0));
    });
  });
}

void conv_integer_shape(Shaping& site) {
  check_bytes(site, 1);
  const ConvolutionSizes sizes = convolution_sizes(site, site.extents(0), site.extents(1));
  check_zero(site, 2, 0, 1);
  check_zero(site, 3, 1, sizes.out);
  site.give(0, ElementType::i32, convolution_extents(sizes));
}

void integer_convolution(const Call& call, const ConvolutionSizes& sizes, std::size_t w, std::size_t x_zero, std::size_t w_zero,
                         std::int32_t* y) {
  const auto x = centred(call, 0, x_zero, 1),
             filters = centred(call, w, w_zero, call.in[w].size() / std::max<std::int64_t>(sizes.out, 1));
  convolve(sizes, x.data(), filters.data(), y);
}

void conv_integer(Call& call) {
  integer_convolution(call, convolution_sizes(call, call.in[0].extents, call.in[1].extents), 1, 2, 3,
                      call.out[0].as<std::int32_t>());
}

void qlinear_conv_shape(Shaping& site) {
  check_bytes(site, 3);
  check_bytes(site, 7);
  const ConvolutionSizes sizes = convolution_sizes(site, site.extents(0), site.extents(3));
  check_scale(site, 1, 1);
  check_zero(site, 2, 0, 1);
  check_scale(site, 4, sizes.out);
  check_zero(site, 5, 3, sizes.out);
  check_scale(site, 6, 1);
  check_zero(site, 7, 7, 1);
  if (site.has(8) && (site.extents(8) != Shape{sizes.out} || site.type(8) != ElementType::i32))
    Site::refuse(fmt::format("a bias of {} int32", sizes.out), to_string(site.extents(8)));
  site.give(0, site.type(7), convolution_extents(sizes));
}

void qlinear_conv(Call& call) {
  const ConvolutionSizes sizes = convolution_sizes(call, call.in[0].extents, call.in[3].extents);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(call.out[0].size()));
  integer_convolution(call, sizes, 3, 2, 5, sums.data());
  const std::int64_t area = sizes.windows.positions();
  with_quantum(call.out[0].type, [&]<class Y>() {
    for (std::int64_t i = 0; i < call.out[0].size(); ++i) {
      const std::int64_t channel = i / area % sizes.out;
      const auto bias = call.has(8) ? static_cast<std::uint32_t>(call.in[8].as<std::int32_t>()[channel]) : 0U;
      const auto sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[static_cast<std::size_t>(i)]) + bias);
      const float scale = scale_at(call.in[1], 0) * scale_at(call.in[4], channel) / scale_at(call.in[6], 0);
      call.out[0].as<Y>()[i] = quantum<Y>(static_cast<float>(sum) * scale, zero_at(call, 7, 0));
    }
  });
}

}  // namespace

Rows quantise_operators() {
  Rows rows = {
      {"QuantizeLinear", {10, 13, 19, 21, 23, 24, 25, 28}, kScale | bit(ElementType::i32), quantise_shape, quantise},
      {"DequantizeLinear", {10, 13, 19, 21, 23, 24, 25, 28}, kQuanta | bit(ElementType::i32), dequantise_shape, dequantise},
      {"DynamicQuantizeLinear", {11}, bit(ElementType::f32), dynamic_shape, dynamic},
      {"MatMulInteger", {10}, kBytes, matmul_integer_shape, matmul_integer},
      {"QLinearMatMul", {10, 21}, kBytes, qlinear_matmul_shape, qlinear_matmul},
      {"ConvInteger", {10}, kBytes, conv_integer_shape, conv_integer},
      {"QLinearConv", {10}, kBytes, qlinear_conv_shape, qlinear_conv}};
  const Rows more = byte_operators();
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace soma
