// products, sums, differences and quotients with a constant → preprocessing, weights of the layer before, or a batch norm.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/onnx_import.h"

namespace soma {
namespace {

bool all_are(const std::vector<float>& values, float wanted) {
  return std::all_of(values.begin(), values.end(), [&](float value) { return value == wanted; });
}

/// One number for each of `channels` out of a constant that broadcasts along them, or for all; nothing where it does not.
/// They lie along the extent `place`, counted from the end: the last one beside flat values and where channels are last, the
/// third from the end beside other images. `rank`: of a sample.
std::optional<std::vector<float>> per_channel(const Tensor& constant, std::int64_t channels, std::size_t place,
                                              std::size_t rank) {
  if (constant.values.size() == 1 && constant.shape.size() <= rank + 1)
    return std::vector<float>(static_cast<std::size_t>(channels), constant.values[0]);
  if (constant.shape.size() < place || constant.shape.size() > rank + 1 ||
      constant.values.size() != static_cast<std::size_t>(channels))
    return std::nullopt;
  if (constant.shape[constant.shape.size() - place] != channels) return std::nullopt;
  return constant.values;
}

/// A constant of the sample's own extents, channels last as preprocessing has it.
std::optional<std::vector<float>> per_feature(const Tensor& constant, const Shape& sample) {
  Shape given = constant.shape;
  if (given.size() == sample.size() + 1 && given[0] == 1) given.erase(given.begin());
  if (given != sample || sample.size() != 3) return std::nullopt;
  const auto channels = static_cast<std::size_t>(sample[0]), area = static_cast<std::size_t>(sample[1] * sample[2]);
  std::vector<float> turned(constant.values.size());
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t p = 0; p < area; ++p) turned[p * channels + c] = constant.values[c * area + p];
  return turned;
}

}  // namespace

bool Importer::reads_samples(const Operator& op, int from) const {
  const auto at = values_.find(op.input(from));
  const bool others = std::any_of(made_.begin(), made_.end(), [](const Made& made) {
    return std::find(made.inputs.begin(), made.inputs.end(), -1) != made.inputs.end();
  });
  return !part_ && at != values_.end() && at->second.layer < 0 && readers_.at(op.input(from)) == 1 && !others;
}

bool Importer::prepares(const Operator& op, int from, const Tensor& constant) {
  if (!reads_samples(op, from)) return false;
  const bool last = values_.at(op.input(from)).form == Value::Form::channels_last;
  const bool bare = values_.at(op.input(from)).form == Value::Form::bare;
  auto numbers = per_channel(constant, input_[0], last ? 1 : input_.size(), bare ? 2 : input_.size());
  if (!numbers && !last && !bare) numbers = per_feature(constant, input_);
  if (!numbers) return false;
  if (all_are(*numbers, numbers->front())) numbers->resize(1);
  const std::string& kind = op.op_type();
  auto& steps = preprocess_.steps;
  const std::size_t count = numbers->size();
  if (kind == "Add" || kind == "Sub") {
    if (kind == "Add")
      for (float& each : *numbers) each = -each;
    steps.push_back({PreprocessKind::standardise, *numbers, std::vector<float>(count, 1.0F), {}});
    return true;
  }
  if (kind == "Mul")
    for (float& each : *numbers) each = 1 / each;
  for (const float each : *numbers)
    if (!std::isfinite(each) || each == 0) return false;
  if (!steps.empty() && all_are(steps.back().divisor, 1) && steps.back().offset.size() == count)
    steps.back().divisor = *numbers;
  else
    steps.push_back({PreprocessKind::standardise, std::vector<float>(count, 0.0F), *numbers, {}});
  return true;
}

Result<void> Importer::affine(const Operator& op, int from) {
  const int place = 1 - from;
  const auto x = elements_of(op, from);
  if (!x) return x.error();
  auto constant = floats(op, place);
  if (!constant) return constant.error();
  const std::string& kind = op.op_type();
  const bool backwards = place == 0 && (kind == "Sub" || kind == "Div");  // c − x, c / x
  if (kind == "Div" && backwards) return wrong(op, "a layer's pattern", "a quotient with the constant above");
  if (!backwards && prepares(op, from, *constant)) return alias(op, *x, x->form);

  const Shape& sample = shape(*x);
  const bool one = constant->values.size() == 1;  // for all: no matter how they lie
  if (!one && (x->form == Value::Form::flattened || x->form == Value::Form::bare))
    return wrong(op, "one constant for all", to_string(constant->shape));
  const std::size_t along = x->form == Value::Form::channels_last ? 1 : sample.size();
  const std::size_t rank = x->form == Value::Form::bare ? 2 : sample.size();
  const auto numbers = per_channel(*constant, sample[0], along, rank);
  if (!numbers) return wrong(op, fmt::format("a constant for each of {} outputs", sample[0]), to_string(constant->shape));
  const auto channels = static_cast<std::size_t>(sample[0]);
  std::vector<float> factor(channels, backwards ? -1.0F : 1.0F), shift(channels, 0.0F);
  for (std::size_t c = 0; c < channels; ++c) {
    const float number = (*numbers)[c];
    if (kind == "Mul") factor[c] = number;
    if (kind == "Div") factor[c] = 1 / number;
    if (kind == "Add") shift[c] = number;
    if (kind == "Sub") shift[c] = backwards ? number : -number;
    if (!std::isfinite(factor[c])) return wrong(op, "a divisor other than 0", fmt::format("{}", number));
  }
  return scale(op, from, *x, factor, shift);
}

Result<void> Importer::scale(const Operator& op, int from, const Value& x, const std::vector<float>& factor,
                             const std::vector<float>& shift) {
  if (Made* source = sole_source(op, from); source != nullptr && rescale(*source, factor, shift)) {
    source->output = op.output(0);
    return alias(op, x, x.form);
  }
  // y = x·factor + shift is a batch norm of mean 0 and variance 1.
  const BatchNorm norm;
  const std::size_t channels = factor.size();
  const Shape each = {static_cast<std::int64_t>(channels)};
  const std::vector<float> variance(channels, static_cast<float>(1 - norm.epsilon));
  return add(op, norm, {x},
             {{"weight", {"", each, factor}},
              {"bias", {"", each, shift}},
              {"running_mean", {"", each, std::vector<float>(channels, 0.0F)}},
              {"running_var", {"", each, variance}}},
             x.form);
}

bool Importer::rescale(Made& source, const std::vector<float>& factor, const std::vector<float>& shift) {
  auto* linear = std::get_if<Linear>(&source.layer);
  auto* conv = std::get_if<Conv2d>(&source.layer);
  const bool norm = std::holds_alternative<BatchNorm>(source.layer);
  if (linear == nullptr && conv == nullptr && !norm) return false;
  auto& weight = source.arrays[0].second.values;
  const std::size_t channels = factor.size(), row = weight.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < row; ++i) weight[c * row + i] *= factor[c];
  bool& has_bias = linear != nullptr ? linear->bias : conv != nullptr ? conv->bias : always_;
  if (!has_bias && !all_are(shift, 0)) {
    source.arrays.emplace_back("bias", Tensor{"", {static_cast<std::int64_t>(channels)}, std::vector<float>(channels, 0.0F)});
    has_bias = true;
  }
  if (!has_bias) return true;
  auto& bias = source.arrays[1].second.values;
  for (std::size_t c = 0; c < channels; ++c) bias[c] = bias[c] * factor[c] + shift[c];
  return true;
}

}  // namespace soma
