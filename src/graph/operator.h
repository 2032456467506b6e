// one operator of a graph → the shapes it will make, then the values: what every operator's two functions are given.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/element.h"
#include "graph/extents.h"
#include "model/onnx_proto.h"

namespace soma {

/// Why an operator cannot be done: thrown by its functions, turned into an Error where they are called.
struct Refusal {
  std::string what;  ///< "wanted X, got Y"
};

/// A shape hangs on numbers that are not known before the graph runs.
struct Undecided {
  std::string what;
};

/// What is known of a value before anything runs.
struct Known {
  ElementType type = ElementType::f32;
  Shape extents;
  const TypedArray* value = nullptr;  ///< its elements, where they are known, too
};

/// An operator in its graph: its attributes, and how it refuses.
class Site {
 public:
  /// `defined`: by which operator set, as it is meant here.
  Site(const onnx::NodeProto& of, std::int64_t defined) : node(of), version(defined) {}

  [[nodiscard]] const onnx::AttributeProto* attribute(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] float number(std::string_view name, float otherwise) const;
  [[nodiscard]] std::string word(std::string_view name, std::string_view otherwise) const;
  [[nodiscard]] Shape integers(std::string_view name) const;
  [[nodiscard]] std::vector<float> numbers(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> words(std::string_view name) const;

  [[noreturn]] static void refuse(std::string_view wanted, std::string_view got);

  const onnx::NodeProto& node;
  const std::int64_t version;
};

/// Before anything runs: what comes in → what goes out.
class Shaping : public Site {
 public:
  Shaping(const onnx::NodeProto& of, std::int64_t defined, std::vector<const Known*> in)
      : Site(of, defined), out(static_cast<std::size_t>(of.output_size())), given(out.size(), false), in_(std::move(in)) {}

  [[nodiscard]] std::size_t inputs() const { return in_.size(); }
  [[nodiscard]] bool has(std::size_t i) const { return i < in_.size() && in_[i] != nullptr; }
  /// Refuses where the input is missing.
  [[nodiscard]] const Known& in(std::size_t i) const;
  [[nodiscard]] const Shape& extents(std::size_t i) const { return in(i).extents; }
  [[nodiscard]] ElementType type(std::size_t i) const { return in(i).type; }
  /// The elements of input i as integers; Undecided where they are not known yet.
  [[nodiscard]] Shape integers_of(std::size_t i) const;
  /// The same as real numbers.
  [[nodiscard]] std::vector<double> numbers_of(std::size_t i) const;
  using Site::integers;

  /// `axis` as the ONNX counts, negative from the end → [0, rank).
  [[nodiscard]] static std::size_t axis(std::int64_t axis, std::size_t rank);
  /// Several of them, each once, ascending.
  [[nodiscard]] static std::vector<std::size_t> axes(const Shape& axes, std::size_t rank);

  /// Output i; one that the graph leaves out is ignored.
  void give(std::size_t i, ElementType type, Shape extents);

  std::vector<Known> out;
  std::vector<bool> given;

 private:
  std::vector<const Known*> in_;
};

/// An array an operator reads or fills.
struct Operand {
  ElementType type = ElementType::f32;
  Shape extents;
  void* data = nullptr;  ///< null for an input or output that is left out

  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data);
  }
  [[nodiscard]] std::int64_t size() const { return elements(extents); }
  explicit operator bool() const { return data != nullptr; }
};

/// Everything known: the operands, in memory that overlaps nowhere.
class Call : public Site {
 public:
  Call(const onnx::NodeProto& of, std::int64_t defined, std::vector<Operand> reads, std::vector<Operand> makes)
      : Site(of, defined), in(std::move(reads)), out(std::move(makes)) {}

  [[nodiscard]] bool has(std::size_t i) const { return i < in.size() && in[i]; }
  [[nodiscard]] bool makes(std::size_t i) const { return i < out.size() && out[i]; }
  /// The elements of input i; any whole type.
  [[nodiscard]] Shape integers_of(std::size_t i) const;
  using Site::integers;

  std::vector<Operand> in, out;
};

/// A row of the table of operators.
struct Operator {
  std::string_view name;
  std::vector<std::int64_t> versions;  ///< every version there has been, oldest first
  TypeSet types = 0;                   ///< that its first input may have
  void (*shape)(Shaping&) = nullptr;
  void (*run)(Call&) = nullptr;
  bool moves = false;  ///< never looks at elements; others are given halves as floats
  std::string_view domain = "";
};

/// The newest operator set whose definitions the table holds.
inline constexpr std::int64_t kNewestKnownOpset = 28;

/// The row, or null.
[[nodiscard]] const Operator* find_operator(std::string_view domain, std::string_view name);
/// Of the row's versions the one that operator set `opset` means; 0 when there is none.
[[nodiscard]] std::int64_t version_of(const Operator& row, std::int64_t opset);

/// The elements of an array that may be of any whole type, or bool.
[[nodiscard]] Shape whole_numbers(ElementType type, const void* data, std::int64_t count);

/// Shape rules that many operators share.
void same_shape(Shaping& site);       // y is as x
void broadcast_shape(Shaping& site);  // y is as all inputs broadcast

using Rows = std::vector<Operator>;
// One function per file of operators/.
Rows arithmetic_operators();
Rows unary_operators();
Rows logic_operators();
Rows cast_operators();
Rows matrix_operators();
Rows convolution_operators();
Rows pool_operators();
Rows normalise_operators();
Rows reduce_operators();
Rows layout_operators();
Rows slice_operators();
Rows gather_operators();
Rows constant_operators();
Rows quantise_operators();
Rows recurrent_operators();
Rows machine_learning_operators();
Rows resize_operators();

}  // namespace soma
