// a graph's nodes → the steps of a Program, in the order in which they stand.
#pragma once

#include "graph/program.h"

namespace soma {

/// Walks a graph, its branches and loops among it, once.
class Compiler {
 public:
  /// `everything`: all inputs are known, so every step is done while compiling.
  Compiler(const Source& source, std::span<const TypedArray> inputs, bool everything);

  /// Throws Refusal and Undecided; `where` then names the operator.
  void run();

  Program program;
  std::string where;

 private:
  using Index = std::int64_t;
  /// Names of one graph → values; what is not found is looked for further out.
  struct Scope {
    std::map<std::string, Index> names;
    const Scope* outside = nullptr;
  };

  Index add_constant(TypedArray array);
  [[nodiscard]] Index find(const Scope& scope, const std::string& name) const;
  void define(Scope& scope, const std::string& name, Index value);
  void graph(const onnx::GraphProto& graph, Scope& scope);
  void node(const onnx::NodeProto& node, Scope& scope);
  void plain(const onnx::NodeProto& node, Scope& scope);
  void branch(const onnx::NodeProto& node, Scope& scope);
  void loop(const onnx::NodeProto& node, Scope& scope);
  [[nodiscard]] bool foldable(const Program::Step& step, const std::vector<Known>& out) const;
  [[nodiscard]] std::int64_t opset(const std::string& domain) const;

  const Source& source_;
  std::span<const TypedArray> inputs_;
  bool everything_;
  std::int64_t walked_ = 0;
  std::size_t folded_ = 0;  // bytes
};

}  // namespace soma
