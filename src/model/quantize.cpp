// a trained Model + samples → the same Model on a grid of 8 bits: batch norm folded, ranges measured, weights rounded.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "integer/chain.h"
#include "model/check.h"

namespace soma {
namespace {

constexpr std::int64_t kMostSamples = 4096, kRows = 64;
constexpr double kLargestBias = 0x1p24;  // steps: what a float holds exactly, and far from the end of 32 bits

Tensor* find(Model& model, const std::string& name) {
  for (Tensor& tensor : model.parameters)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

/// W ← W·f and b ← (b − mean)·f + shift with f = scale/√(variance + epsilon), for each batch norm right behind a layer with
/// weights; the batch norm goes.
void fold_batch_norms(Model& model) {
  auto& nodes = model.network.nodes;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const auto* norm = std::get_if<BatchNorm>(&nodes[i].layer);
    auto* linear = std::get_if<Linear>(&nodes[i - 1].layer);
    auto* conv = std::get_if<Conv2d>(&nodes[i - 1].layer);
    if (norm == nullptr || (linear == nullptr && conv == nullptr)) continue;
    const std::string layer = nodes[i - 1].name, folded = nodes[i].name;
    Tensor& weight = *find(model, layer + ".weight");
    const auto outputs = static_cast<std::size_t>(weight.shape[0]), depth = weight.values.size() / outputs;
    bool& has_bias = linear != nullptr ? linear->bias : conv->bias;
    if (!has_bias) {
      const auto at = std::find_if(model.parameters.begin(), model.parameters.end(),
                                   [&](const Tensor& tensor) { return tensor.name == layer + ".weight"; });
      model.parameters.insert(at + 1, {layer + ".bias", {weight.shape[0]}, std::vector<float>(outputs)});
      has_bias = true;
    }
    const auto values = [&](const std::string& name) -> std::vector<float>& { return find(model, name)->values; };
    for (std::size_t c = 0; c < outputs; ++c) {
      const double factor = values(folded + ".weight")[c] / std::sqrt(values(folded + ".running_var")[c] + norm->epsilon);
      float* w = values(layer + ".weight").data() + c * depth;
      for (std::size_t k = 0; k < depth; ++k) w[k] = static_cast<float>(w[k] * factor);
      float& b = values(layer + ".bias")[c];
      b = static_cast<float>((b - values(folded + ".running_mean")[c]) * factor + values(folded + ".bias")[c]);
    }
    std::erase_if(model.parameters, [&](const Tensor& tensor) { return tensor.name.starts_with(folded + "."); });
    for (std::size_t reader = i + 1; reader < nodes.size(); ++reader)
      for (std::string& input : nodes[reader].inputs)
        if (input == folded) input = layer;
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(i));
    --i;
  }
}

/// The smallest and the largest of some values, 0 among them.
struct Extremes {
  float low = 0, high = 0;
  void add(std::span<const float> values) {
    for (const float value : values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
};

ByteRange range_of(const Extremes& seen, double finest) {
  const double spread = static_cast<double>(seen.high) - static_cast<double>(seen.low);
  ByteRange range;
  range.scale = static_cast<float>(std::max(spread / 255, finest));
  if (!std::isnormal(range.scale)) range.scale = 1;
  range.zero = static_cast<std::int32_t>(std::clamp<std::int64_t>(grid_place(-seen.low, range.scale), 0, 255));
  return range;
}

/// What every group reads: the network cut off before it, run on the samples.
Result<std::vector<Extremes>> calibrate(const Model& model, const Int8Chain& chain, const Dataset& samples) {
  Batches batches(samples, model.preprocess, {}, 0, false);
  batches.begin_epoch(0);
  const std::int64_t step = (samples.count + kMostSamples - 1) / kMostSamples, wanted = (samples.count + step - 1) / step;
  const auto row = static_cast<std::size_t>(batches.row_size());
  std::vector<float> x(static_cast<std::size_t>(kRows) * row), y;
  std::vector<Extremes> seen(chain.groups.size());
  for (std::size_t g = 0; g < chain.groups.size(); ++g) {
    Model part = model;
    part.network.nodes.resize(chain.groups[g].node);
    std::optional<Network> network;
    if (!part.network.nodes.empty()) {
      auto made = Network::create(part.network, {kRows, 0, 1});
      if (!made) return made.error();
      const std::size_t arrays = parameter_shapes(made->resolved()).size();  // they come in network order
      if (const auto set = made->set_parameters(std::span(model.parameters).first(arrays)); !set) return set.error();
      y.resize(static_cast<std::size_t>(kRows * made->output_size()));
      network.emplace(std::move(*made));
    }
    for (std::int64_t first = 0; first < wanted; first += kRows) {
      const std::int64_t rows = std::min(kRows, wanted - first);
      for (std::int64_t r = 0; r < rows; ++r)
        batches.fill((first + r) * step, 1, x.data() + static_cast<std::size_t>(r) * row, nullptr);
      if (network) network->forward(x.data(), y.data(), rows);
      const std::span<const float> values = network ? std::span<const float>(y) : std::span<const float>(x);
      seen[g].add(values.first(values.size() / static_cast<std::size_t>(kRows) * static_cast<std::size_t>(rows)));
    }
    if (!std::isfinite(seen[g].low) || !std::isfinite(seen[g].high))
      return Error{Error::Kind::data, fmt::format("int8: layer '{}': wanted finite inputs, got others on {}; try other samples",
                                                  model.network.nodes[chain.groups[g].node].name, samples.name)};
  }
  return seen;
}

/// Scales of one layer's weights, and its parameters moved onto their grids.
QuantizedLayer round_layer(Model& model, const std::string& node, const ByteRange& input) {
  QuantizedLayer layer{node, input, {}};
  Tensor& weight = *find(model, node + ".weight");
  Tensor* bias = find(model, node + ".bias");
  const auto outputs = static_cast<std::size_t>(weight.shape[0]), depth = weight.values.size() / outputs;
  const auto largest = [](std::span<const float> values) {
    float most = 0;
    for (const float value : values) most = std::max(most, std::abs(value));
    return static_cast<double>(most);
  };
  const double of_all = largest(weight.values);
  for (std::size_t c = 0; c < outputs; ++c) {
    const std::span<float> w = std::span(weight.values).subspan(c * depth, depth);
    const double most = largest(w) > 0 ? largest(w) : of_all;
    const double for_bias = bias == nullptr ? 0 : std::abs(static_cast<double>(bias->values[c])) / (input.scale * kLargestBias);
    float& scale = layer.weight_scales.emplace_back(static_cast<float>(std::max(most / 127, for_bias)));
    if (!std::isnormal(scale) || !std::isnormal(sum_scale(layer, c))) scale = 1;
    for (float& value : w)
      value = static_cast<float>(static_cast<double>(std::clamp<std::int64_t>(grid_place(value, scale), -127, 127)) * scale);
    if (bias == nullptr) continue;
    const float step = sum_scale(layer, c);
    bias->values[c] = static_cast<float>(static_cast<double>(grid_place(bias->values[c], step)) * step);
  }
  return layer;
}

}  // namespace

Result<Model> quantize(const Model& model, const Dataset& calibration) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, fmt::format("{}: {}", calibration.name.empty() ? "int8" : calibration.name, what)};
  };
  if (calibration.count < 1) return wrong("wanted samples to calibrate with, got none; try the data it was trained on");
  if (calibration.shape != model.input)
    return wrong(fmt::format("the model wants samples of {}, got {}; try the data it was trained on", to_string(model.input),
                             to_string(calibration.shape)));
  const auto given = resolve(model.network);
  if (!given) return given.error();
  if (const std::string problem = model_problem(model, *given); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};

  Model rounded = model;
  rounded.network = given->spec;
  fold_batch_norms(rounded);
  const auto network = resolve(rounded.network);
  if (!network) return network.error();
  const auto chain = int8_chain(*network);
  if (!chain) return chain.error();
  const auto seen = calibrate(rounded, *chain, calibration);
  if (!seen) return seen.error();

  Quantization& quantization = rounded.quantization.emplace();
  double finest = 0;  // the coarsest sums of the layer before
  for (std::size_t g = 0; g < chain->groups.size(); ++g) {
    const ByteRange input = range_of((*seen)[g], finest / kFinest * (1 + 0x1p-22));
    const QuantizedLayer& layer =
        quantization.layers.emplace_back(round_layer(rounded, network->spec.nodes[chain->groups[g].node].name, input));
    finest = 0;
    for (std::size_t c = 0; c < layer.weight_scales.size(); ++c)
      finest = std::max(finest, static_cast<double>(sum_scale(layer, c)));
  }
  if (const std::string problem = quantization_problem(rounded, *chain, *network); !problem.empty())
    return Error{Error::Kind::data, "int8: " + problem};
  return rounded;
}

}  // namespace soma
