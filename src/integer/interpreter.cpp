// an IntegerProgram + one sample's bytes → its sums, in plain loops: the judge of every executor and of what emitters write.
#include "integer/interpreter.h"

#include <algorithm>

#include "nn/visit.h"

namespace soma {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::int32_t sum_of(const IntegerProduct& step, const IntegerValue& x, const Bytes& q, std::int64_t o, std::int64_t row,
                    std::int64_t column) {
  std::int64_t sum = step.bias[static_cast<std::size_t>(o)];
  for (std::int64_t r = 0; r < step.kernel_h; ++r)
    for (std::int64_t k = 0; k < step.kernel_w; ++k) {
      const std::int64_t h = row * step.stride_h + r * step.dilation_h - step.padding_h;
      const std::int64_t w = column * step.stride_w + k * step.dilation_w - step.padding_w;
      const bool inside = h >= 0 && h < x.h && w >= 0 && w < x.w;
      for (std::int64_t c = 0; c < x.c; ++c)
        sum += (inside ? q[static_cast<std::size_t>((h * x.w + w) * x.c + c)] : x.zero) *
               step.weights[static_cast<std::size_t>(((o * step.kernel_h + r) * step.kernel_w + k) * x.c + c)];
    }
  return static_cast<std::int32_t>(sum);
}

std::uint8_t to_byte(const IntegerProduct& step, std::size_t o, std::int64_t sum, std::int32_t zero) {
  const std::int64_t half = std::int64_t{1} << (step.shift[o] - 1);
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(zero + ((sum * step.multiplier[o] + half) >> step.shift[o]), 0, 255));
}

}  // namespace

Interpreted interpret(const IntegerProgram& program, std::span<const std::uint8_t> input) {
  Interpreted all;
  all.values.emplace_back(input.begin(), input.end());
  const auto product = [&](const IntegerProduct& step) {
    Bytes& y = all.values.emplace_back();
    for (std::int64_t row = 0; row < step.out_h; ++row)
      for (std::int64_t column = 0; column < step.out_w; ++column)
        for (std::int64_t o = 0; o < step.out; ++o) {
          const std::int32_t sum = sum_of(step, program.values[step.x], all.values[step.x], o, row, column);
          if (step.last())
            all.sums.push_back(sum);
          else
            y.push_back(to_byte(step, static_cast<std::size_t>(o), sum, program.values[step.y].zero));
        }
  };
  const auto pool = [&](const IntegerPool& step) {
    const IntegerValue &x = program.values[step.x], &y = program.values[step.y];
    Bytes& bytes = all.values.emplace_back(static_cast<std::size_t>(y.size()));
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const std::int64_t c = i % y.c, top = i / y.c / y.w * step.pool.stride_h - step.pool.padding_h;
      const std::int64_t left = i / y.c % y.w * step.pool.stride_w - step.pool.padding_w;
      for (std::int64_t h = std::max<std::int64_t>(0, top); h < std::min(x.h, top + step.pool.size_h); ++h)
        for (std::int64_t w = std::max<std::int64_t>(0, left); w < std::min(x.w, left + step.pool.size_w); ++w)
          bytes[static_cast<std::size_t>(i)] =
              std::max(bytes[static_cast<std::size_t>(i)], all.values[step.x][static_cast<std::size_t>((h * x.w + w) * x.c + c)]);
    }
  };
  for (const IntegerStep& step : program.steps) std::visit(Visit{product, pool}, step);
  return all;
}

}  // namespace soma
