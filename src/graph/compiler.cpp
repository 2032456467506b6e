// a graph's nodes → the steps of a Program: shapes worked out, what is known in advance done at once.
#include "graph/compiler.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/array.h"

namespace soma {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000;             // loops counted by their turns
constexpr std::size_t kMostFolded = std::size_t{1} << 31;  // bytes of everything worked out while compiling
constexpr std::size_t kMostAtOnce = std::size_t{1} << 26;  // bytes of one such value, where it may as well run later
constexpr std::int64_t kMostShape = 4096;                  // elements of an input that may be a shape

std::size_t bytes_of(const Known& known) {
  const std::size_t each = known.type == ElementType::string ? sizeof(std::string) : element_bytes(known.type);
  return static_cast<std::size_t>(elements(known.extents)) * each;
}

/// Memory for a value, filled with zeros.
TypedArray room_for(const Known& known) {
  TypedArray array{known.type, known.extents, {}, {}};
  if (known.type == ElementType::string)
    array.strings.resize(static_cast<std::size_t>(elements(known.extents)));
  else
    array.bytes.resize(bytes_of(known));
  return array;
}

Operand operand_of(const TypedArray& array) {
  static std::byte nothing;
  // Operators only read what is handed to them as input.
  if (array.type == ElementType::string)
    return {array.type, array.extents,
            array.strings.empty() ? static_cast<void*>(&nothing) : const_cast<std::string*>(array.strings.data())};
  return {array.type, array.extents, array.bytes.empty() ? &nothing : const_cast<std::byte*>(array.bytes.data())};
}

}  // namespace

Compiler::Compiler(const Source& source, std::span<const TypedArray> inputs, bool everything)
    : source_(source), inputs_(inputs), everything_(everything) {}

Compiler::Index Compiler::add_constant(TypedArray array) {
  const TypedArray& kept = program.constants_.emplace_back(std::move(array));
  program.values_.push_back({{kept.type, kept.extents, &kept}});
  return static_cast<Index>(program.values_.size()) - 1;
}

Compiler::Index Compiler::find(const Scope& scope, const std::string& name) const {
  for (const Scope* at = &scope; at != nullptr; at = at->outside)
    if (const auto found = at->names.find(name); found != at->names.end()) return found->second;
  Site::refuse("inputs that operators before it made", "'" + name + "'");
}

void Compiler::define(Scope& scope, const std::string& name, Index value) {
  if (!scope.names.emplace(name, value).second) Site::refuse("values of different names", "'" + name + "' twice");
}

std::int64_t Compiler::opset(const std::string& domain) const {
  for (const auto& set : source_.model->opset_import())
    if ((set.domain() == "ai.onnx" ? "" : set.domain()) == (domain == "ai.onnx" ? "" : domain)) return set.version();
  return 1;
}

void Compiler::run() {
  Scope scope;
  program.who_ = source_.who;
  program.for_these_only_ = everything_;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const TypedArray& given = inputs_[i];
    const bool shape_like = (bit(given.type) & (kWhole | kBoolean)) != 0 && elements(given.extents) <= kMostShape;
    const bool known = everything_ || shape_like;
    program.expected_.push_back({given.type, given.extents, known, known ? given.bytes : std::vector<std::byte>()});
    if (known) {
      define(scope, source_.inputs[i], add_constant(given));
      continue;
    }
    program.values_.push_back({{given.type, given.extents, nullptr}, static_cast<Index>(i)});
    define(scope, source_.inputs[i], static_cast<Index>(program.values_.size()) - 1);
  }
  for (const auto& [name, array] : source_.arrays) {
    program.values_.push_back({{array.type, array.extents, &array}});
    define(scope, name, static_cast<Index>(program.values_.size()) - 1);
  }
  graph(source_.model->graph(), scope);
  for (const auto& output : source_.model->graph().output()) program.outputs_.push_back(find(scope, output.name()));
}

void Compiler::graph(const onnx::GraphProto& graph, Scope& scope) {
  for (const auto& each : graph.node()) {
    where = told(each, opset(each.domain()));
    node(each, scope);
  }
}

void Compiler::node(const onnx::NodeProto& node, Scope& scope) {
  if (++walked_ > kMostSteps) Site::refuse(fmt::format("at most {} steps", kMostSteps), "more");
  if (node.op_type() == "If" && node.domain().empty()) return branch(node, scope);
  if (node.op_type() == "Loop" && node.domain().empty()) return loop(node, scope);
  plain(node, scope);
}

void Compiler::plain(const onnx::NodeProto& node, Scope& scope) {
  const Operator* row = find_operator(node.domain(), node.op_type());
  SOMA_REQUIRE(row != nullptr);  // Graph has looked
  Program::Step step{row, &node, version_of(*row, opset(node.domain())), {}, {}};
  std::vector<const Known*> in;
  for (const std::string& name : node.input()) {
    step.in.push_back(name.empty() ? -1 : find(scope, name));
    in.push_back(name.empty() ? nullptr : &program.values_[static_cast<std::size_t>(step.in.back())].known);
  }
  if (!in.empty() && in[0] != nullptr && (bit(in[0]->type) & row->types) == 0)
    Site::refuse("another element type", to_string(in[0]->type));
  Shaping shaping(node, step.version, std::move(in));
  row->shape(shaping);
  const bool fold = foldable(step, shaping.out);
  for (std::size_t i = 0; i < shaping.out.size(); ++i) {
    const std::string& name = node.output(static_cast<int>(i));
    step.out.push_back(-1);
    if (name.empty()) continue;
    if (!shaping.given[i]) Site::refuse(fmt::format("at most {} outputs", i), "'" + name + "'");
    if (fold) {
      step.out.back() = add_constant(room_for(shaping.out[i]));
      folded_ += bytes_of(shaping.out[i]);
    } else {
      program.values_.push_back({shaping.out[i]});
      program.values_.back().stored = true;
      step.out.back() = static_cast<Index>(program.values_.size()) - 1;
    }
    define(scope, name, step.out.back());
  }
  if (!fold) {
    program.steps_.push_back(std::move(step));
    return;
  }
  const auto operands = [&](const std::vector<Index>& values) {
    std::vector<Operand> all;
    for (const Index value : values)
      all.push_back(value < 0 ? Operand{} : operand_of(*program.values_[static_cast<std::size_t>(value)].known.value));
    return all;
  };
  // The shape of Shape's input is known, its elements need not be.
  std::vector<Operand> read;
  for (const Index value : step.in) {
    const Known* known = value < 0 ? nullptr : &program.values_[static_cast<std::size_t>(value)].known;
    read.push_back(known == nullptr          ? Operand{}
                   : known->value != nullptr ? operand_of(*known->value)
                                             : Operand{known->type, known->extents, nullptr});
  }
  execute(*row, node, step.version, std::move(read), operands(step.out));
}

bool Compiler::foldable(const Program::Step& step, const std::vector<Known>& out) const {
  std::size_t bytes = 0;
  for (const Known& each : out) bytes += bytes_of(each);
  const bool extents_alone = step.row->name == "Shape" || step.row->name == "Size";
  const bool known = std::all_of(step.in.begin(), step.in.end(), [&](Index value) {
    return value < 0 || extents_alone || program.values_[static_cast<std::size_t>(value)].known.value != nullptr;
  });
  if (!known) return false;
  if (const std::size_t most = std::min(kMostFolded, source_.options.most_bytes); folded_ + bytes > most) {
    if (everything_) Site::refuse(fmt::format("at most {} bytes of values", most), "more");
    return false;
  }
  return everything_ || bytes <= kMostAtOnce;
}

void Compiler::branch(const onnx::NodeProto& node, Scope& scope) {
  if (node.input_size() < 1) Site::refuse("a condition", "none");
  const Known& condition = program.values_[static_cast<std::size_t>(find(scope, node.input(0)))].known;
  if (condition.type != ElementType::boolean || elements(condition.extents) != 1)
    Site::refuse("a condition", to_string(condition.type));
  if (condition.value == nullptr) throw Undecided{"a condition known in advance"};
  const bool taken = condition.value->bytes[0] != std::byte{0};
  const auto* chosen = Site(node, 1).attribute(taken ? "then_branch" : "else_branch");
  if (chosen == nullptr || chosen->g().output_size() < node.output_size()) Site::refuse("both branches", "none");
  Scope inner;
  inner.outside = &scope;
  for (const auto& array : chosen->g().initializer()) {
    auto read = read_tensor(array);
    if (!read) throw Refusal{read.error().message};
    define(inner, array.name(), add_constant(std::move(*read)));
  }
  graph(chosen->g(), inner);
  for (int i = 0; i < node.output_size(); ++i)
    if (!node.output(i).empty()) define(scope, node.output(i), find(inner, chosen->g().output(i).name()));
}

void Compiler::loop(const onnx::NodeProto& node, Scope& scope) {
  const auto* body = Site(node, 1).attribute("body");
  if (body == nullptr || node.input_size() < 2) Site::refuse("a body, a number of turns and a condition", "none");
  const int carried = node.input_size() - 2, scanned = node.output_size() - carried;
  if (body->g().input_size() != carried + 2 || body->g().output_size() != node.output_size() + 1)
    Site::refuse("a body with the loop's values", "another");
  const auto number = [&](const std::string& name, std::int64_t otherwise) {
    if (name.empty()) return otherwise;
    const Known& known = program.values_[static_cast<std::size_t>(find(scope, name))].known;
    if (known.value == nullptr) throw Undecided{"turns known in advance"};
    const Shape numbers = whole_numbers(known.type, known.value->bytes.data(), elements(known.extents));
    if (numbers.size() != 1) Site::refuse("one number of turns", fmt::format("{}", numbers.size()));
    return numbers[0];
  };
  if (scanned > 0) Site::refuse("a loop that carries its values", "outputs collected over its turns");
  const std::int64_t turns = number(node.input(0), kMostSteps);
  bool goes_on = number(node.input(1), 1) != 0;
  std::vector<Index> values;
  for (int i = 0; i < carried; ++i) values.push_back(find(scope, node.input(i + 2)));
  for (std::int64_t turn = 0; turn < turns && goes_on; ++turn) {
    Scope inner;
    inner.outside = &scope;
    define(inner, body->g().input(0).name(), add_constant(array_of<std::int64_t>({}, {turn})));
    define(inner, body->g().input(1).name(), add_constant({ElementType::boolean, {}, {std::byte{1}}, {}}));
    for (int i = 0; i < carried; ++i) define(inner, body->g().input(i + 2).name(), values[static_cast<std::size_t>(i)]);
    for (const auto& array : body->g().initializer()) {
      auto read = read_tensor(array);
      if (!read) throw Refusal{read.error().message};
      define(inner, array.name(), add_constant(std::move(*read)));
    }
    graph(body->g(), inner);
    const Known& condition = program.values_[static_cast<std::size_t>(find(inner, body->g().output(0).name()))].known;
    if (condition.value == nullptr) throw Undecided{"turns known in advance"};
    goes_on = condition.value->bytes.at(0) != std::byte{0};
    for (int i = 0; i < carried; ++i) values[static_cast<std::size_t>(i)] = find(inner, body->g().output(i + 1).name());
  }
  for (int i = 0; i < carried; ++i)
    if (!node.output(i).empty()) define(scope, node.output(i), values[static_cast<std::size_t>(i)]);
}

}  // namespace soma
