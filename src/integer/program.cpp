// a quantised Model → IntegerProgram: the integers of 8-bit inference as plain data, which every executor and emitter reads.
#include "integer/program.h"

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

IntegerValue value_of(const Shape& shape, std::int32_t zero) {
  if (shape.size() == 3) return {shape[1], shape[2], shape[0], zero};
  return {1, 1, shape[0], zero};
}

/// factor = multiplier / 2^shift, to 31 bits.
void add_factor(IntegerProduct& step, double factor) {
  int exponent = 0;
  auto multiplier = std::llrint(std::ldexp(std::frexp(factor, &exponent), 31));
  if (multiplier == std::int64_t{1} << 31) {
    multiplier /= 2;
    ++exponent;
  }
  const int shift = 31 - exponent, beyond = std::max(0, shift - 62);
  step.multiplier.push_back(static_cast<std::int32_t>(beyond < 31 ? multiplier >> beyond : 0));
  step.shift.push_back(shift - beyond);
}

/// each(place in the published [c][area], place in [area][c]), channels last.
template <class F>
void for_each_weight(std::int64_t area, std::int64_t channels, F&& each) {
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t p = 0; p < area; ++p)
      each(static_cast<std::size_t>(c * area + p), static_cast<std::size_t>(p * channels + c));
}

IntegerProduct product_of(const Layer& layer, const IntegerValue& x, const Shape& out) {
  IntegerProduct step;
  step.out = out[0];
  if (const auto* conv = std::get_if<Conv2d>(&layer)) {
    step.out_h = out[1], step.out_w = out[2];
    step.kernel_h = conv->kernel_h, step.kernel_w = conv->kernel_w;
    step.stride_h = conv->stride_h, step.stride_w = conv->stride_w;
    step.padding_h = conv->padding_h, step.padding_w = conv->padding_w;
    step.dilation_h = conv->dilation_h, step.dilation_w = conv->dilation_w;
  } else {
    step.kernel_h = x.h, step.kernel_w = x.w;
  }
  return step;
}

/// Weights and biases of one layer; `next` is what its sums become, or null.
void fill(IntegerProduct& step, const Model& model, const QuantizedLayer& layer, const IntegerValue& x, const ByteRange* next,
          std::vector<float>& output_scales) {
  const LayerArrays arrays = arrays_of(model, layer.node);
  const std::int64_t area = step.kernel_h * step.kernel_w;
  const auto depth = static_cast<std::size_t>(area * x.c);
  step.weights.resize(static_cast<std::size_t>(step.out) * depth);
  for (std::size_t o = 0; o < static_cast<std::size_t>(step.out); ++o) {
    std::int64_t sum = 0;
    for_each_weight(area, x.c, [&](std::size_t published, std::size_t place) {
      const auto q = grid_place(arrays.weight->values[o * depth + published], layer.weight_scales[o]);
      step.weights[o * depth + place] = static_cast<std::int8_t>(q);
      sum += q;
    });
    std::int64_t bias = -layer.input.zero * sum;  // Σ (q − zero)·w = Σ q·w − zero·Σ w
    if (arrays.bias != nullptr) bias += grid_place(arrays.bias->values[o], sum_scale(layer, o));
    step.bias.push_back(static_cast<std::int32_t>(bias));
    if (next != nullptr)
      add_factor(step, static_cast<double>(sum_scale(layer, o)) / next->scale);
    else
      output_scales.push_back(sum_scale(layer, o));
  }
}

}  // namespace

std::int64_t IntegerProgram::products() const {
  std::int64_t count = 0;
  for (const IntegerStep& step : steps)
    if (const auto* product = std::get_if<IntegerProduct>(&step))
      count += product->out_h * product->out_w * static_cast<std::int64_t>(product->weights.size());
  return count;
}

IntegerProgram make_program(const Model& model, const ResolvedNetwork& network, const Int8Chain& chain) {
  const auto& layers = model.quantization->layers;
  const auto& nodes = network.spec.nodes;
  IntegerProgram program;
  program.input_scale = layers[0].input.scale;
  program.values.push_back(value_of(network.spec.input, layers[0].input.zero));
  const auto add = [&](auto step, const Shape& shape, std::int32_t zero) {
    step.x = program.values.size() - 1;
    step.y = program.values.size();
    program.values.push_back(value_of(shape, zero));
    program.steps.emplace_back(std::move(step));
  };
  for (std::size_t g = 0; g < layers.size(); ++g) {
    const Int8Group& group = chain.groups[g];
    const ByteRange* next = g + 1 < layers.size() ? &layers[g + 1].input : nullptr;
    const std::int32_t zero = next != nullptr ? next->zero : 0;
    const IntegerValue& x = program.values.back();
    IntegerProduct step = product_of(nodes[group.node].layer, x, network.shapes[group.node]);
    fill(step, model, layers[g], x, next, program.output_scales);
    add(std::move(step), network.shapes[group.node], zero);
    for (const std::size_t pool : group.pools)
      add(IntegerPool{0, 0, std::get<Pool>(nodes[pool].layer)}, network.shapes[pool], zero);
  }
  for (const std::size_t node : chain.tail) program.tail.push_back(nodes[node].layer);
  return program;
}

std::vector<Tensor> real_parameters(const IntegerProgram& program, const Quantization& quantization,
                                    const std::vector<ParameterShape>& shapes) {
  std::vector<Tensor> parameters;
  std::size_t g = 0;
  for (const IntegerStep& each : program.steps) {
    const auto* step = std::get_if<IntegerProduct>(&each);
    if (step == nullptr) continue;
    const QuantizedLayer& layer = quantization.layers[g++];
    const std::int64_t channels = program.values[step->x].c;
    const std::size_t outputs = step->bias.size(), depth = step->weights.size() / outputs;
    Tensor weight{layer.node + ".weight", {}, std::vector<float>(step->weights.size())}, bias{layer.node + ".bias", {}, {}};
    for (std::size_t o = 0; o < outputs; ++o) {
      std::int64_t sum = 0;
      for_each_weight(step->kernel_h * step->kernel_w, channels, [&](std::size_t published, std::size_t place) {
        const std::int8_t q = step->weights[o * depth + place];
        weight.values[o * depth + published] = static_cast<float>(q * static_cast<double>(layer.weight_scales[o]));
        sum += q;
      });
      const auto places = static_cast<double>(step->bias[o] + layer.input.zero * sum);
      bias.values.push_back(static_cast<float>(places * sum_scale(layer, o)));
    }
    for (Tensor* tensor : {&weight, &bias})
      for (const ParameterShape& shape : shapes)
        if (shape.name == tensor->name) {
          tensor->shape = shape.shape;
          parameters.push_back(std::move(*tensor));
          break;
        }
  }
  return parameters;
}

}  // namespace soma
