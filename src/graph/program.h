// a graph + what its inputs are like → steps in memory laid out once; inputs → outputs.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/island.h"
#include "graph/operator.h"

namespace soma {

/// A checked file, as programs are made from it. Lives as long as they do.
struct Source {
  const onnx::ModelProto* model = nullptr;
  std::map<std::string, TypedArray> arrays;  ///< of the outermost graph
  std::vector<std::string> inputs;           ///< those that no array stands in for
  std::string who;
  GraphOptions options;
};

/// Steps for inputs of certain types and extents.
class Program {
 public:
  /// Shapes of everything first: whatever hangs on constants and extents alone is worked out here, once. Where a shape hangs on
  /// the values of inputs, all of it is worked out here, and serves these inputs only.
  [[nodiscard]] static Result<Program> compile(const Source& source, std::span<const TypedArray> inputs);

  /// Whether the program is one for such inputs.
  [[nodiscard]] bool serves(std::span<const TypedArray> inputs) const;
  [[nodiscard]] Result<std::vector<TypedArray>> run(std::span<const TypedArray> inputs);
  /// Bytes that it keeps for what lies between inputs and outputs.
  [[nodiscard]] std::size_t memory() const { return memory_.size(); }
  /// How many of its steps are networks.
  [[nodiscard]] std::int64_t islands() const;

 private:
  friend class Compiler;
  friend class Lowering;
  struct Value {
    Known known;
    std::int64_t input = -1;     // it is this one
    std::size_t place = 0;       // in memory, or among texts
    bool stored = false;         // a step makes it
    std::int64_t last_read = 0;  // by which step
  };
  struct Step {
    const Operator* row;
    const onnx::NodeProto* node;
    std::int64_t version;
    std::vector<std::int64_t> in, out;         // values; −1 = left out
    std::unique_ptr<Island> island = nullptr;  // in place of the operator
  };
  /// What an input was like, and its elements where shapes were worked out from them.
  struct Expected {
    ElementType type;
    Shape extents;
    bool fixed = false;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] void* data(std::int64_t value, std::span<const TypedArray> inputs);
  [[nodiscard]] Operand operand(std::int64_t value, std::span<const TypedArray> inputs);
  [[nodiscard]] Result<void> lay_out(const std::string& who, std::size_t most);

  std::string who_;
  std::deque<TypedArray> constants_;  // never moved: values point to them
  std::vector<Value> values_;
  std::vector<Step> steps_;
  std::vector<std::int64_t> outputs_;
  std::vector<Expected> expected_;
  bool for_these_only_ = false;
  std::vector<std::byte> memory_;
  std::vector<std::vector<std::string>> texts_;
};

/// One operator done, halves as floats where its row does not take them as they are. Throws Refusal.
void execute(const Operator& row, const onnx::NodeProto& node, std::int64_t version, std::vector<Operand> in,
             std::vector<Operand> out);

/// "operator Add 'sum' of opset 13": how messages name it.
[[nodiscard]] std::string told(const onnx::NodeProto& node, std::int64_t version);

}  // namespace soma
