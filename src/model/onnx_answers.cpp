// what tables and answers other tools put around a network (ai.onnx.ml) → preprocessing, and the names of classes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/onnx_import.h"

namespace soma {
namespace {

/// Numbers or words of an array, as words; nothing of others.
std::vector<std::string> words_of(const onnx::TensorProto& array) {
  std::vector<std::string> words(array.string_data().begin(), array.string_data().end());
  for (const std::int64_t number : integer_values(array)) words.push_back(std::to_string(number));
  for (const float number : float_values(array)) words.push_back(fmt::format("{}", number));
  return words;
}

std::vector<std::string> words_of(const onnx::AttributeProto& attribute) {
  std::vector<std::string> words(attribute.strings().begin(), attribute.strings().end());
  for (const std::int64_t number : attribute.ints()) words.push_back(std::to_string(number));
  return words;
}

}  // namespace

/// ArgMax of a flat output says which class, ArrayFeatureExtractor what it is called, ZipMap what all are called.
Result<void> Importer::answer(const Operator& op) {
  const std::string& kind = op.op_type();
  const auto x = any_value(op, kind == "ArrayFeatureExtractor" ? 1 : 0);
  if (!x) return x.error();
  if (part_ || shape(*x).size() != 1 || (x->form != Value::Form::plain && x->form != Value::Form::answer))
    return wrong(op, "the flat output of a network", to_string(shape(*x)));
  if (kind == "ArgMax") {
    const std::int64_t axis = integer(op, "axis", 0);
    if (x->form != Value::Form::plain || (axis != 1 && axis != -1) || integer(op, "select_last_index", 0) != 0)
      return wrong(op, "the first of the largest outputs", fmt::format("axis {}", axis));
    return alias(op, *x, Value::Form::answer);
  }
  std::vector<std::string> words;
  if (kind == "ArrayFeatureExtractor") {
    const onnx::TensorProto* names = array(op, 0);
    if (names == nullptr || x->form != Value::Form::answer) return wrong(op, "names in the file", "others");
    words = words_of(*names);
  } else {
    for (const auto& given : op.attribute()) words = words_of(given);
  }
  if (!class_names_.empty() && class_names_ != words) return wrong(op, "one name for each class", "two");
  class_names_ = std::move(words);
  return alias(op, *x, Value::Form::answer);
}

Result<void> Importer::scaler(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  if (shape(*x).size() != 1) return wrong(op, "flat features", to_string(shape(*x)));
  const auto features = static_cast<std::size_t>(shape(*x)[0]);
  const auto numbers = [&](std::string_view name, float otherwise) {
    const auto* given = attribute(op, name);
    std::vector<float> all;
    if (given != nullptr) all.assign(given->floats().begin(), given->floats().end());
    if (all.empty()) all = {otherwise};
    if (all.size() == 1) all.resize(features, all[0]);
    return all;
  };
  const std::vector<float> offset = numbers("offset", 0), factor = numbers("scale", 1);
  if (offset.size() != features || factor.size() != features)
    return wrong(op, fmt::format("an offset and a scale for each of {} features", features), fmt::format("{}", offset.size()));
  std::vector<float> divisor(features), shift(features);
  for (std::size_t i = 0; i < features; ++i) {
    divisor[i] = 1 / factor[i];
    shift[i] = -offset[i] * factor[i];
  }
  const bool divides = std::all_of(factor.begin(), factor.end(), [](float each) { return std::isnormal(each); });
  if (!reads_samples(op, 0) || !divides) return scale(op, 0, *x, factor, shift);
  preprocess_.steps.push_back({PreprocessKind::standardise, offset, divisor, {}});
  return alias(op, *x);
}

}  // namespace soma
