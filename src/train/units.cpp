// values standardised for training ↔ the units they were measured in.
#include "train/units.h"

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

void standardise(Dataset& data, std::span<const float> offset, std::span<const float> scale) {
  for (std::size_t i = 0; i < data.targets.size(); ++i) {
    const std::size_t j = i % offset.size();
    data.targets[i] = (data.targets[i] - offset[j]) / scale[j];
  }
}

Tensor* find(Model& model, const std::string& name) {
  const auto found =
      std::find_if(model.parameters.begin(), model.parameters.end(), [&](const Tensor& tensor) { return tensor.name == name; });
  return found == model.parameters.end() ? nullptr : &*found;
}

}  // namespace

void standardise_values(RunData& data) {
  if (data.train.task != Task::values) return;
  const std::size_t width = data.train.target_names.size();
  const auto count = static_cast<double>(data.train.count);
  for (std::size_t j = 0; j < width; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t i = j; i < data.train.targets.size(); i += width) sum += static_cast<double>(data.train.targets[i]);
    const double mean = sum / count;
    for (std::size_t i = j; i < data.train.targets.size(); i += width) {
      const double d = static_cast<double>(data.train.targets[i]) - mean;
      squares += d * d;
    }
    const auto deviation = static_cast<float>(std::sqrt(squares / count));
    data.value_offset.push_back(static_cast<float>(mean));
    data.value_scale.push_back(deviation > 0 ? deviation : 1.0F);
  }
  standardise(data.train, data.value_offset, data.value_scale);
  if (data.validation) standardise(*data.validation, data.value_offset, data.value_scale);
}

void put_into_units(Model& model, std::span<const float> offset, std::span<const float> scale) {
  if (offset.empty()) return;
  const Node& last = model.network.nodes.back();
  const std::size_t outputs = offset.size();
  Tensor *weight = find(model, last.name + ".weight"), *bias = find(model, last.name + ".bias");
  if (std::holds_alternative<Linear>(last.layer) && weight != nullptr && bias != nullptr) {
    const std::size_t inputs = weight->values.size() / outputs;
    for (std::size_t j = 0; j < outputs; ++j) {
      for (std::size_t i = 0; i < inputs; ++i) weight->values[j * inputs + i] *= scale[j];
      bias->values[j] = bias->values[j] * scale[j] + offset[j];
    }
    return;
  }
  Node units;
  units.name = "units";
  while (std::any_of(model.network.nodes.begin(), model.network.nodes.end(),
                     [&](const Node& node) { return node.name == units.name; }))
    units.name += '_';
  const BatchNorm norm;
  units.layer = norm;
  const Shape shape = {static_cast<std::int64_t>(outputs)};
  const auto tensor = [&](const char* part, auto value) {
    Tensor made{units.name + part, shape, {}};
    for (std::size_t j = 0; j < outputs; ++j) made.values.push_back(value(j));
    model.parameters.push_back(std::move(made));
  };
  // mean 0 and variance 1 − ε: the division by √(variance + ε) is one by 1.
  tensor(".weight", [&](std::size_t j) { return scale[j]; });
  tensor(".bias", [&](std::size_t j) { return offset[j]; });
  tensor(".running_mean", [](std::size_t) { return 0.0F; });
  tensor(".running_var", [&](std::size_t) { return static_cast<float>(1 - norm.epsilon); });
  model.network.nodes.push_back(std::move(units));
}

}  // namespace soma
