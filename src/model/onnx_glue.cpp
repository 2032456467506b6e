// operators that only move or combine values → add, concat, flatten, folded constants, and the patterns of gelu and silu.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "model/onnx_import.h"

namespace soma {
namespace {

// Stands for the batch's extent in shapes known while importing.
constexpr std::int64_t kBatch = std::numeric_limits<std::int64_t>::min();

bool near(std::optional<float> value, double wanted) { return value && std::abs(*value - wanted) < 1e-5; }

}  // namespace

const std::map<std::string, Importer::Known>& Importer::known() {
  static const std::map<std::string, Known> all = {
      {"Gemm", {&Importer::gemm, {"alpha", "beta", "transA", "transB"}}},
      {"MatMul", {&Importer::matrix_product, {}}},
      {"Conv", {&Importer::convolution, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}}},
      {"MaxPool", {&Importer::pool, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"}}},
      {"AveragePool",
       {&Importer::pool, {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"}}},
      {"GlobalAveragePool", {&Importer::global_pool, {}}},
      {"GlobalMaxPool", {&Importer::global_pool, {}}},
      {"ReduceMean", {&Importer::reduce_mean, {"axes", "keepdims", "noop_with_empty_axes"}}},
      {"BatchNormalization", {&Importer::batch_norm, {"epsilon", "momentum", "training_mode", "spatial"}}},
      {"Dropout", {&Importer::dropout, {"ratio", "seed"}}},
      {"Relu", {&Importer::activation, {}}},
      {"LeakyRelu", {&Importer::activation, {"alpha"}}},
      {"Elu", {&Importer::activation, {"alpha"}}},
      {"Selu", {&Importer::activation, {"alpha", "gamma"}}},
      {"Sigmoid", {&Importer::activation, {}}},
      {"Tanh", {&Importer::activation, {}}},
      {"Softplus", {&Importer::activation, {}}},
      {"Gelu", {&Importer::activation, {"approximate"}}},
      {"Softmax", {&Importer::softmax, {"axis"}}},
      {"LogSoftmax", {&Importer::softmax, {"axis"}}},
      {"Add", {&Importer::sum, {}}},
      {"Sum", {&Importer::sum, {}}},
      {"Mul", {&Importer::product, {}}},
      {"Sub", {&Importer::difference, {}}},
      {"Div", {&Importer::quotient, {}}},
      {"Erf", {&Importer::erf, {}}},
      {"Concat", {&Importer::concat, {"axis"}}},
      {"Pad", {&Importer::pad, {"mode", "pads", "value"}}},
      {"Flatten", {&Importer::flatten, {"axis"}}},
      {"Reshape", {&Importer::reshape, {"allowzero"}}},
      {"Squeeze", {&Importer::squeeze, {"axes"}}},
      {"Unsqueeze", {&Importer::unsqueeze, {"axes"}}},
      {"Identity", {&Importer::identity, {}}},
      {"Cast", {&Importer::identity, {"to", "saturate"}}},
      {"Constant", {&Importer::constant, {"value", "value_int", "value_ints", "value_float", "value_floats"}}},
      {"Shape", {&Importer::shape_of, {"start", "end"}}},
      {"Gather", {&Importer::gather, {"axis"}}},
      {"Transpose", {&Importer::transpose, {"perm"}}},
      {"ArgMax", {&Importer::answer, {"axis", "keepdims", "select_last_index"}}},
      {"ArrayFeatureExtractor", {&Importer::answer, {}}},
      {"ZipMap", {&Importer::answer, {"classlabels_int64s", "classlabels_strings"}}},
      {"Scaler", {&Importer::scaler, {"offset", "scale"}}}};
  return all;
}

bool Importer::knows(const Operator& op) {
  static const std::set<std::string> tables = {"ArrayFeatureExtractor", "ZipMap", "Scaler"};
  const bool table = tables.count(op.op_type()) > 0;
  const bool standard = op.domain().empty() || op.domain() == "ai.onnx";
  return (table ? op.domain() == "ai.onnx.ml" : standard) && known().count(op.op_type()) > 0;
}

Result<void> Importer::sum(const Operator& op) {
  if (op.op_type() == "Add" && op.input_size() == 2)
    for (const int constant : {0, 1}) {
      if (array(op, constant) == nullptr) continue;
      const auto x = any_value(op, 1 - constant);
      if (!x) return x.error();
      if (x->form == Value::Form::erf && near(scalar(op, constant), 1)) return alias(op, *x, Value::Form::one_plus_erf);
      return affine(op, 1 - constant);
    }
  std::vector<Value> inputs;
  for (int i = 0; i < op.input_size(); ++i) {
    const auto x = elements_of(op, i);
    if (!x) return x.error();
    inputs.push_back(*x);
    if (x->form != inputs[0].form) return wrong(op, "terms of one order", "channels first and last");
  }
  if (inputs.empty()) return wrong(op, "inputs", "none");
  if (inputs.size() == 1) return alias(op, inputs[0], inputs[0].form);
  return add(op, Add{}, inputs, {}, inputs[0].form);
}

// x·σ(x) is silu; the factors of x·½·(1 + erf(x/√2)) come in any order.
Result<void> Importer::product(const Operator& op) {
  using Form = Value::Form;
  for (const int constant : {0, 1}) {
    if (array(op, constant) == nullptr) continue;
    const auto x = any_value(op, 1 - constant);
    if (!x) return x.error();
    const auto factor = scalar(op, constant);
    if (has_erf_ && x->form == Form::plain && near(factor, std::sqrt(0.5))) return alias(op, *x, Form::scaled);
    if (has_erf_ && x->form == Form::plain && near(factor, 0.5)) return alias(op, *x, Form::halved);
    if (x->form == Form::product && near(factor, 0.5))
      return add(op, Activation{Activation::Kind::gelu}, {{x->layer, Form::plain}});
    return affine(op, 1 - constant);
  }
  for (const int first : {0, 1}) {
    const auto a = any_value(op, first), b = any_value(op, 1 - first);
    if (!a) return a.error();
    if (!b) return b.error();
    if (b->form == Form::one_plus_erf && a->layer == b->layer && a->form == Form::plain) return alias(op, *a, Form::product);
    if (b->form == Form::one_plus_erf && a->layer == b->layer && a->form == Form::halved)
      return add(op, Activation{Activation::Kind::gelu}, {{a->layer, Form::plain}});
    Made* gate = sole_source(op, 1 - first);
    auto* sigmoid = gate == nullptr ? nullptr : std::get_if<Activation>(&gate->layer);
    if (sigmoid == nullptr || sigmoid->kind != Activation::Kind::sigmoid || a->form != b->form) continue;
    if (gate->inputs[0] != a->layer) continue;
    sigmoid->kind = Activation::Kind::silu;
    gate->output = op.output(0);
    return alias(op, *b, b->form);
  }
  return wrong(op, "a layer's pattern", "a product of two values");
}

Result<void> Importer::quotient(const Operator& op) {
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  if (has_erf_ && x->form == Value::Form::plain && near(scalar(op, 1), std::sqrt(2.0))) return alias(op, *x, Value::Form::scaled);
  if (array(op, 1) == nullptr) return wrong(op, "a layer's pattern", "a quotient of two values");
  return affine(op, 0);
}

Result<void> Importer::difference(const Operator& op) {
  for (const int constant : {1, 0})
    if (array(op, constant) != nullptr) return affine(op, 1 - constant);
  return wrong(op, "a layer's pattern", "a difference of two values");
}

Result<void> Importer::erf(const Operator& op) {
  const auto x = any_value(op, 0);
  if (!x) return x.error();
  if (x->form != Value::Form::scaled) return wrong(op, "a layer's pattern", "an erf outside gelu");
  return alias(op, *x, Value::Form::erf);
}

Result<void> Importer::concat(const Operator& op) {
  std::vector<std::int64_t> folded;
  bool known_in_advance = op.input_size() > 0;
  for (int i = 0; i < op.input_size() && known_in_advance; ++i) {
    const auto part = integers(op, i);
    known_in_advance = part.has_value() && folded.size() + part->size() <= 64;
    if (known_in_advance) folded.insert(folded.end(), part->begin(), part->end());
  }
  if (known_in_advance) {
    know(op, std::move(folded));
    return {};
  }
  std::vector<Value> inputs;
  for (int i = 0; i < op.input_size(); ++i) {
    const auto x = any_value(op, i);
    if (!x || x->form != Value::Form::channels_last) {
      const auto plain = value(op, i);
      if (!plain) return plain.error();
    }
    inputs.push_back(*x);
    if (x->form != inputs[0].form) return wrong(op, "parts of one order", "channels first and last");
  }
  if (inputs.empty()) return wrong(op, "inputs", "none");
  const std::int64_t axis = integer(op, "axis", 1), rank = static_cast<std::int64_t>(shape(inputs[0]).size()) + 1;
  const std::int64_t channels = inputs[0].form == Value::Form::channels_last ? rank - 1 : 1;
  if (axis != channels && axis != channels - rank) return wrong(op, fmt::format("axis {}", channels), fmt::format("{}", axis));
  if (inputs.size() == 1) return alias(op, inputs[0], inputs[0].form);
  return add(op, Concat{}, inputs, {}, inputs[0].form);
}

Result<void> Importer::pad(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  auto pads = list(op, "pads");
  if (has_input(op, 1)) {
    const auto given = integers(op, 1);
    if (!given) return wrong(op, "pads known in advance", "'" + op.input(1) + "'");
    pads = *given;
  }
  if (has_input(op, 3)) return wrong(op, "pads of all extents", "axes");
  const auto* mode = attribute(op, "mode");
  const bool none = std::all_of(pads.begin(), pads.end(), [](std::int64_t n) { return n == 0; });
  if (pads.size() != 2 * (shape(*x).size() + 1))
    return wrong(op, fmt::format("{} pads", 2 * (shape(*x).size() + 1)), fmt::format("{}", pads.size()));
  if (none) return alias(op, *x);
  const bool zeros = (mode == nullptr || mode->s() == "constant") && number(op, "value", 0) == 0 &&
                     (!has_input(op, 2) || near(scalar(op, 2), 0));
  if (!zeros || pads.size() != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0 ||
      std::any_of(pads.begin(), pads.end(), [](std::int64_t n) { return n < 0 || n > 1 << 20; }))
    return wrong(op, "zeros around an image", "another padding");
  if (const auto made = alias(op, *x, Value::Form::padded); !made) return made;
  values_.at(op.output(0)).pads = {pads[2], pads[3], pads[6], pads[7]};
  return {};
}

Result<void> Importer::flatten(const Operator& op) {
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  const std::int64_t axis = integer(op, "axis", 1);
  std::int64_t rank = static_cast<std::int64_t>(shape(*x).size()) + 1;
  if (x->form == Value::Form::bare) --rank;
  if (axis != 1 && axis != 1 - rank) return wrong(op, "axis 1", fmt::format("{}", axis));
  return flat(op, *x);
}

Result<void> Importer::reshape(const Operator& op) {
  const auto target = integers(op, 1);
  if (const auto known_shape = has_input(op, 0) ? integers(op, 0) : std::nullopt; known_shape) {
    know(op, *known_shape);
    return {};
  }
  const auto any = any_value(op, 0);
  if (any && any->form == Value::Form::answer) return alias(op, *any, any->form);
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  if (!target) return wrong(op, "a shape known in advance", has_input(op, 1) ? "'" + op.input(1) + "'" : "none");
  const Shape& sample = shape(*x);
  const std::int64_t size = elements(sample);
  if (target->size() == 2) {
    const std::int64_t features = (*target)[1], batch = (*target)[0];
    // A fixed batch is taken for what it was when somebody exported the model with an example of it. With the features left
    // open that has to be certain: any other number of rows moves their borders.
    const bool open = features == -1 && (batch == 0 || batch == kBatch || (batch > 0 && batch == batch_));
    const bool fits = features == size || open || (features == 0 && sample.size() == 1);
    if (fits && (batch == -1 || batch == 0 || batch == kBatch || batch > 0))
      return sample.size() == 1 ? alias(op, *x, x->form) : flat(op, *x);
  }
  const std::int64_t first = target->empty() ? -2 : (*target)[0];
  const bool batched = first == -1 || first == 0 || first == kBatch || first > 0;
  const Shape rest(target->begin() + (batched ? 1 : 0), target->end());
  if (batched && rest == sample && x->form != Value::Form::channels_last && x->form != Value::Form::flattened)
    return alias(op, *x);
  if (batched && sample.size() == 3 && rest == Shape{sample[1], sample[2], sample[0]}) {
    if (x->form == Value::Form::channels_last) return alias(op, *x, x->form);
    if (x->form == Value::Form::bare || sample[0] == 1) return alias(op, *x, Value::Form::channels_last);
  }
  return wrong(op, fmt::format("the shape [batch, {}]", size), fmt::format("{} extents", target->size()));
}

std::vector<std::int64_t> Importer::axes(const Operator& op, int i) const {
  auto given = list(op, "axes");
  if (const auto input = integers(op, i); given.empty() && input) given = *input;
  return given;
}

Result<void> Importer::squeeze(const Operator& op) {
  if (const auto known_shape = integers(op, 0); known_shape) {
    know(op, *known_shape);
    return {};
  }
  if (const auto any = any_value(op, 0); any && any->form == Value::Form::answer) return alias(op, *any, any->form);
  const auto x = value(op, 0);
  if (!x) return x.error();
  auto along = axes(op, 1);
  for (std::int64_t& axis : along) axis += axis < 0 ? 4 : 0;
  std::sort(along.begin(), along.end());
  if (shape(*x).size() != 3 || along != std::vector<std::int64_t>{2, 3} || shape(*x)[1] != 1 || shape(*x)[2] != 1)
    return wrong(op, "an image of one point without its height and width", to_string(shape(*x)));
  return add(op, Flatten{}, {*x});
}

Result<void> Importer::unsqueeze(const Operator& op) {
  if (const auto any = any_value(op, 0); any && any->form == Value::Form::bare) {
    const auto along = axes(op, 1);
    if (along == std::vector<std::int64_t>{1} || along == std::vector<std::int64_t>{-3}) return alias(op, *any);
    if (along == std::vector<std::int64_t>{3} || along == std::vector<std::int64_t>{-1})
      return alias(op, *any, Value::Form::channels_last);
  }
  const auto known_shape = integers(op, 0);
  if (!known_shape) return wrong(op, "a shape known in advance", has_input(op, 0) ? "'" + op.input(0) + "'" : "none");
  know(op, *known_shape);
  return {};
}

Result<void> Importer::reduce_mean(const Operator& op) {
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  auto along = axes(op, 1);
  for (std::int64_t& axis : along) axis += axis < 0 ? 4 : 0;
  std::sort(along.begin(), along.end());
  const std::int64_t height = x->form == Value::Form::channels_last ? 1 : 2;
  if (shape(*x).size() != 3 || x->form == Value::Form::bare || along != std::vector<std::int64_t>{height, height + 1})
    return wrong(op, "the mean of an image over height and width", to_string(shape(*x)));
  if (integer(op, "keepdims", 1) != 0) return add(op, GlobalAveragePool{}, {*x}, {}, x->form);
  Operator inner;
  inner.set_op_type(op.op_type());
  inner.set_name(op.name());
  inner.add_output(op.output(0) + ".mean");
  if (const auto pooled = add(inner, GlobalAveragePool{}, {*x}); !pooled) return pooled;
  return add(op, Flatten{}, {values_.at(inner.output(0))});
}

Result<void> Importer::identity(const Operator& op) {
  if (const auto any = any_value(op, 0); any && any->form == Value::Form::answer) return alias(op, *any, any->form);
  if (op.op_type() == "Cast") {
    const std::int64_t to = integer(op, "to", 0);
    // Halves and doubles are worked out as floats.
    const bool real = to == onnx::TensorProto::FLOAT || to == onnx::TensorProto::FLOAT16 || to == onnx::TensorProto::BFLOAT16 ||
                      to == onnx::TensorProto::DOUBLE;
    const bool same = integers(op, 0) ? to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32 : real;
    if (!same) return wrong(op, "floats", fmt::format("ONNX type {}", to));
  }
  if (const auto known_shape = integers(op, 0); known_shape) {
    know(op, *known_shape);
    return {};
  }
  if (const auto* constant = array(op, 0); constant != nullptr) {
    arrays_.add(op.output(0), constant);
    return {};
  }
  const auto x = any_value(op, 0);
  if (!x) return x.error();
  return pass(op, *x, x->form);
}

Result<void> Importer::constant(const Operator& op) {
  if (op.attribute_size() != 1) return wrong(op, "one value", fmt::format("{}", op.attribute_size()));
  const auto& given = op.attribute(0);
  if (given.name() == "value") {
    if (const std::string problem = array_problem(given.t()); !problem.empty()) return wrong(problem);
    arrays_.add(op.output(0), &given.t());
    return {};
  }
  onnx::TensorProto& made = constants_.emplace_back();
  const bool floats = given.name() == "value_float" || given.name() == "value_floats";
  made.set_data_type(floats ? onnx::TensorProto::FLOAT : onnx::TensorProto::INT64);
  if (given.name() == "value_float") made.add_float_data(given.f());
  if (given.name() == "value_int") made.add_int64_data(given.i());
  if (given.name() == "value_floats") *made.mutable_float_data() = given.floats();
  if (given.name() == "value_ints") *made.mutable_int64_data() = given.ints();
  if (given.name() == "value_floats" || given.name() == "value_ints")
    made.add_dims(std::max(made.float_data_size(), made.int64_data_size()));
  arrays_.add(op.output(0), &made);
  return {};
}

Result<void> Importer::shape_of(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  std::vector<std::int64_t> extents = {kBatch};
  extents.insert(extents.end(), shape(*x).begin(), shape(*x).end());
  const std::int64_t rank = static_cast<std::int64_t>(extents.size());
  const auto place = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const std::int64_t start = place(integer(op, "start", 0)), end = place(integer(op, "end", rank));
  if (end < start) return wrong(op, "an end behind its start", fmt::format("{}", end));
  know(op, {extents.begin() + start, extents.begin() + end});
  return {};
}

Result<void> Importer::gather(const Operator& op) {
  const auto from = integers(op, 0), places = integers(op, 1);
  if (!from || !places || integer(op, "axis", 0) != 0) return wrong(op, "a shape known in advance", "another input");
  std::vector<std::int64_t> picked;
  const std::int64_t count = static_cast<std::int64_t>(from->size());
  for (const std::int64_t place : *places) {
    if (place < -count || place >= count) return wrong(op, fmt::format("a place among {}", count), fmt::format("{}", place));
    picked.push_back((*from)[static_cast<std::size_t>(place < 0 ? place + count : place)]);
  }
  know(op, std::move(picked));
  return {};
}

}  // namespace soma
