// ONNX graphs of any operators → outputs, memory and shapes settled once; what cannot be done in one line.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "graph/array.h"
#include "model/foreign.h"
#include "model/scratch.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Graph> graph_of(const Foreign& f) { return Graph::parse(f.proto.SerializeAsString(), "f.onnx"); }

std::vector<float> floats_of(const TypedArray& array) {
  std::vector<float> values(array.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

/// The only output as floats.
Result<std::vector<float>> run(Graph& graph, const TypedArray& x) {
  const auto outputs = graph.run(std::vector<TypedArray>{x});
  if (!outputs) return outputs.error();
  return floats_of(outputs->at(0));
}

void declare_output(Foreign& f, onnx::TensorProto::DataType type = onnx::TensorProto::FLOAT) {
  f.proto.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(type);
}

std::string problem(const Foreign& f, const TypedArray& x) {
  auto graph = graph_of(f);
  if (!graph) return graph.error().message;
  const auto outputs = graph->run(std::vector<TypedArray>{x});
  return outputs ? "taken" : outputs.error().message;
}

TEST(Graph, ServesOtherShapesOneAfterTheOther) {
  Foreign f({2});
  declare_output(f);
  f.graph.add("Mul", {"x", f.floats("c", {2})}, "m");
  f.graph.add("Add", {"m", "x"}, "a");
  f.graph.add("Relu", {"a"}, "y");
  auto graph = graph_of(f).value();
  ASSERT_EQ(graph.inputs().size(), 1U);
  EXPECT_EQ(graph.inputs()[0].extents, (Shape{-1, 2}));
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(run(graph, array_of<float>({1, 2}, {1, 2})).value(), ElementsAre(1, 4));
    EXPECT_THAT(run(graph, array_of<float>({2, 2}, {-1, 2, 3, -4})).value(), ElementsAre(0, 4, 3, 0));
    EXPECT_THAT(run(graph, array_of<float>({0, 2}, {})).value(), ElementsAre());
  }
}

TEST(Graph, ShapesWorkedOutFromShapes) {
  Foreign f({2, 3});
  declare_output(f);
  f.graph.add("Shape", {"x"}, "s");
  f.graph.add("Gather", {"s", f.graph.integers("last", {2, 0})}, "g");
  f.graph.add("Concat", {"g", f.graph.integers("open", {-1})}, "t");
  set_attribute(*f.proto.mutable_graph()->mutable_node(2), "axis", std::int64_t{0});
  f.graph.add("Reshape", {"x", "t"}, "y");
  auto graph = graph_of(f).value();
  const auto outputs =
      graph.run(std::vector<TypedArray>{array_of<float>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})}).value();
  EXPECT_EQ(outputs[0].extents, (Shape{3, 2, 2}));
}

TEST(Graph, AShapeThatHangsOnValuesIsWorkedOutForThem) {
  Foreign f({3});
  declare_output(f, onnx::TensorProto::INT64);
  f.graph.add("Relu", {"x"}, "r");
  f.graph.add("NonZero", {"r"}, "y");
  auto graph = graph_of(f).value();
  EXPECT_EQ(graph.run(std::vector<TypedArray>{array_of<float>({1, 3}, {-1, 2, 3})}).value()[0].extents, (Shape{2, 2}));
  EXPECT_EQ(graph.run(std::vector<TypedArray>{array_of<float>({1, 3}, {-1, -2, -3})}).value()[0].extents, (Shape{2, 0}));
}

TEST(Graph, HalvesAreWorkedOutAsFloats) {
  Foreign f({2});
  declare_output(f, onnx::TensorProto::FLOAT16);
  f.proto.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT16);
  f.graph.add("Exp", {"x"}, "y");
  auto graph = graph_of(f).value();
  TypedArray x{ElementType::f16, {1, 2}, std::vector<std::byte>(4), {}};
  const std::array<std::uint16_t, 2> bits = {0x3C00, 0x0000};  // 1, 0
  std::memcpy(x.bytes.data(), bits.data(), 4);
  const auto y = graph.run(std::vector<TypedArray>{x}).value()[0];
  std::array<std::uint16_t, 2> made{};
  std::memcpy(made.data(), y.bytes.data(), 4);
  EXPECT_THAT(made, ElementsAre(0x4170, 0x3C00));  // 2.71875, 1
}

TEST(Graph, SaysWhatItDoesNotKnow) {
  Foreign f({2});
  f.graph.add("Frobnicate", {"x"}, "a");
  f.graph.add("FusedGemm", {"a"}, "y").set_domain("com.microsoft");
  EXPECT_EQ(problem(f, {}),
            "f.onnx: wanted operators that are known, got Frobnicate of opset 17, com.microsoft.FusedGemm of opset 0; try a "
            "model without them");
  Foreign newer({2}, 99);
  newer.graph.add("Relu", {"x"}, "y");
  EXPECT_THAT(problem(newer, {}), HasSubstr("got Relu of opset 99"));
}

TEST(Graph, SaysWhichOperatorRefusesAndWhy) {
  const TypedArray x = array_of<float>({1, 2}, {1, 2});
  Foreign f({2});
  declare_output(f);
  f.graph.add("Add", {"x", f.floats("c", {3})}, "y");
  EXPECT_EQ(problem(f, x), "f.onnx: operator Add 'y' of opset 17: wanted extents that broadcast, got 1×2 and 3");
  Foreign g({2});
  declare_output(g);
  set_attribute(g.graph.add("Gather", {"x", g.graph.integers("i", {7})}, "y"), "axis", std::int64_t{1});
  EXPECT_THAT(problem(g, x), HasSubstr("operator Gather 'y' of opset 13: wanted a place among 2, got 7"));
  Foreign h({2}, 9);
  declare_output(h);
  h.graph.add("BatchNormalization", {"x", h.floats("a", {2}), h.floats("b", {2}), h.floats("c", {2}), h.floats("d", {2})}, "y");
  h.proto.mutable_graph()->mutable_node(0)->add_output("mean");
  EXPECT_THAT(problem(h, x), HasSubstr("wanted prediction, which has one output, got training"));
}

TEST(Graph, RefusesOtherInputsThanDeclared) {
  Foreign f({2});
  declare_output(f);
  f.graph.add("Relu", {"x"}, "y");
  EXPECT_EQ(problem(f, array_of<float>({1, 3}, {1, 2, 3})), "f.onnx: input 'x' wanted float32 [?, 2], got float32 [1, 3]");
  EXPECT_EQ(problem(f, array_of<double>({1, 2}, {1, 2})), "f.onnx: input 'x' wanted float32 [?, 2], got float64 [1, 2]");
}

TEST(Graph, AsksForNoMoreMemoryThanThereIs) {
  Foreign f({2});
  declare_output(f);
  f.graph.add("ConstantOfShape", {f.graph.integers("huge", {std::int64_t{1} << 40, std::int64_t{1} << 40})}, "y");
  EXPECT_THAT(problem(f, array_of<float>({1, 2}, {1, 2})), HasSubstr("wanted at most"));
}

/// A model whose array lies in another file, `location` as it says.
std::string external_problem(const Scratch& scratch, const std::string& location, std::int64_t offset = 0,
                             std::int64_t length = 8) {
  Foreign f({2});
  declare_output(f);
  f.graph.add("Add", {"x", f.floats("c", {2})}, "y");
  auto& array = *f.proto.mutable_graph()->mutable_initializer(0);
  array.clear_raw_data();
  array.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto say = [&](const std::string& key, const std::string& value) {
    auto& entry = *array.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  say("location", location);
  say("offset", std::to_string(offset));
  say("length", std::to_string(length));
  std::ofstream(scratch / "model.onnx", std::ios::binary) << f.proto.SerializeAsString();
  auto graph = Graph::read(scratch / "model.onnx");
  if (!graph) return graph.error().message;
  const auto y = run(*graph, array_of<float>({1, 2}, {1, 2}));
  return y ? fmt::format("{}", fmt::join(*y, " ")) : y.error().message;
}

TEST(Graph, ArraysInOtherFilesLieBeneathTheModel) {
  const Scratch scratch;
  const std::array<float, 3> numbers = {10, 20, 30};
  std::ofstream(scratch / "model.data", std::ios::binary).write(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
  std::filesystem::create_symlink("model.data", scratch / "link.data");
  EXPECT_EQ(external_problem(scratch, "model.data"), "11 22");
  EXPECT_EQ(external_problem(scratch, "model.data", 4), "21 32");
  EXPECT_THAT(external_problem(scratch, "model.data", 8), HasSubstr("wanted bytes 8 to 16 of 'model.data', got 12 in all"));
  EXPECT_THAT(external_problem(scratch, "model.data", 0, 12), HasSubstr("wanted 8 bytes for its extents, got 12"));
  EXPECT_THAT(external_problem(scratch, "model.data", -1), HasSubstr("has the offset '-1', wanted a number"));
  for (const char* outside : {"../model.data", "/etc/passwd", "", ".", "link.data", "none.data"})
    EXPECT_THAT(external_problem(scratch, outside), HasSubstr("wanted a regular file beneath the model's directory")) << outside;
  std::filesystem::create_hard_link(scratch / "model.data", scratch / "second.data");
  EXPECT_THAT(external_problem(scratch, "model.data"), HasSubstr("of one name"));
}

/// Convolutions in parallel, joined, flattened, classified; a step between that no layer does where `odd`.
Foreign branches(bool odd, bool last) {
  Foreign f(last ? Shape{6, 5, 2} : Shape{2, 6, 5});
  declare_output(f);
  const auto turn = [&](const char* x, const char* y, std::vector<std::int64_t> perm) {
    set_attribute(f.graph.add("Transpose", {x}, y), "perm", perm);
  };
  const auto small = [&](const char* name, const Shape& shape) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < elements(shape); ++i) values.push_back(0.1F * static_cast<float>(i % 7 - 3));
    return f.graph.floats(name, shape, values);
  };
  if (last) turn("x", "front", {0, 3, 1, 2});
  f.graph.add("Conv", {last ? "front" : "x", small("w", {3, 2, 3, 3}), small("b", {3})}, "left");
  f.graph.add("Conv", {last ? "front" : "x", small("v", {3, 2, 3, 3})}, "right");
  if (odd) f.graph.add("Sign", {"right"}, "signs");
  f.graph.add("Add", {"left", odd ? "signs" : "right"}, "sum");
  f.graph.add("Relu", {"sum"}, "r");
  if (last) turn("r", "back", {0, 2, 3, 1});
  f.graph.add("Flatten", {last ? "back" : "r"}, "flat");
  f.graph.add("Gemm", {"flat", small("g", {36, 4})}, "y");
  return f;
}

TEST(Graph, StretchesOfLayersAreOneStep) {
  for (const bool last : {false, true}) {
    std::vector<float> x(2 * 60);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.01F * static_cast<float>(i);
    const TypedArray input = array_of(last ? Shape{2, 6, 5, 2} : Shape{2, 2, 6, 5}, x);
    for (const bool odd : {false, true}) {
      const Foreign f = branches(odd, last);
      auto graph = graph_of(f).value();
      const auto lowered = run(graph, input).value();
      EXPECT_EQ(graph.islands(), odd ? 3 : 1) << last;
      auto slow = Graph::parse(f.proto.SerializeAsString(), "f.onnx", {.lower = false, .threads = 1}).value();
      EXPECT_THAT(lowered, testing::Pointwise(testing::FloatNear(1e-5F), run(slow, input).value())) << odd << last;
      EXPECT_EQ(slow.islands(), 0);
    }
  }
}

TEST(Graph, IsJudgedByItsScoresOrByTheClassesItNames) {
  Dataset known;
  known.shape = {2};
  known.count = 3;
  known.floats = {1, 0, 0, 1, 3, 1};
  known.labels = {0, 1, 1};
  known.class_names = {"ant", "bee"};
  for (const bool named : {false, true}) {
    Foreign f({2});
    declare_output(f, named ? onnx::TensorProto::INT64 : onnx::TensorProto::FLOAT);
    if (named)
      set_attribute(f.graph.add("ArgMax", {"x"}, "y"), "axis", std::int64_t{-1});
    else
      f.graph.add("HardSwish", {"x"}, "y");
    auto graph = graph_of(f).value();
    const Evaluation evaluation = graph.evaluate(known).value();
    EXPECT_EQ(evaluation.samples, 3);
    EXPECT_DOUBLE_EQ(evaluation.accuracy, 2.0 / 3);
    EXPECT_THAT(evaluation.confusion, ElementsAre(ElementsAre(1, 0), ElementsAre(1, 1)));
    known.class_names.push_back("cat");
    if (!named) {
      EXPECT_THAT(graph.evaluate(known).error().message, HasSubstr("wanted an output with a number for each of 3 classes"));
    }
    known.class_names.pop_back();
  }
}

}  // namespace
}  // namespace soma
