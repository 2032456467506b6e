// an IntegerProgram → ExecutorPlan: where the bytes lie, which steps are one, and the weights as the kernels read them.
#include "integer/executor_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace soma {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // of one value: offsets are 32 bits

TapRuns runs_of(const IntegerProduct& step, const IntegerValue& x) {
  const bool whole_rows = step.dilation_w == 1 && step.dilation_h == 1 && step.padding_w == 0 && step.kernel_w == x.w;
  if (whole_rows) return {1, step.kernel_h * step.kernel_w * x.c, 1};
  if (step.dilation_w == 1) return {step.kernel_h, step.kernel_w * x.c, 1};
  return {step.kernel_h * step.kernel_w, x.c, step.kernel_w};
}

/// Where a weight [kernel_h][kernel_w][c] of one output stands among its taps' bytes.
std::int64_t place_of(const TapRuns& runs, std::int64_t weight) {
  return weight / runs.length * runs.taps() * 4 + weight % runs.length;
}

/// Windows that neither overlap nor have padding are pooled while the sums are in registers.
bool fuse(ProductStep& step, const IntegerProduct& conv, const IntegerPool* pooling, const ByteValue& x) {
  if (pooling == nullptr) return false;
  const Pool& pool = pooling->pool;
  if (pool.padding_h != 0 || pool.padding_w != 0 || pool.stride_h != pool.size_h || pool.stride_w != pool.size_w ||
      pool.size_h * pool.size_w > kMostWindows)
    return false;
  for (std::int64_t r = 0; r < pool.size_h; ++r)
    for (std::int64_t q = 0; q < pool.size_w; ++q)
      step.window.push_back(static_cast<std::int32_t>(r * conv.stride_h * x.row() + q * conv.stride_w * x.c));
  step.row_step = pool.size_h * conv.stride_h * x.row();
  step.pixel_step = pool.size_w * conv.stride_w * x.c;
  return true;
}

void fill_taps(ProductStep& step, const IntegerProduct& conv, const ByteValue& x) {
  for (std::int64_t run = 0; run < step.runs.count; ++run) {
    const std::int64_t at = run / step.runs.across * conv.dilation_h * x.row() + run % step.runs.across * conv.dilation_w * x.c;
    for (std::int64_t k = 0; k < step.runs.taps(); ++k) step.tap.push_back(static_cast<std::int32_t>(at + 4 * k));
  }
  step.taps = std::ssize(step.tap);
}

/// Weights into panels; biases and factors filled up to whole panels.
void fill_weights(ProductStep& step, const IntegerProduct& product) {
  const std::int64_t depth = std::ssize(product.weights) / step.out;
  std::vector<std::int8_t> rows(static_cast<std::size_t>(step.out * step.taps * 4));
  for (std::int64_t o = 0; o < step.out; ++o)
    for (std::int64_t i = 0; i < depth; ++i)
      rows[static_cast<std::size_t>(o * step.taps * 4 + place_of(step.runs, i))] =
          product.weights[static_cast<std::size_t>(o * depth + i)];
  step.weights = Block<std::int8_t>(packed_int8_size(step.taps, step.out));
  pack_int8(rows.data(), step.taps, step.out, step.weights.data());
  const auto padded = static_cast<std::size_t>(int8_panels(step.out) * kInt8Panel);
  const auto fill = [&](std::vector<std::int32_t>& to, const std::vector<std::int32_t>& from, std::int32_t rest) {
    to = from;
    to.resize(padded, rest);
  };
  fill(step.bias, product.bias, 0);
  fill(step.multiplier, product.multiplier, 0);
  fill(step.shift, product.shift, 31);
}

ByteValue byte_value(const IntegerValue& value) {
  ByteValue bytes;
  bytes.h = value.h, bytes.w = value.w, bytes.c = value.c, bytes.zero = value.zero;
  return bytes;
}

}  // namespace

Result<ExecutorPlan> make_executor_plan(IntegerProgram program) {
  ExecutorPlan plan;
  plan.values.push_back(byte_value(program.values[0]));
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const std::size_t x = plan.values.size() - 1;
    if (const auto* pool = std::get_if<IntegerPool>(&program.steps[i])) {
      plan.steps.emplace_back(BytePoolStep{x, x + 1, pool->pool});
      plan.values.push_back(byte_value(program.values[pool->y]));
      continue;
    }
    auto& product = std::get<IntegerProduct>(program.steps[i]);
    const auto* pool = i + 1 < program.steps.size() ? std::get_if<IntegerPool>(&program.steps[i + 1]) : nullptr;
    const IntegerValue& from = program.values[product.x];
    ProductStep step;
    step.x = x;
    step.y = x + 1;
    step.last = product.last();
    step.out = product.out;
    plan.values[x].margin_h = product.padding_h;
    plan.values[x].margin_w = product.padding_w;
    step.runs = runs_of(product, from);
    std::size_t y = product.y;
    if (fuse(step, product, pool, plan.values[x])) {
      y = pool->y;
      ++i;
    } else {
      step.window = {0};
      step.row_step = product.stride_h * plan.values[x].row();
      step.pixel_step = product.stride_w * from.c;
      step.flat = product.out_h * product.out_w == 1 && product.padding_h + product.padding_w == 0;
    }
    step.rows = program.values[y].h;
    step.columns = program.values[y].w;
    fill_taps(step, product, plan.values[x]);
    fill_weights(step, product);
    product.weights = {};
    if (!step.last) plan.values.push_back(byte_value(program.values[y]));
    plan.steps.emplace_back(std::move(step));
  }
  for (ByteValue& value : plan.values) {
    if (value.size() > kMostBytes)
      return Error{Error::Kind::usage,
                   fmt::format("int8: wanted values of at most {} bytes, got {}; try a smaller input", kMostBytes, value.size())};
    value.offset = plan.arena;
    value.step = aligned<std::uint8_t>(value.size() + 4);  // the last tap may begin in the value and end behind it
    plan.arena += kInt8Rows * value.step;
  }
  plan.program = std::move(program);
  return plan;
}

IntegerProgram program_of(const ExecutorPlan& plan) {
  IntegerProgram program = plan.program;
  auto packed = plan.steps.begin();
  for (IntegerStep& each : program.steps) {
    auto* product = std::get_if<IntegerProduct>(&each);
    if (product == nullptr) continue;
    while (!std::holds_alternative<ProductStep>(*packed)) ++packed;
    const auto& step = std::get<ProductStep>(*packed++);
    const std::int64_t depth = product->kernel_h * product->kernel_w * program.values[product->x].c;
    product->weights.reserve(static_cast<std::size_t>(step.out * depth));
    for (std::int64_t o = 0; o < step.out; ++o)
      for (std::int64_t i = 0; i < depth; ++i)
        product->weights.push_back(step.weights.data()[packed_int8_place(step.out, o, place_of(step.runs, i))]);
  }
  return program;
}

}  // namespace soma
