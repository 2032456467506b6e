// a graph other tools made → Model: operators looked up, layers that lead to the output kept, named and checked.
#include "model/onnx_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "model/check.h"
#include "nn/resolve.h"

namespace soma {
namespace {

constexpr std::int64_t kMostWeights = std::int64_t{1} << 29;  // 2 GiB, what one ONNX file can hold
constexpr std::int64_t kMostClasses = 1 << 20;
constexpr std::int64_t kMostExtents = 64;  // of a shape

/// "features.0.weight" → "features_0".
std::string layer_name(const std::string& array) {
  const std::size_t dot = array.rfind('.');
  if (dot == array.npos || dot == 0 || array.substr(dot) != ".weight") return "";
  std::string name = array.substr(0, dot);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  return name == "input" ? "" : name;
}

/// How the outputs are meant, from what makes them. One that nothing bounds is a number and no class.
void read_meaning(Model& model, const Layer& last, std::int64_t outputs, const std::string& name) {
  const auto* softmax = std::get_if<Softmax>(&last);
  const auto* activation = std::get_if<Activation>(&last);
  const bool sigmoid = activation != nullptr && activation->kind == Activation::Kind::sigmoid;
  if (softmax != nullptr) model.loss.kind = softmax->log ? LossConfig::Kind::nll : LossConfig::Kind::quadratic;
  if (sigmoid || std::holds_alternative<Concat>(last)) model.loss.kind = LossConfig::Kind::quadratic;
  if (outputs == 1 && sigmoid) model.loss.codes = {0, 1};
  if (outputs == 1 && !sigmoid) {
    model.task = Task::values;
    model.target_names = {name};
    model.loss.kind = LossConfig::Kind::quadratic;
    return;
  }
  for (std::int64_t c = 0; c < std::max<std::int64_t>(outputs, 2); ++c) model.class_names.push_back(std::to_string(c));
}

/// A picture [height, width, channels]: its first extent is more than pictures have channels, its last one is not.
bool looks_channels_last(const Shape& input) { return input.size() == 3 && input[0] > 4 && input[2] <= 4; }

/// A layer that gives the second extent a meaning of its own: what reads it has channels first.
bool is_spatial(const Layer& layer) {
  return std::holds_alternative<Conv2d>(layer) || std::holds_alternative<Pool>(layer) ||
         std::holds_alternative<GlobalAveragePool>(layer) || std::holds_alternative<BatchNorm>(layer);
}

}  // namespace

Importer::Importer(const onnx::ModelProto& proto, Shape input, GraphArrays arrays, std::string_view who, bool part)
    : proto_(proto), input_(std::move(input)), arrays_(std::move(arrays)), who_(who), part_(part) {
  for (const auto& set : proto.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx") opset_ = set.version();
  for (const auto& given : proto.graph().input()) {
    if (arrays_.find(given.name()) != nullptr) continue;
    const auto& shape = given.type().tensor_type().shape();
    values_[given.name()] = {-1, shape.dim_size() == 3 ? Value::Form::bare : Value::Form::plain};
    if (shape.dim_size() > 0) batch_ = shape.dim(0).dim_value();
  }
  for (const Operator& op : proto.graph().node())
    for (const std::string& input_name : op.input()) ++readers_[input_name];
  for (const auto& output : proto.graph().output()) ++readers_[output.name()];
  find_channels();
  has_erf_ = std::any_of(proto.graph().node().begin(), proto.graph().node().end(),
                         [](const Operator& op) { return op.op_type() == "Erf"; });
}

Error Importer::wrong(std::string what) const { return {Error::Kind::data, who_ + ": " + std::move(what)}; }

Error Importer::wrong(const Operator& op, std::string_view wanted, std::string_view got) const {
  const std::string& name = op.name().empty() ? op.output(0) : op.name();
  return wrong(fmt::format("operator {} '{}' wants {} to be a layer of soma's, got {}", op.op_type(), name, wanted, got));
}

Result<void> Importer::check_operators() const {
  if (opset_ < kOldestOpset || opset_ > kNewestOpset)
    return wrong(
        fmt::format("wanted opset {} to {}, got {}; try exporting with opset {}", kOldestOpset, kNewestOpset, opset_, kOpset));
  std::map<std::string, int> unknown;
  for (const Operator& op : proto_.graph().node()) {
    const bool standard = op.domain().empty() || op.domain() == "ai.onnx";
    if (!may_be_layer(op)) ++unknown[(standard ? "" : op.domain() + ".") + op.op_type()];
  }
  if (!unknown.empty()) {
    std::string all;
    for (const auto& [name, count] : unknown)
      all += fmt::format("{}{}{}", all.empty() ? "" : ", ", name, count > 1 ? fmt::format(" ({} times)", count) : "");
    return wrong(fmt::format("wanted operators that are layers of soma's, got {}; try a model without them", all));
  }
  for (const Operator& op : proto_.graph().node()) {
    if (op.output_size() < 1 || op.output(0).empty())
      return wrong(fmt::format("operator {} '{}' has no output", op.op_type(), op.name()));
    const auto& names = known().at(op.op_type()).attributes;
    for (const auto& given : op.attribute())
      if (std::find(names.begin(), names.end(), given.name()) == names.end())
        return wrong(op, "only attributes soma knows", "'" + given.name() + "'");
  }
  return {};
}

Result<Importer::Value> Importer::any_value(const Operator& op, int i) const {
  if (!has_input(op, i)) return wrong(op, fmt::format("{} inputs", i + 1), fmt::format("{}", op.input_size()));
  const auto at = values_.find(op.input(i));
  if (at != values_.end()) return at->second;
  if (arrays_.find(op.input(i)) != nullptr || integers_.find(op.input(i)) != integers_.end())
    return wrong(op, "another layer's output", fmt::format("the constant '{}'", op.input(i)));
  return wrong(op, "inputs that operators before it made", fmt::format("'{}'", op.input(i)));
}

Result<Importer::Value> Importer::value(const Operator& op, int i) const {
  auto found = any_value(op, i);
  if (!found || found->form == Value::Form::plain) return found;
  const auto told = [&] {
    switch (found->form) {
      case Value::Form::padded:
        return "padded";
      case Value::Form::channels_last:
      case Value::Form::flattened:
        return "with its channels last";
      case Value::Form::bare:
        return "without channels";
      case Value::Form::answer:
        return "an answer";
      default:
        return "half a gelu";
    }
  };
  return wrong(op, "another layer's output", fmt::format("'{}', {}", op.input(i), told()));
}

Result<Importer::Value> Importer::elements_of(const Operator& op, int i) const {
  using Form = Value::Form;
  const auto found = any_value(op, i);
  if (found && (found->form == Form::channels_last || found->form == Form::flattened || found->form == Form::bare)) return found;
  return value(op, i);
}

const onnx::TensorProto* Importer::array(const Operator& op, int i) const {
  return has_input(op, i) ? arrays_.find(op.input(i)) : nullptr;
}

Result<Tensor> Importer::floats(const Operator& op, int i) {
  const onnx::TensorProto* found = array(op, i);
  if (found == nullptr)
    return wrong(op, fmt::format("input {} as an array in the file", i + 1), has_input(op, i) ? "'" + op.input(i) + "'" : "none");
  // Two operators may name one array: copies are counted, so that a small file cannot ask for endless memory.
  taken_ += elements(extents(*found));
  if (taken_ > kMostWeights) return wrong(op, fmt::format("at most {} weights in all", kMostWeights), "more");
  Tensor tensor{found->name(), extents(*found), float_values(*found)};
  if (tensor.values.size() != static_cast<std::size_t>(elements(tensor.shape)))
    return wrong(op, "arrays of floats", fmt::format("'{}'", op.input(i)));
  return tensor;
}

std::optional<std::vector<std::int64_t>> Importer::integers(const Operator& op, int i) const {
  if (!has_input(op, i)) return std::nullopt;
  if (const auto at = integers_.find(op.input(i)); at != integers_.end()) return at->second;
  const onnx::TensorProto* found = array(op, i);
  if (found == nullptr || found->dims_size() > 1 || elements(extents(*found)) > kMostExtents) return std::nullopt;
  if (found->data_type() != onnx::TensorProto::INT64 && found->data_type() != onnx::TensorProto::INT32) return std::nullopt;
  return integer_values(*found);
}

std::optional<float> Importer::scalar(const Operator& op, int i) const {
  const onnx::TensorProto* found = array(op, i);
  if (found == nullptr || elements(extents(*found)) != 1) return std::nullopt;
  const auto values = float_values(*found);
  return values.size() == 1 ? std::optional(values[0]) : std::nullopt;
}

Importer::Made* Importer::sole_source(const Operator& op, int i) {
  const auto at = values_.find(op.input(i));
  if (at == values_.end() || at->second.layer < 0) return nullptr;
  if (at->second.form != Value::Form::plain && at->second.form != Value::Form::channels_last) return nullptr;
  Made& source = made_[static_cast<std::size_t>(at->second.layer)];
  return source.output == op.input(i) && readers_[op.input(i)] == 1 ? &source : nullptr;
}

Result<void> Importer::add(const Operator& op, const Layer& layer, const std::vector<Value>& inputs,
                           std::vector<std::pair<std::string, Tensor>> arrays, Value::Form form) {
  Made made{layer, {}, {}, std::move(arrays), "", op.output(0)};
  std::vector<Shape> shapes;
  for (const Value& input : inputs) {
    made.inputs.push_back(input.layer);
    shapes.push_back(shape(input));
  }
  auto result = layer_shape(made.layer, std::move(shapes), fmt::format("operator {} '{}'", op.op_type(), op.output(0)));
  if (!result) return wrong(result.error().message);
  made.shape = std::move(*result);
  if (!made.arrays.empty()) made.name = layer_name(made.arrays[0].second.name);
  made_.push_back(std::move(made));
  return alias(op, {static_cast<std::int64_t>(made_.size()) - 1}, form);
}

Result<void> Importer::alias(const Operator& op, const Value& x, Value::Form form) {
  if (arrays_.find(op.output(0)) != nullptr || !values_.emplace(op.output(0), Value{x.layer, form}).second)
    return wrong(fmt::format("value '{}' is made twice", op.output(0)));
  return {};
}

Result<void> Importer::pass(const Operator& op, const Value& x, Value::Form form) {
  if (x.layer >= 0 && readers_[op.input(0)] == 1)
    if (Made& source = made_[static_cast<std::size_t>(x.layer)]; source.output == op.input(0)) source.output = op.output(0);
  return alias(op, x, form);
}

Result<void> Importer::walk() {
  if (const auto checked = check_operators(); !checked) return checked.error();
  for (const Operator& op : proto_.graph().node()) {
    const auto done = (this->*known().at(op.op_type()).handler)(op);
    if (!done) return done.error();
    ++understood_;
  }
  return {};
}

/// An input with channels last that is flattened before anything looks at it becomes one with channels first, as samples come:
/// the columns of the weights behind the flatten change places instead.
Result<void> Importer::turn_channels() {
  if (found_last_ || !looks_channels_last(input_)) return {};
  const std::size_t height = static_cast<std::size_t>(input_[0]), width = static_cast<std::size_t>(input_[1]),
                    channels = static_cast<std::size_t>(input_[2]), size = height * width * channels;
  const auto refused =
      wrong(fmt::format("wanted an input with channels before height and width, got {}; try exporting it so", to_string(input_)));
  for (const PreprocessStep& step : preprocess_.steps)
    if (step.offset.size() > 1) return refused;
  std::set<std::int64_t> flattened;
  for (std::size_t i = 0; i < made_.size(); ++i) {
    Made& made = made_[i];
    for (const std::int64_t from : made.inputs) {
      if (from < 0) {
        if (is_spatial(made.layer)) return {};
        if (!std::holds_alternative<Flatten>(made.layer)) return refused;
        flattened.insert(static_cast<std::int64_t>(i));
      } else if (flattened.count(from) > 0) {
        if (!std::holds_alternative<Linear>(made.layer)) return refused;
        std::vector<float>& weights = made.arrays[0].second.values;
        const std::vector<float> before = weights;
        for (std::size_t row = 0; row < weights.size(); row += size)
          for (std::size_t pixel = 0; pixel < height * width; ++pixel)
            for (std::size_t c = 0; c < channels; ++c)
              weights[row + c * height * width + pixel] = before[row + pixel * channels + c];
      }
    }
  }
  input_ = {input_[2], input_[0], input_[1]};
  return {};
}

Result<std::string> Importer::chosen_output() const {
  const auto& graph = proto_.graph();
  std::string chosen;
  std::int64_t layer = -1;
  for (const auto& output : graph.output()) {
    const auto at = values_.find(output.name());
    const bool flattened = part_ && at != values_.end() && at->second.form == Value::Form::channels_last;
    if (at == values_.end() || at->second.layer < 0 ||
        (at->second.form != Value::Form::plain && at->second.form != Value::Form::answer && !flattened))
      return wrong(fmt::format("wanted an output that a layer makes, got '{}'; try another output", output.name()));
    if (layer >= 0 && at->second.layer != layer)
      return wrong(fmt::format("wanted one output, got {}; try exporting one", graph.output_size()));
    layer = at->second.layer;
    if (chosen.empty() || at->second.form != Value::Form::answer) chosen = output.name();
  }
  if (chosen.empty()) return wrong("wanted one output, got 0; try exporting one");
  return chosen;
}

Layers Importer::collect(const Value& output) {
  std::vector<bool> needed(made_.size(), false);
  needed[static_cast<std::size_t>(output.layer)] = true;
  for (std::size_t i = made_.size(); i-- > 0;)
    for (const std::int64_t input : made_[i].inputs)
      if (needed[i] && input >= 0) needed[static_cast<std::size_t>(input)] = true;

  Layers layers;
  layers.network.input = input_;
  std::set<std::string> taken = {"input"};
  for (std::size_t i = 0; i < made_.size(); ++i)
    if (!needed[i] || (!made_[i].name.empty() && !taken.insert(made_[i].name).second)) made_[i].name.clear();
  std::map<std::string, int> count;
  std::int64_t before = -1;
  for (std::size_t i = 0; i < made_.size(); ++i) {
    Made& made = made_[i];
    if (!needed[i]) continue;
    const std::string kind = layer_kind(made.layer);
    while (made.name.empty())
      if (const std::string name = kind + std::to_string(++count[kind]); taken.insert(name).second) made.name = name;
    Node node{made.name, made.layer, {}, {}};
    if (made.inputs != std::vector<std::int64_t>{before})
      for (const std::int64_t input : made.inputs)
        node.inputs.push_back(input < 0 ? "input" : made_[static_cast<std::size_t>(input)].name);
    for (auto& [suffix, tensor] : made.arrays) {
      tensor.name = made.name + "." + suffix;
      layers.parameters.push_back(std::move(tensor));
    }
    layers.network.nodes.push_back(std::move(node));
    before = static_cast<std::int64_t>(i);
  }
  return layers;
}

Result<Layers> Importer::layers() {
  if (const auto walked = walk(); !walked) return walked.error();
  const auto name = chosen_output();
  if (!name) return name.error();
  const Value output = values_.at(*name);
  Layers layers = collect(output);
  layers.input_last = found_last_;
  layers.output_last = output.form == Value::Form::channels_last;
  return layers;
}

Result<Model> Importer::model(TensorNames& names) {
  if (const auto walked = walk(); !walked) return walked.error();
  if (const auto turned = turn_channels(); !turned) return turned.error();
  const auto name = chosen_output();
  if (!name) return name.error();
  const Value& output = values_.at(*name);
  names.output = output.form == Value::Form::answer ? made_[static_cast<std::size_t>(output.layer)].output : *name;
  Layers layers = collect(output);

  Model model;
  model.name = proto_.graph().name();
  model.input = input_;
  model.preprocess = preprocess_;
  model.network = std::move(layers.network);
  model.parameters = std::move(layers.parameters);
  auto network = resolve(model.network);
  if (!network) return wrong(network.error().message);
  const Shape outputs = network->shapes.back();
  if (outputs.size() != 1)
    return wrong(fmt::format("wanted a flat output, got {}; try a flatten at the end", to_string(outputs)));
  if (outputs[0] > kMostClasses)
    return wrong(fmt::format("wanted at most {} outputs, got {}; try another model", kMostClasses, outputs[0]));
  read_meaning(model, network->spec.nodes.back().layer, outputs[0], *name);
  if (!class_names_.empty()) {
    if (class_names_.size() != model.class_names.size())
      return wrong(fmt::format("wanted a name for each of {} classes, got {}; try exporting without them",
                               model.class_names.size(), class_names_.size()));
    model.class_names = class_names_;
  }
  if (const std::string problem = model_problem(model, *network); !problem.empty()) return wrong(problem);
  return model;
}

bool may_be_layer(const onnx::NodeProto& op) { return Importer::knows(op); }

Result<Model> import_graph(const onnx::ModelProto& proto, const Shape& input, GraphArrays arrays, std::string_view who,
                           TensorNames& names) {
  return Importer(proto, input, std::move(arrays), who, false).model(names);
}

Result<Layers> import_layers(const onnx::ModelProto& proto, const Shape& input, GraphArrays arrays, std::string_view who,
                             std::size_t& understood) {
  Importer importer(proto, input, std::move(arrays), who, true);
  auto layers = importer.layers();
  understood = importer.understood();
  return layers;
}

}  // namespace soma
