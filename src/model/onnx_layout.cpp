// graphs whose images have their channels last → the same layers, channels first: transposes cut, columns of weights turned.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/onnx_import.h"

namespace soma {
namespace {

using Perm = std::vector<std::int64_t>;

const Perm kToFront = {0, 3, 1, 2}, kToBack = {0, 2, 3, 1};

}  // namespace

void Importer::find_channels() {
  static const std::set<std::string> passing = {"Add", "Sub", "Mul", "Div", "Cast", "Identity"};
  if (input_.size() != 3 || values_.size() != 1 || values_.begin()->second.form != Value::Form::plain) return;
  std::string name = values_.begin()->first;
  for (int turned = 0, others = 0;;) {
    std::string next;
    for (const Operator& op : proto_.graph().node()) {
      if (std::find(op.input().begin(), op.input().end(), name) == op.input().end()) continue;
      const bool turns = op.op_type() == "Transpose" && list(op, "perm") == kToFront;
      ++(turns ? turned : others);
      if (!turns && passing.count(op.op_type()) > 0 && op.output_size() == 1) next = op.output(0);
    }
    if (turned > 0 && others == 0) break;
    if (turned > 0 || others != 1 || next.empty()) return;
    name = next;
    others = 0;
  }
  input_ = {input_[2], input_[0], input_[1]};
  values_.begin()->second.form = Value::Form::channels_last;
  found_last_ = true;
}

Result<void> Importer::transpose(const Operator& op) {
  const auto x = any_value(op, 0);
  if (!x) return x.error();
  const Perm perm = list(op, "perm");
  Perm same(shape(*x).size() + 1);
  for (std::size_t i = 0; i < same.size(); ++i) same[i] = static_cast<std::int64_t>(i);
  if (perm == same && (x->form == Value::Form::plain || x->form == Value::Form::channels_last)) return pass(op, *x, x->form);
  if (perm == kToFront && x->form == Value::Form::channels_last) return pass(op, *x, Value::Form::plain);
  if (perm == kToBack && x->form == Value::Form::plain && shape(*x).size() == 3) return pass(op, *x, Value::Form::channels_last);
  return wrong(op, "channels moved to the front or to the back", fmt::format("{}", fmt::join(perm, ", ")));
}

Result<void> Importer::flat(const Operator& op, const Value& x) {
  const Shape& image = shape(x);
  const bool turned = x.form == Value::Form::channels_last && image[0] > 1 && image[1] * image[2] > 1;
  if (x.form == Value::Form::flattened) return alias(op, x, x.form);
  return add(op, Flatten{}, {x}, {}, turned ? Value::Form::flattened : Value::Form::plain);
}

Result<Importer::Value> Importer::row(const Operator& op) const {
  const auto x = any_value(op, 0);
  return x && x->form == Value::Form::flattened ? x : value(op, 0);
}

void Importer::turn_columns(const Value& x, Tensor& weights) const {
  if (x.form != Value::Form::flattened) return;
  Value image = x;
  while (shape(image).size() != 3) image.layer = made_[static_cast<std::size_t>(image.layer)].inputs[0];
  const auto channels = static_cast<std::size_t>(shape(image)[0]), size = static_cast<std::size_t>(elements(shape(image))),
             area = size / channels;
  const std::vector<float> before = weights.values;
  for (std::size_t first = 0; first < before.size(); first += size)
    for (std::size_t pixel = 0; pixel < area; ++pixel)
      for (std::size_t c = 0; c < channels; ++c) weights.values[first + c * area + pixel] = before[first + pixel * channels + c];
}

}  // namespace soma
