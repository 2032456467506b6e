// an ONNX file → a Graph: every operator known in its version, every array read, inputs and outputs declared.
#include "soma/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "core/text.h"
#include "graph/array.h"
#include "graph/convert.h"
#include "graph/program.h"
#include "model/onnx.h"
#include "model/onnx_file.h"

namespace soma {

struct Graph::State {
  onnx::ModelProto model;
  Source source;
  std::vector<GraphPort> inputs, outputs;
  std::deque<Program> programs;  // the last few shapes, newest first
  std::int64_t islands = 0;      // of the last run
};

namespace {

constexpr std::size_t kMostPrograms = 4;

std::int64_t opset_of(const onnx::ModelProto& model, const std::string& domain) {
  for (const auto& set : model.opset_import())
    if (set.domain() == domain || (domain.empty() && set.domain() == "ai.onnx")) return set.version();
  return 0;
}

/// What there is to say against the operators of a graph and those inside it.
void look_at(const onnx::ModelProto& model, const onnx::GraphProto& graph, std::set<std::string>& unknown) {
  for (const auto& node : graph.node()) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    const std::int64_t opset = opset_of(model, domain);
    const std::string name = domain + (domain.empty() ? "" : ".") + node.op_type();
    const bool flow = domain.empty() && (node.op_type() == "If" || node.op_type() == "Loop");
    const Operator* row = find_operator(domain, node.op_type());
    if (!flow && (row == nullptr || (domain.empty() && opset > kNewestKnownOpset) || version_of(*row, opset) == 0))
      unknown.insert(fmt::format("{} of opset {}", name, opset));
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) look_at(model, attribute.g(), unknown);
  }
}

Result<GraphPort> port_of(const onnx::ValueInfoProto& value, const std::string& who) {
  if (!value.type().has_tensor_type())
    return Error{Error::Kind::data,
                 one_line(fmt::format("{}: wanted arrays as inputs and outputs, got '{}' of another kind", who, value.name()))};
  const auto& tensor = value.type().tensor_type();
  const auto type = element_type(tensor.elem_type());
  if (!type)
    return Error{Error::Kind::data,
                 one_line(fmt::format("{}: wanted whole or real numbers, bool or string in '{}', got ONNX type {}", who,
                                      value.name(), tensor.elem_type()))};
  GraphPort port{value.name(), *type, tensor.has_shape(), {}};
  for (const auto& extent : tensor.shape().dim())
    port.extents.push_back(extent.has_dim_value() && extent.dim_value() >= 0 ? extent.dim_value() : -1);
  return port;
}

std::string described(ElementType type, const Shape& extents) {
  std::string text;
  for (const std::int64_t extent : extents)
    text += (text.empty() ? "" : ", ") + (extent < 0 ? std::string("?") : std::to_string(extent));
  return fmt::format("{} [{}]", to_string(type), text);
}

/// float32 → bfloat16.
TypedArray narrow(const TypedArray& wide) {
  TypedArray array{ElementType::bf16, wide.extents, std::vector<std::byte>(wide.bytes.size() / 2), {}};
  convert_half({wide.type, wide.extents, const_cast<std::byte*>(wide.bytes.data())},
               {array.type, array.extents, array.bytes.data()});
  return array;
}

bool fits(const GraphPort& port, const TypedArray& array) {
  if (array.type != port.type) return false;
  if (!port.ranked) return true;
  return std::equal(port.extents.begin(), port.extents.end(), array.extents.begin(), array.extents.end(),
                    [](std::int64_t wanted, std::int64_t got) { return wanted < 0 || wanted == got; });
}

}  // namespace

Graph::Graph(std::unique_ptr<State> state) : state_(std::move(state)) {}
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() = default;

const std::vector<GraphPort>& Graph::inputs() const { return state_->inputs; }
const std::vector<GraphPort>& Graph::outputs() const { return state_->outputs; }
std::int64_t Graph::islands() const { return state_->islands; }

std::vector<std::pair<std::string, std::int64_t>> Graph::operators() const {
  std::map<std::string, std::int64_t> count;
  for (const auto& node : state_->model.graph().node())
    ++count[node.domain() + (node.domain().empty() ? "" : ".") + node.op_type()];
  return {count.begin(), count.end()};
}

Result<Graph> Graph::take(std::unique_ptr<State> state) {
  const std::string& who = state->source.who;
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, one_line(fmt::format("{}: {}", who, what))}; };
  const auto& graph = state->model.graph();
  state->source.model = &state->model;
  if (state->model.functions_size() > 0)
    return wrong(fmt::format("wanted plain operators, got function '{}'; try exporting with functions inlined",
                             state->model.functions(0).name()));
  if (graph.sparse_initializer_size() > 0) return wrong("wanted dense arrays, got sparse ones; try exporting them dense");
  std::set<std::string> unknown;
  look_at(state->model, graph, unknown);
  if (!unknown.empty())
    return wrong(fmt::format("wanted operators that are known, got {}; try a model without them", fmt::join(unknown, ", ")));
  for (const auto& tensor : graph.initializer()) {
    auto array = read_tensor(tensor);
    if (!array) return wrong(array.error().message);
    if (!state->source.arrays.emplace(tensor.name(), std::move(*array)).second)
      return wrong(fmt::format("array '{}' is there twice", tensor.name()));
  }
  for (const auto& value : graph.input()) {
    if (state->source.arrays.count(value.name()) > 0) continue;  // before IR 4 arrays were listed as inputs, too
    auto port = port_of(value, who);
    if (!port) return port.error();
    state->source.inputs.push_back(port->name);
    state->inputs.push_back(std::move(*port));
  }
  for (const auto& value : graph.output()) {
    const auto maps = std::find_if(graph.node().begin(), graph.node().end(), [&](const auto& node) {
      return node.op_type() == "ZipMap" && node.output_size() > 0 && node.output(0) == value.name();
    });
    // A ZipMap's sequence of maps comes out as the matrix of their values.
    // What the file says nothing of is what its operator makes.
    const bool unsaid = maps != graph.node().end() || value.type().value_case() == onnx::TypeProto::VALUE_NOT_SET;
    auto port = unsaid ? Result<GraphPort>(GraphPort{value.name(), ElementType::f32, false, {}}) : port_of(value, who);
    if (!port) return port.error();
    state->outputs.push_back(std::move(*port));
  }
  if (state->outputs.empty()) return wrong("wanted an output, got none");
  state->model.mutable_graph()->clear_initializer();  // their elements are in `arrays`
  return Graph(std::move(state));
}

Result<Graph> Graph::read(const std::filesystem::path& file, Changed changed, const GraphOptions& options) {
  auto state = std::make_unique<State>();
  state->source.options = options;
  state->source.who = file.string();
  if (const auto done = read_model(file, changed, state->model); !done) return done.error();
  return take(std::move(state));
}

Result<Graph> Graph::parse(std::string_view bytes, std::string_view who, const GraphOptions& options) {
  auto state = std::make_unique<State>();
  state->source.options = options;
  state->source.who = who;
  if (const auto done = parse_model(bytes, who, Changed::refuse, state->model); !done) return done.error();
  return take(std::move(state));
}

Result<std::vector<TypedArray>> Graph::run(std::span<const TypedArray> given) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, one_line(fmt::format("{}: {}", state_->source.who, what))};
  };
  if (given.size() != state_->inputs.size())
    return wrong(fmt::format("wanted {} inputs, got {}", state_->inputs.size(), given.size()));
  std::span<const TypedArray> inputs = given;
  std::vector<TypedArray> narrowed;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const GraphPort& port = state_->inputs[i];
    if (port.type == ElementType::bf16 && inputs[i].type == ElementType::f32) {
      if (narrowed.empty()) narrowed.assign(given.begin(), given.end());
      narrowed[i] = narrow(given[i]);
      inputs = narrowed;
    }
    const TypedArray& array = inputs[i];
    if (!fits(port, array))
      return wrong(fmt::format("input '{}' wanted {}, got {}", port.name,
                               port.ranked ? described(port.type, port.extents) : std::string(to_string(port.type)),
                               described(array.type, array.extents)));
    const std::size_t held =
        array.type == ElementType::string ? array.strings.size() : array.bytes.size() / element_bytes(array.type);
    SOMA_REQUIRE(held == static_cast<std::size_t>(elements(array.extents)));
  }
  auto& programs = state_->programs;
  auto chosen = std::find_if(programs.begin(), programs.end(), [&](const Program& program) { return program.serves(inputs); });
  if (chosen == programs.end()) {
    auto program = Program::compile(state_->source, inputs);
    if (!program) return program.error();
    programs.push_front(std::move(*program));
    std::size_t bytes = 0, kept = 0;
    while (kept < std::min(programs.size(), kMostPrograms) &&
           (bytes += programs[kept].memory()) <= state_->source.options.most_bytes)
      ++kept;
    programs.erase(programs.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(kept, 1)), programs.end());
    chosen = programs.begin();
  }
  state_->islands = chosen->islands();
  return chosen->run(inputs);
}

}  // namespace soma
