// fitted preprocessing steps → operators at the head of an ONNX graph, so that it takes raw samples.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/onnx.h"

namespace soma {
namespace {

bool all_are(const std::vector<float>& values, float wanted) {
  return std::all_of(values.begin(), values.end(), [&](float value) { return value == wanted; });
}

/// One number per feature lies channels last in a step, channels first in the graph; one per channel lies along channels.
std::string affine_array(GraphBuilder& graph, const std::string& name, const std::vector<float>& values, const Shape& sample) {
  if (sample.size() == 1 || values.size() == 1) return graph.floats(name, {static_cast<std::int64_t>(values.size())}, values);
  if (values.size() == static_cast<std::size_t>(sample[0])) return graph.floats(name, {sample[0], 1, 1}, values);
  std::vector<float> channels_first(values.size());
  const std::size_t channels = static_cast<std::size_t>(sample[0]), area = values.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t p = 0; p < area; ++p) channels_first[c * area + p] = values[p * channels + c];
  return graph.floats(name, sample, channels_first);
}

/// Over a whole sample, an axis at a time: OpenCV 4.14 takes several at once and gives wrong numbers.
void reduce(GraphBuilder& graph, std::string_view op, std::string x, const std::string& y, Shape shape) {
  for (std::size_t axis = shape.size(); axis > 0; --axis) {
    shape[axis - 1] = 1;
    graph.making(shape);
    const std::string reduced = axis == 1 ? y : fmt::format("{}{}", y, axis);
    onnx::NodeProto& node = graph.add(op, {x}, reduced);
    set_attribute(node, "axes", std::vector<std::int64_t>{static_cast<std::int64_t>(axis)});
    set_attribute(node, "keepdims", std::int64_t{1});
    x = reduced;
  }
}

/// Every raw column copied to where it, or its categories, will stand; those of categories compared with their number. So a
/// word the training data never showed (−1) becomes zeros, which OneHot would not do: it counts −1 from the end. Which is which
/// is said by factors of 0 and 1, since not every reader has arrays of booleans.
std::string one_hot(GraphBuilder& graph, const std::string& step, const std::string& x, const PreprocessStep& fitted) {
  std::vector<std::int64_t> column;
  std::vector<float> category;
  std::vector<float> is_category, is_number;
  for (std::size_t raw = 0; raw < fitted.categories.size(); ++raw)
    for (std::int32_t c = 0; c < std::max(fitted.categories[raw], 1); ++c) {
      column.push_back(static_cast<std::int64_t>(raw));
      category.push_back(static_cast<float>(c));
      is_category.push_back(fitted.categories[raw] > 0 ? 1.0F : 0.0F);
      is_number.push_back(1 - is_category.back());
    }
  const Shape wide = {static_cast<std::int64_t>(column.size())};
  graph.making(wide);
  set_attribute(graph.add("Gather", {x, graph.integers(step + ".column", column)}, step + ".gathered"), "axis", std::int64_t{1});
  graph.making(wide, onnx::TensorProto::BOOL);
  graph.add("Equal", {step + ".gathered", graph.floats(step + ".category", wide, category)}, step + ".equal");
  graph.making(wide);
  set_attribute(graph.add("Cast", {step + ".equal"}, step + ".hot"), "to", std::int64_t{onnx::TensorProto::FLOAT});
  graph.add("Mul", {step + ".hot", graph.floats(step + ".is_category", wide, is_category)}, step + ".categories");
  graph.add("Mul", {step + ".gathered", graph.floats(step + ".is_number", wide, is_number)}, step + ".numbers");
  graph.add("Add", {step + ".categories", step + ".numbers"}, step + ".y");
  return step + ".y";
}

/// What is missing is not equal to itself: not every reader has IsNaN. Indicators stand behind all others.
std::string impute(GraphBuilder& graph, const std::string& step, const std::string& x, const PreprocessStep& fitted) {
  const std::int64_t features = std::ssize(fitted.fill), told = std::ssize(fitted.indicators);
  graph.making({features}, onnx::TensorProto::BOOL);
  graph.add("Equal", {x, x}, step + ".there");
  graph.making({features});
  const std::string fill = graph.floats(step + ".fill", {features}, fitted.fill);
  const std::string filled = step + (told == 0 ? ".y" : ".filled");
  graph.add("Where", {step + ".there", x, fill}, filled);
  if (told == 0) return filled;
  const std::vector<std::int64_t> places(fitted.indicators.begin(), fitted.indicators.end());
  set_attribute(graph.add("Cast", {step + ".there"}, step + ".numbers"), "to", std::int64_t{onnx::TensorProto::FLOAT});
  graph.making({told});
  set_attribute(graph.add("Gather", {step + ".numbers", graph.integers(step + ".indicators", places)}, step + ".kept"), "axis",
                std::int64_t{1});
  graph.add("Sub", {graph.floats("soma.one", {}, std::array{1.0F}), step + ".kept"}, step + ".told");
  graph.making({features + told});
  set_attribute(graph.add("Concat", {filled, step + ".told"}, step + ".y"), "axis", std::int64_t{1});
  return step + ".y";
}

/// z/√(1 + (z/3)²)
std::string bend(GraphBuilder& graph, const std::string& step, const std::string& z) {
  graph.add("Div", {z, graph.floats("soma.three", {}, std::array{3.0F})}, step + ".third");
  graph.add("Mul", {step + ".third", step + ".third"}, step + ".square");
  graph.add("Add", {step + ".square", graph.floats("soma.one", {}, std::array{1.0F})}, step + ".sum");
  graph.add("Sqrt", {step + ".sum"}, step + ".root");
  graph.add("Div", {z, step + ".root"}, step + ".bent");
  return step + ".bent";
}

}  // namespace

std::string write_preprocess(const Preprocess& preprocess, const Shape& raw, GraphBuilder& graph) {
  std::string x = "input";
  Shape shape = raw;
  for (std::size_t i = 0; i < preprocess.steps.size(); ++i) {
    const PreprocessStep& fitted = preprocess.steps[i];
    const std::string step = fmt::format("preprocess{}", i + 1);
    const Shape single(shape.size(), 1);
    graph.making(shape);
    switch (fitted.kind) {
      case PreprocessKind::divide:
      case PreprocessKind::standardise:
      case PreprocessKind::min_max:
      case PreprocessKind::mean_subtraction:
      case PreprocessKind::robust:
        // What would change nothing is left out; reading puts it back.
        if (!all_are(fitted.offset, 0)) {
          graph.add("Sub", {x, affine_array(graph, step + ".offset", fitted.offset, shape)}, step + ".moved");
          x = step + ".moved";
        }
        if (x != step + ".moved" || !all_are(fitted.divisor, 1)) {
          graph.add("Div", {x, affine_array(graph, step + ".divisor", fitted.divisor, shape)}, step + ".y");
          x = step + ".y";
        }
        if (fitted.kind == PreprocessKind::robust) x = bend(graph, step, x);
        break;
      case PreprocessKind::impute:
        x = impute(graph, step, x, fitted);
        shape[0] += std::ssize(fitted.indicators);
        break;
      case PreprocessKind::ordinal:
      case PreprocessKind::date:
        break;
      case PreprocessKind::midrange:
        reduce(graph, "ReduceMax", x, step + ".max", shape);
        reduce(graph, "ReduceMin", x, step + ".min", shape);
        graph.add("Add", {step + ".max", step + ".min"}, step + ".sum");
        graph.add("Mul", {step + ".sum", graph.floats("soma.half", {}, std::array{0.5F})}, step + ".middle");
        graph.making(shape);
        graph.add("Sub", {x, step + ".middle"}, step + ".y");
        x = step + ".y";
        break;
      case PreprocessKind::proportional:
        reduce(graph, "ReduceMax", x, step + ".max", shape);
        graph.making(single, onnx::TensorProto::BOOL);
        graph.add("Equal", {step + ".max", graph.floats("soma.zero", {}, std::array{0.0F})}, step + ".is_zero");
        graph.making(single);
        graph.add("Where", {step + ".is_zero", graph.floats("soma.one", {}, std::array{1.0F}), step + ".max"}, step + ".by");
        graph.making(shape);
        graph.add("Div", {x, step + ".by"}, step + ".y");
        x = step + ".y";
        break;
      case PreprocessKind::one_hot:
        x = one_hot(graph, step, x, fitted);
        shape = {static_cast<std::int64_t>(0)};
        for (const std::int32_t categories : fitted.categories) shape[0] += std::max(categories, 1);
        break;
    }
  }
  return x;
}

}  // namespace soma
