// the steps of a program → fewer: those that are layers become islands.
#include "graph/lowering.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "model/onnx.h"

namespace soma {
namespace {

constexpr std::int64_t kBatch = 64;    // of one call of a network
constexpr std::size_t kSmallest = 16;  // multiplications of the heaviest operator; below that a step costs more than its work

std::string name_of(std::int64_t value) { return "v" + std::to_string(value); }

}  // namespace

Lowering::Lowering(Program& program, const onnx::ModelProto& model, int threads)
    : program_(program),
      model_(model),
      threads_(threads),
      taken_(program.steps_.size(), false),
      readers_(program.values_.size()) {
  for (std::size_t i = 0; i < program_.steps_.size(); ++i)
    for (const Index value : program_.steps_[i].in)
      if (value >= 0) readers_[static_cast<std::size_t>(value)].push_back(i);
  for (const Index value : program_.outputs_) readers_[static_cast<std::size_t>(value)].push_back(program_.steps_.size());
}

bool Lowering::is_constant(Index value) const {
  return value < 0 || program_.values_[static_cast<std::size_t>(value)].known.value != nullptr;
}

bool Lowering::is_sample(Index value) const {
  const Known& known = program_.values_[static_cast<std::size_t>(value)].known;
  return known.type == ElementType::f32 && (known.extents.size() == 2 || known.extents.size() == 4) &&
         elements(known.extents) > 0;
}

Lowering::Index Lowering::source_of(const Program::Step& step) const {
  for (const Index value : step.in)
    if (!is_constant(value)) return value;
  return -1;
}

Lowering::Stretch Lowering::grow(std::size_t first) const {
  Stretch stretch{source_of(program_.steps_[first]), {}};
  if (stretch.from < 0 || !is_sample(stretch.from)) return stretch;
  const std::int64_t batch = program_.values_[static_cast<std::size_t>(stretch.from)].known.extents[0];
  std::set<Index> inside = {stretch.from};
  for (std::size_t i = first; i < program_.steps_.size(); ++i) {
    const Program::Step& step = program_.steps_[i];
    const bool reads =
        std::all_of(step.in.begin(), step.in.end(), [&](Index value) { return is_constant(value) || inside.count(value) > 0; });
    const bool makes = step.out.size() == 1 && is_sample(step.out[0]) &&
                       program_.values_[static_cast<std::size_t>(step.out[0])].known.extents[0] == batch;
    if (taken_[i] || !reads || !makes || source_of(step) < 0 || !may_be_layer(*step.node)) continue;
    stretch.steps.push_back(i);
    inside.insert(step.out[0]);
  }
  return stretch;
}

void Lowering::close(Stretch& stretch) const {
  const auto leaves = [&](std::size_t step) {
    const auto& readers = readers_[static_cast<std::size_t>(program_.steps_[step].out[0])];
    return readers.empty() || std::any_of(readers.begin(), readers.end(), [&](std::size_t reader) {
             return !std::binary_search(stretch.steps.begin(), stretch.steps.end(), reader);
           });
  };
  while (!stretch.steps.empty() && std::any_of(stretch.steps.begin(), stretch.steps.end() - 1, leaves)) stretch.steps.pop_back();
}

bool Lowering::is_heavy(const Stretch& stretch) const {
  return std::any_of(stretch.steps.begin(), stretch.steps.end(), [&](std::size_t i) {
    const Program::Step& step = program_.steps_[i];
    const std::string_view kind = step.row->name;
    return (kind == "Conv" || kind == "Gemm" || kind == "MatMul") && step.in.size() > 1 && is_constant(step.in[1]) &&
           static_cast<std::size_t>(elements(program_.values_[static_cast<std::size_t>(step.in[1])].known.extents)) >= kSmallest;
  });
}

onnx::ModelProto Lowering::graph_of(const Stretch& stretch) const {
  static const std::map<ElementType, onnx::TensorProto::DataType> types = {{ElementType::f32, onnx::TensorProto::FLOAT},
                                                                           {ElementType::i64, onnx::TensorProto::INT64},
                                                                           {ElementType::i32, onnx::TensorProto::INT32},
                                                                           {ElementType::boolean, onnx::TensorProto::BOOL}};
  onnx::ModelProto model;
  *model.mutable_opset_import() = model_.opset_import();
  onnx::GraphProto& graph = *model.mutable_graph();
  onnx::ValueInfoProto& input = *graph.add_input();
  input.set_name(name_of(stretch.from));
  for (const std::int64_t extent : program_.values_[static_cast<std::size_t>(stretch.from)].known.extents)
    input.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(extent);
  std::set<Index> constants;
  for (const std::size_t i : stretch.steps) {
    const Program::Step& step = program_.steps_[i];
    onnx::NodeProto& node = *graph.add_node();
    node = *step.node;
    node.clear_input();
    node.clear_output();
    for (const Index value : step.in) {
      node.add_input(value < 0 ? "" : name_of(value));
      if (value < 0 || !is_constant(value) || !constants.insert(value).second) continue;
      const TypedArray& array = *program_.values_[static_cast<std::size_t>(value)].known.value;
      const auto type = types.find(array.type);
      if (type == types.end()) continue;  // then the operator that reads it is no layer
      onnx::TensorProto& constant = *graph.add_initializer();
      constant.set_name(name_of(value));
      constant.set_data_type(type->second);
      for (const std::int64_t extent : array.extents) constant.add_dims(extent);
      constant.set_raw_data(array.bytes.data(), array.bytes.size());
    }
    node.add_output(name_of(step.out[0]));
  }
  graph.add_output()->set_name(name_of(program_.steps_[stretch.steps.back()].out[0]));
  return model;
}

bool Lowering::lower(Stretch stretch) {
  for (close(stretch); is_heavy(stretch); close(stretch)) {
    const onnx::ModelProto model = graph_of(stretch);
    auto arrays = GraphArrays::create(model.graph(), "");
    if (!arrays) return false;
    const Shape& extents = program_.values_[static_cast<std::size_t>(stretch.from)].known.extents;
    std::size_t understood = 0;
    auto layers = import_layers(model, {extents.begin() + 1, extents.end()}, std::move(*arrays), "", understood);
    if (!layers) {
      stretch.steps.resize(std::min(understood, stretch.steps.size() - 1));
      continue;
    }
    NetworkOptions options;
    options.max_batch = std::min(kBatch, extents[0]);
    options.threads = threads_;
    auto network = Network::create(layers->network, options);
    if (!network || !network->set_parameters(layers->parameters)) return false;
    const Shape& made = program_.values_[static_cast<std::size_t>(program_.steps_[stretch.steps.back()].out[0])].known.extents;
    SOMA_REQUIRE(network->output_size() * extents[0] == elements(made));
    for (const std::size_t i : stretch.steps) taken_[i] = true;
    Program::Step& last = program_.steps_[stretch.steps.back()];
    last.in = {stretch.from};
    last.island = std::make_unique<Island>(std::move(*network), options.max_batch, layers->input_last, layers->output_last);
    return true;
  }
  return false;
}

void Lowering::run() {
  for (std::size_t i = 0; i < program_.steps_.size(); ++i)
    if (!taken_[i] && may_be_layer(*program_.steps_[i].node)) lower(grow(i));
  std::vector<Program::Step> left;
  for (std::size_t i = 0; i < program_.steps_.size(); ++i)
    if (!taken_[i] || program_.steps_[i].island != nullptr) left.push_back(std::move(program_.steps_[i]));
  program_.steps_ = std::move(left);
}

}  // namespace soma
