// an int8 Model → its network compiled for prediction: rows in, rows out, bytes in between.
#include "model/int8_network.h"

#include <algorithm>

#include "core/team.h"
#include "kernels/kernels.h"
#include "model/int8_plan.h"
#include "nn/visit.h"

namespace soma {
namespace {

/// Samples that travel together through one member's arena.
struct Rows {
  const Int8Kernels& kernels;
  const Int8Plan& plan;
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

struct Int8Network::State {
  Int8Plan plan;
  const Int8Kernels& bytes;
  const Kernels<float>& floats;
  std::int64_t max_batch;
  Team team;
  std::vector<Block<std::uint8_t>> arenas;  // one per member
  std::vector<Block<std::int32_t>> sums;

  State(Int8Plan made, const Int8Kernels& byte_kernels, const Kernels<float>& float_kernels, const NetworkOptions& options)
      : plan(std::move(made)), bytes(byte_kernels), floats(float_kernels), max_batch(options.max_batch), team(options.threads) {
    for (int member = 0; member < team.size(); ++member) {
      const Block<std::uint8_t>& arena = arenas.emplace_back(plan.arena);
      for (const ByteValue& value : plan.values)
        std::fill_n(arena.data() + value.offset, kInt8Rows * value.step, static_cast<std::uint8_t>(value.zero));
      sums.emplace_back(kInt8Rows * plan.outputs);
    }
  }

  void forward(const float* x, float* y, std::int64_t rows, int member) {
    const auto place = static_cast<std::size_t>(member);
    const Rows all{bytes, plan, arenas[place].data(), sums[place].data(), rows};
    const ByteValue& input = plan.values[0];
    const bool whole = input.margin_h == 0 && input.margin_w == 0;
    const std::int64_t lines = whole ? 1 : input.h, line = plan.inputs / lines;
    for (std::int64_t i = 0; i < rows * lines; ++i)
      bytes.quantize(x + i * line, plan.input_scale, input.zero,
                     all.bytes(0, i / lines) + input.inside() + i % lines * input.row(), line);
    for (const Int8Step& step : plan.steps) std::visit([&](const auto& each) { run(each, all); }, step);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < plan.outputs; ++j)
        y[i * plan.outputs + j] =
            static_cast<float>(all.sums[i * plan.outputs + j]) * plan.output_scales[static_cast<std::size_t>(j)];
    for (const Layer& layer : plan.tail)
      std::visit(Visit{[&](const Activation& f) { floats.activate(f, y, y, rows * plan.outputs); },
                       [&](const Softmax& f) { floats.softmax(f.log, y, y, rows, plan.outputs); }, [](const auto&) {}},
                 layer);
  }
};

Int8Network::Int8Network(std::unique_ptr<State> state) : state_(std::move(state)) {}
Int8Network::Int8Network(Int8Network&&) noexcept = default;
Int8Network& Int8Network::operator=(Int8Network&&) noexcept = default;
Int8Network::~Int8Network() = default;

Result<Int8Network> Int8Network::create(const Model& model, const NetworkOptions& options, const Int8Kernels* kernels) {
  SOMA_REQUIRE(model.quantization.has_value() && options.max_batch >= 1);
  const auto floats = select_kernels();
  if (!floats) return floats.error();
  auto plan = make_int8_plan(model);
  if (!plan) return plan.error();
  const Int8Kernels& bytes = kernels != nullptr ? *kernels : int8_kernels_for((*floats)->target);
  return Int8Network(std::make_unique<State>(std::move(*plan), bytes, **floats, options));
}

std::int64_t Int8Network::input_size() const { return state_->plan.inputs; }
std::int64_t Int8Network::output_size() const { return state_->plan.outputs; }

void Int8Network::forward(const float* x, float* y, std::int64_t rows) {
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
