// operators of other people's graphs → layers, one operator at a time.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/onnx.h"
#include "model/onnx_names.h"

namespace soma {

/// Walks a graph once. What it has understood so far are layers, integers known in advance (shapes), and half-seen patterns.
class Importer {
 public:
  /// `part`: of a larger graph, in which nobody prepares samples and nobody reads answers.
  Importer(const onnx::ModelProto& proto, Shape input, GraphArrays arrays, std::string_view who, bool part);

  /// The graph as a model: preprocessing, layers, and what its outputs mean. `names`: of its input, and of what its layers make.
  [[nodiscard]] Result<Model> model(TensorNames& names);
  /// The graph as layers alone.
  [[nodiscard]] Result<Layers> layers();
  /// Whether there is a handler for such operators.
  [[nodiscard]] static bool knows(const onnx::NodeProto& op);
  /// How many operators have been understood.
  [[nodiscard]] std::size_t understood() const { return understood_; }

 private:
  /// A value of the graph: the output of a layer (−1 = the network's input), a step on the way to a gelu of it or to a layer
  /// that pads, or what an answer is read from.
  struct Value {
    enum class Form {
      plain,
      scaled,
      erf,
      one_plus_erf,
      product,
      halved,
      padded,
      channels_last,  // an image [height, width, channels]
      flattened,      // such an image, as a row
      bare,           // an image of one channel without that extent
      answer          // which class, or the classes with their probabilities: nothing that layers read
    };
    std::int64_t layer = -1;
    Form form = Form::plain;
    std::array<std::int64_t, 4> pads{};  // of zeros around an image: above, left, below, right
  };
  struct Made {
    Layer layer;
    std::vector<std::int64_t> inputs;
    Shape shape;
    std::vector<std::pair<std::string, Tensor>> arrays;  // "weight", …
    std::string name, output;
  };
  using Operator = onnx::NodeProto;
  using Handler = Result<void> (Importer::*)(const Operator&);
  struct Known {
    Handler handler;
    std::vector<std::string> attributes;
  };
  static const std::map<std::string, Known>& known();

  [[nodiscard]] Error wrong(std::string what) const;
  [[nodiscard]] Error wrong(const Operator& op, std::string_view wanted, std::string_view got) const;
  [[nodiscard]] Result<void> check_operators() const;
  [[nodiscard]] Result<void> walk();
  [[nodiscard]] Result<void> turn_channels();
  /// The output that layers make, behind which at most answers are read from it.
  [[nodiscard]] Result<std::string> chosen_output() const;
  /// Layers that lead to the value, named.
  [[nodiscard]] Layers collect(const Value& output);

  // What an operator reads.
  [[nodiscard]] bool has_input(const Operator& op, int i) const { return i < op.input_size() && !op.input(i).empty(); }
  [[nodiscard]] Result<Value> any_value(const Operator& op, int i) const;
  [[nodiscard]] Result<Value> value(const Operator& op, int i) const;
  /// A row that a matrix is multiplied with.
  [[nodiscard]] Result<Value> row(const Operator& op) const;
  /// The same for operators that take elements one by one: whatever order they stand in.
  [[nodiscard]] Result<Value> elements_of(const Operator& op, int i) const;
  [[nodiscard]] const onnx::TensorProto* array(const Operator& op, int i) const;
  [[nodiscard]] Result<Tensor> floats(const Operator& op, int i);
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(const Operator& op, int i) const;
  [[nodiscard]] std::optional<float> scalar(const Operator& op, int i) const;
  [[nodiscard]] const Shape& shape(const Value& x) const {
    return x.layer < 0 ? input_ : made_[static_cast<std::size_t>(x.layer)].shape;
  }
  /// The layer whose output is input i and read by nobody else, or null.
  [[nodiscard]] Made* sole_source(const Operator& op, int i);

  // What an operator makes.
  [[nodiscard]] Result<void> add(const Operator& op, const Layer& layer, const std::vector<Value>& inputs,
                                 std::vector<std::pair<std::string, Tensor>> arrays = {}, Value::Form form = Value::Form::plain);
  [[nodiscard]] Result<void> alias(const Operator& op, const Value& x, Value::Form form = Value::Form::plain);
  /// The same for an operator that only lets input 0 through: what a layer makes is known by its last name.
  [[nodiscard]] Result<void> pass(const Operator& op, const Value& x, Value::Form form);
  void know(const Operator& op, std::vector<std::int64_t> integers) { integers_[op.output(0)] = std::move(integers); }

  // Attributes.
  [[nodiscard]] static const onnx::AttributeProto* attribute(const Operator& op, std::string_view name);
  [[nodiscard]] static std::int64_t integer(const Operator& op, std::string_view name, std::int64_t otherwise);
  [[nodiscard]] static double number(const Operator& op, std::string_view name, double otherwise);
  [[nodiscard]] static std::vector<std::int64_t> list(const Operator& op, std::string_view name);
  /// From an attribute in old opsets, from input i in new ones.
  [[nodiscard]] std::vector<std::int64_t> axes(const Operator& op, int i) const;

  // One function per operator or family.
  Result<void> gemm(const Operator&);
  Result<void> matrix_product(const Operator&);
  Result<void> convolution(const Operator&);
  Result<void> pool(const Operator&);
  Result<void> global_pool(const Operator&);
  Result<void> reduce_mean(const Operator&);
  Result<void> batch_norm(const Operator&);
  Result<void> dropout(const Operator&);
  Result<void> activation(const Operator&);
  Result<void> softmax(const Operator&);
  Result<void> sum(const Operator&);
  Result<void> product(const Operator&);
  Result<void> quotient(const Operator&);
  Result<void> erf(const Operator&);
  Result<void> concat(const Operator&);
  Result<void> pad(const Operator&);
  Result<void> flatten(const Operator&);
  Result<void> reshape(const Operator&);
  Result<void> squeeze(const Operator&);
  Result<void> unsqueeze(const Operator&);
  Result<void> identity(const Operator&);
  Result<void> constant(const Operator&);
  Result<void> shape_of(const Operator&);
  Result<void> gather(const Operator&);
  Result<void> transpose(const Operator&);
  Result<void> scaler(const Operator&);
  Result<void> answer(const Operator&);

  /// Whether channels come last at the input: the first operator that looks at more than elements turns them to the front.
  void find_channels();
  /// A Flatten of x, whichever way its elements stand.
  Result<void> flat(const Operator& op, const Value& x);
  /// Columns of weights for an image's elements in the order of the graph → in the order of the layers.
  void turn_columns(const Value& x, Tensor& weights) const;

  /// An operator of input `from` and a constant.
  Result<void> affine(const Operator& op, int from);
  /// Whether input `from` is a sample as nobody else sees it.
  [[nodiscard]] bool reads_samples(const Operator& op, int from) const;
  /// Whether it is a step that every sample goes through before anything else looks at it; then it is one of `preprocess_`.
  bool prepares(const Operator& op, int from, const Tensor& constant);
  /// y = x·factor + shift, a number each for every channel of x, which is input `from`.
  Result<void> scale(const Operator& op, int from, const Value& x, const std::vector<float>& factor,
                     const std::vector<float>& shift);
  /// y·factor + shift as weights and bias of the layer that makes y; whether there are such.
  bool rescale(Made& source, const std::vector<float>& factor, const std::vector<float>& shift);
  Result<void> difference(const Operator&);
  struct Windows;
  Result<Windows> windows(const Operator& op, const Value& x, std::vector<std::int64_t> kernel) const;
  /// Input 0, which zeros may stand around.
  [[nodiscard]] Result<Value> padded_value(const Operator& op) const;

  const onnx::ModelProto& proto_;
  Shape input_;
  GraphArrays arrays_;
  std::string who_;
  std::int64_t opset_ = 0, taken_ = 0;
  bool always_ = true;  // a batch norm has a bias
  bool part_;
  bool found_last_ = false;  // the operators say that the input's channels are last
  std::size_t understood_ = 0;
  Preprocess preprocess_;
  std::vector<std::string> class_names_;  // as the graph's answers have them
  bool has_erf_ = false;                  // so a product with √½ or ½ may be part of a gelu
  std::int64_t batch_ = 0;                // that the file fixes its input to, or 0
  std::vector<Made> made_;
  std::map<std::string, Value> values_;
  std::map<std::string, std::vector<std::int64_t>> integers_;
  std::map<std::string, int> readers_;
  std::deque<onnx::TensorProto> constants_;
};

}  // namespace soma
