// an int8 Model → Int8Plan: the steps of a pass, where the bytes lie, and the weights as the kernels read them.
#include "model/int8_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/check.h"
#include "nn/visit.h"

namespace soma {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // of one value: offsets are 32 bits

ByteValue value_of(const Shape& shape, std::int32_t zero) {
  ByteValue value;
  if (shape.size() == 3) {
    value.c = shape[0];
    value.h = shape[1];
    value.w = shape[2];
  } else {
    value.c = shape[0];
  }
  value.zero = zero;
  return value;
}

/// One output's weights as bytes in the order of the taps, `w` in the published order; zeros behind runs that end early.
struct Runs {
  std::int64_t count = 1, length = 0, across = 1;  // runs in all, bytes in each, runs in a kernel row
  [[nodiscard]] std::int64_t taps_in_run() const { return (length + 3) / 4; }
};

Runs runs_of(const Conv2d& conv, const ByteValue& x) {
  if (conv.dilation_w == 1) return {conv.kernel_h, conv.kernel_w * x.c, 1};
  return {conv.kernel_h * conv.kernel_w, x.c, conv.kernel_w};
}

class Planner {
 public:
  Planner(const Model& model, const ResolvedNetwork& network, const Int8Chain& chain)
      : model_(model), network_(network), chain_(chain) {}

  Result<Int8Plan> make() {
    const auto& layers = model_.quantization->layers;
    plan_.values.push_back(value_of(network_.spec.input, layers[0].input.zero));
    plan_.input_scale = layers[0].input.scale;
    plan_.inputs = elements(network_.spec.input);
    for (std::size_t g = 0; g < layers.size(); ++g) add_group(g);
    for (const std::size_t node : chain_.tail) plan_.tail.push_back(network_.spec.nodes[node].layer);
    for (ByteValue& value : plan_.values) {
      if (value.size() > kMostBytes)
        return Error{Error::Kind::usage, fmt::format("int8: wanted values of at most {} bytes, got {}; try a smaller input",
                                                     kMostBytes, value.size())};
      value.offset = plan_.arena;
      value.step = aligned<std::uint8_t>(value.size() + 4);  // the last tap may begin in the value and end behind it
      plan_.arena += kInt8Rows * value.step;
    }
    return std::move(plan_);
  }

 private:
  void add_group(std::size_t g) {
    const Int8Group& group = chain_.groups[g];
    const Node& node = network_.spec.nodes[group.node];
    ProductStep step;
    step.x = plan_.values.size() - 1;
    step.last = g + 1 == chain_.groups.size();
    Shape shape = network_.shapes[group.node];
    std::size_t fused = 0;
    if (const auto* conv = std::get_if<Conv2d>(&node.layer)) {
      ByteValue& x = plan_.values.back();
      x.margin_h = conv->padding_h;
      x.margin_w = conv->padding_w;
      if (!group.pools.empty() && fuse(step, *conv, std::get<Pool>(network_.spec.nodes[group.pools[0]].layer), x)) {
        shape = network_.shapes[group.pools[0]];
        fused = 1;
      }
      fill_taps(step, *conv, x);
      step.rows = shape[1];
      step.columns = shape[2];
    } else {
      step.flat = true;
      step.window = {0};
      for (std::int64_t k = 0; k < (plan_.values.back().size() + 3) / 4; ++k)
        step.tap.push_back(static_cast<std::int32_t>(4 * k));
    }
    step.out = network_.shapes[group.node][0];
    step.taps = static_cast<std::int64_t>(step.tap.size());
    fill_weights(step, g);
    const std::int32_t zero = step.last ? 0 : model_.quantization->layers[g + 1].input.zero;
    if (step.last) plan_.outputs = step.out;
    step.y = plan_.values.size();
    if (!step.last) plan_.values.push_back(value_of(shape, zero));
    plan_.steps.emplace_back(std::move(step));
    for (std::size_t i = fused; i < group.pools.size(); ++i) {
      plan_.values.push_back(value_of(network_.shapes[group.pools[i]], zero));
      plan_.steps.emplace_back(BytePoolStep{plan_.values.size() - 2, plan_.values.size() - 1,
                                            std::get<Pool>(network_.spec.nodes[group.pools[i]].layer)});
    }
  }

  static bool fuse(ProductStep& step, const Conv2d& conv, const Pool& pool, const ByteValue& x) {
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

  static void fill_taps(ProductStep& step, const Conv2d& conv, const ByteValue& x) {
    if (step.window.empty()) {
      step.window = {0};
      step.row_step = conv.stride_h * x.row();
      step.pixel_step = conv.stride_w * x.c;
    }
    const Runs runs = runs_of(conv, x);
    for (std::int64_t run = 0; run < runs.count; ++run) {
      const std::int64_t at = run / runs.across * conv.dilation_h * x.row() + run % runs.across * conv.dilation_w * x.c;
      for (std::int64_t k = 0; k < runs.taps_in_run(); ++k) step.tap.push_back(static_cast<std::int32_t>(at + 4 * k));
    }
  }

  void fill_weights(ProductStep& step, std::size_t g) {
    const QuantizedLayer& layer = model_.quantization->layers[g];
    const Layer& kind = network_.spec.nodes[chain_.groups[g].node].layer;
    const LayerArrays arrays = arrays_of(model_, layer.node);
    const ByteValue& x = plan_.values[step.x];
    const auto* conv = std::get_if<Conv2d>(&kind);
    // The published order is [out, channels, height, width]: of the kernel, or of the image that a linear layer reads.
    const std::int64_t area_h = conv != nullptr ? conv->kernel_h : x.h, area_w = conv != nullptr ? conv->kernel_w : x.w;
    const Runs runs = conv != nullptr ? runs_of(*conv, x) : Runs{1, x.size(), 1};
    const std::int64_t per_run = runs.taps_in_run() * 4, depth = x.c * area_h * area_w;
    const std::int64_t padded = int8_panels(step.out) * kInt8Panel;
    std::vector<std::int8_t> rows(static_cast<std::size_t>(step.out * step.taps * 4));
    step.bias.assign(static_cast<std::size_t>(padded), 0);
    step.multiplier.assign(static_cast<std::size_t>(padded), 0);
    step.shift.assign(static_cast<std::size_t>(padded), 31);
    for (std::int64_t o = 0; o < step.out; ++o) {
      const auto output = static_cast<std::size_t>(o);
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < depth; ++i) {
        const std::int64_t channel = i / (area_h * area_w), place = i % (area_h * area_w) * x.c + channel;  // channels last
        const std::int64_t run = place / runs.length, inside = place % runs.length;
        const auto q = grid_place(arrays.weight->values[static_cast<std::size_t>(o * depth + i)], layer.weight_scales[output]);
        rows[static_cast<std::size_t>(o * step.taps * 4 + run * per_run + inside)] = static_cast<std::int8_t>(q);
        sum += q;
      }
      std::int64_t bias = -layer.input.zero * sum;  // Σ (q − zero)·w = Σ q·w − zero·Σ w
      if (arrays.bias != nullptr) bias += grid_place(arrays.bias->values[output], sum_scale(layer, output));
      step.bias[output] = static_cast<std::int32_t>(bias);
      if (step.last)
        plan_.output_scales.push_back(sum_scale(layer, output));
      else
        set_factor(step, output, static_cast<double>(sum_scale(layer, output)) / model_.quantization->layers[g + 1].input.scale);
    }
    step.weights = Block<std::int8_t>(packed_int8_size(step.taps, step.out));
    pack_int8(rows.data(), step.taps, step.out, step.weights.data());
  }

  /// factor = multiplier / 2^shift, to 31 bits.
  static void set_factor(ProductStep& step, std::size_t output, double factor) {
    int exponent = 0;
    auto multiplier = std::llrint(std::ldexp(std::frexp(factor, &exponent), 31));
    if (multiplier == std::int64_t{1} << 31) {
      multiplier /= 2;
      ++exponent;
    }
    const int shift = 31 - exponent, beyond = std::max(0, shift - 62);
    step.multiplier[output] = static_cast<std::int32_t>(beyond < 31 ? multiplier >> beyond : 0);
    step.shift[output] = shift - beyond;
  }

  const Model& model_;
  const ResolvedNetwork& network_;
  const Int8Chain& chain_;
  Int8Plan plan_;
};

}  // namespace

Result<Int8Plan> make_int8_plan(const Model& model) {
  const auto network = resolve(model.network);
  if (!network) return network.error();
  if (const std::string problem = model_problem(model, *network); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};
  const auto chain = int8_chain(*network);
  if (!chain) return chain.error();
  return Planner(model, *network, *chain).make();
}

}  // namespace soma
