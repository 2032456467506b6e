// an IntegerProgram → its network compiled for prediction: rows of floats in, rows of floats out, bytes in between.
#include "integer/executor.h"

#include <algorithm>

#include "core/team.h"
#include "kernels/kernels.h"
#include "nn/visit.h"

namespace soma {
namespace {

/// Samples that travel together through one member's arena.
struct Rows {
  const Int8Kernels& kernels;
  const ExecutorPlan& plan;
  std::uint8_t* arena;
  std::int32_t* sums;  // of the last layer
  std::int64_t count;

  [[nodiscard]] std::uint8_t* bytes(std::size_t value, std::int64_t sample) const {
    return arena + plan.values[value].offset + sample * plan.values[value].step;
  }
};

void run(const ProductStep& s, const Rows& rows) {
  Int8Product p;
  p.n = s.out;
  p.taps = s.taps;
  p.windows = static_cast<std::int64_t>(s.window.size());
  p.window = s.window.data();
  p.tap = s.tap.data();
  p.w = s.weights.data();
  p.bias = s.bias.data();
  if (s.flat) {
    p.m = rows.count;
    p.a = rows.bytes(s.x, 0);
    p.a_step = rows.plan.values[s.x].step;
    if (s.last) {
      p.sums = rows.sums;
      p.y_row = s.out;
    } else {
      const ByteValue& y = rows.plan.values[s.y];
      p.y = rows.bytes(s.y, 0) + y.inside();
      p.y_row = y.step;
      p.requantization = {s.multiplier.data(), s.shift.data(), y.zero};
    }
    rows.kernels.product(p);
    return;
  }
  const ByteValue& y = rows.plan.values[s.y];
  p.requantization = {s.multiplier.data(), s.shift.data(), y.zero};
  p.m = s.columns;
  p.a_step = s.pixel_step;
  p.y_row = s.out;
  for (std::int64_t sample = 0; sample < rows.count; ++sample)
    for (std::int64_t row = 0; row < s.rows; ++row) {
      p.a = rows.bytes(s.x, sample) + row * s.row_step;
      p.y = rows.bytes(s.y, sample) + y.inside() + row * y.row();
      rows.kernels.product(p);
    }
}

void run(const BytePoolStep& s, const Rows& rows) {
  const ByteValue &x = rows.plan.values[s.x], &y = rows.plan.values[s.y];
  for (std::int64_t sample = 0; sample < rows.count; ++sample)
    for (std::int64_t row = 0; row < y.h; ++row)
      for (std::int64_t column = 0; column < y.w; ++column) {
        std::uint8_t* to = rows.bytes(s.y, sample) + y.inside() + row * y.row() + column * y.c;
        std::fill_n(to, y.c, std::uint8_t{0});
        const std::int64_t top = row * s.pool.stride_h - s.pool.padding_h, left = column * s.pool.stride_w - s.pool.padding_w;
        for (std::int64_t r = std::max<std::int64_t>(0, top); r < std::min(x.h, top + s.pool.size_h); ++r)
          for (std::int64_t q = std::max<std::int64_t>(0, left); q < std::min(x.w, left + s.pool.size_w); ++q) {
            const std::uint8_t* from = rows.bytes(s.x, sample) + r * x.row() + q * x.c;
            for (std::int64_t c = 0; c < y.c; ++c) to[c] = std::max(to[c], from[c]);
          }
      }
}

}  // namespace

struct IntegerExecutor::State {
  std::shared_ptr<const ExecutorPlan> shared;
  const ExecutorPlan& plan = *shared;
  const IntegerProgram& program = plan.program;
  const Int8Kernels& bytes;
  const Kernels<float>& floats;
  std::int64_t max_batch;
  Team team;
  std::vector<Block<std::uint8_t>> arenas;  // one per member
  std::vector<Block<std::int32_t>> sums;

  State(std::shared_ptr<const ExecutorPlan> made, const Int8Kernels& byte_kernels, const Kernels<float>& float_kernels,
        const NetworkOptions& options)
      : shared(std::move(made)), bytes(byte_kernels), floats(float_kernels), max_batch(options.max_batch), team(options.threads) {
    for (int member = 0; member < team.size(); ++member) {
      const Block<std::uint8_t>& arena = arenas.emplace_back(plan.arena);
      for (const ByteValue& value : plan.values)
        std::fill_n(arena.data() + value.offset, kInt8Rows * value.step, static_cast<std::uint8_t>(value.zero));
      sums.emplace_back(kInt8Rows * program.outputs());
    }
  }

  void forward(const float* x, float* y, std::int64_t rows, int member) {
    const auto place = static_cast<std::size_t>(member);
    const Rows all{bytes, plan, arenas[place].data(), sums[place].data(), rows};
    const ByteValue& input = plan.values[0];
    const bool whole = input.margin_h == 0 && input.margin_w == 0;
    const std::int64_t outputs = program.outputs(), lines = whole ? 1 : input.h, line = program.inputs() / lines;
    for (std::int64_t i = 0; i < rows * lines; ++i)
      bytes.quantize(x + i * line, program.input_scale, input.zero,
                     all.bytes(0, i / lines) + input.inside() + i % lines * input.row(), line);
    for (const ExecutorStep& step : plan.steps) std::visit([&](const auto& each) { run(each, all); }, step);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < outputs; ++j)
        y[i * outputs + j] = static_cast<float>(all.sums[i * outputs + j]) * program.output_scales[static_cast<std::size_t>(j)];
    for (const Layer& layer : program.tail)
      std::visit(Visit{[&](const Activation& f) { floats.activate(f, y, y, rows * outputs); },
                       [&](const Softmax& f) { floats.softmax(f.log, y, y, rows, outputs); }, [](const auto&) {}},
                 layer);
  }
};

IntegerExecutor::IntegerExecutor(std::unique_ptr<State> state) : state_(std::move(state)) {}
IntegerExecutor::IntegerExecutor(IntegerExecutor&&) noexcept = default;
IntegerExecutor& IntegerExecutor::operator=(IntegerExecutor&&) noexcept = default;
IntegerExecutor::~IntegerExecutor() = default;

Result<IntegerExecutor> IntegerExecutor::create(std::shared_ptr<const ExecutorPlan> plan, const NetworkOptions& options,
                                                const Int8Kernels* kernels) {
  SOMA_REQUIRE(options.max_batch >= 1);
  const auto floats = select_kernels();
  if (!floats) return floats.error();
  const Int8Kernels& bytes = kernels != nullptr ? *kernels : int8_kernels_for((*floats)->target);
  return IntegerExecutor(std::make_unique<State>(std::move(plan), bytes, **floats, options));
}

Result<IntegerExecutor> IntegerExecutor::create(IntegerProgram program, const NetworkOptions& options,
                                                const Int8Kernels* kernels) {
  auto plan = make_executor_plan(std::move(program));
  if (!plan) return plan.error();
  return create(std::make_shared<const ExecutorPlan>(std::move(*plan)), options, kernels);
}

const ExecutorPlan& IntegerExecutor::plan() const { return state_->plan; }

void IntegerExecutor::forward(const float* x, float* y, std::int64_t rows) {
  SOMA_REQUIRE(rows >= 1 && rows <= state_->max_batch);
  // Sums of integers are exact, so a cut by the number of threads changes nothing.
  const std::int64_t each = (rows + state_->team.size() - 1) / state_->team.size(), block = std::min(kInt8Rows, each);
  const std::int64_t inputs = input_size(), outputs = output_size();
  state_->team.share((rows + block - 1) / block, [&](std::int64_t begin, std::int64_t end, int member) {
    for (std::int64_t i = begin; i < end; ++i)
      state_->forward(x + i * block * inputs, y + i * block * outputs, std::min(block, rows - i * block), member);
  });
}

}  // namespace soma
