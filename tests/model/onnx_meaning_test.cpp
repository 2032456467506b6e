// ONNX files of others whose operators are all known and mean something else → refused, or read as they are meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/foreign.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(OnnxImport, AReshapeThatMovesTheBordersOfRowsIsNoFlatten) {
  const auto reshaped = [](std::int64_t batch, const std::vector<std::int64_t>& target) {
    Foreign f({2, 3, 3});
    f.proto.mutable_graph()
        ->mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_value(batch);
    f.graph.add("Reshape", {"x", f.graph.integers("shape", target)}, "y");
    return f.read();
  };
  EXPECT_TRUE(reshaped(1, {1, -1}).ok());
  EXPECT_TRUE(reshaped(4, {4, -1}).ok());
  ASSERT_FALSE(reshaped(1, {2, -1}).ok());
  EXPECT_THAT(reshaped(1, {2, -1}).error().message, HasSubstr("operator Reshape 'y' wants the shape [batch, 18]"));
}

TEST(OnnxImport, BatchNormWithStatisticsAmongItsOutputsTrains) {
  Foreign f({3}, 9);
  f.graph.add("BatchNormalization", {"x", f.floats("a", {3}), f.floats("b", {3}), f.floats("c", {3}), f.floats("d", {3})}, "y");
  f.proto.mutable_graph()->mutable_node(0)->add_output("");
  EXPECT_THAT(f.kinds(), ElementsAre("batch_norm"));
  f.proto.mutable_graph()->mutable_node(0)->add_output("mean");
  EXPECT_THAT(f.problem(), HasSubstr("wants prediction, which has one output to be a layer of soma's, got training, 2 outputs"));
}

TEST(OnnxImport, ConstantsAtTheInputArePreprocessing) {
  Foreign f({2});
  const auto numbers = [&](const char* name, std::vector<float> values) {
    return f.graph.floats(name, {static_cast<std::int64_t>(values.size())}, values);
  };
  f.graph.add("Sub", {"x", numbers("mean", {1, 2})}, "moved");
  f.graph.add("Div", {"moved", numbers("deviation", {4, 8})}, "scaled");
  last_linear(f, "scaled", 2);
  const auto model = f.read().value();
  ASSERT_EQ(model.preprocess.steps.size(), 1U);
  EXPECT_THAT(model.preprocess.steps[0].offset, ElementsAre(1, 2));
  EXPECT_THAT(model.preprocess.steps[0].divisor, ElementsAre(4, 8));
  EXPECT_THAT(f.kinds(), ElementsAre("linear"));
}

TEST(OnnxImport, ConstantsBehindALayerAreItsWeights) {
  Foreign f({2});
  const auto numbers = [&](const char* name, std::vector<float> values) {
    return f.graph.floats(name, {static_cast<std::int64_t>(values.size())}, values);
  };
  f.graph.add("MatMul", {"x", f.graph.floats("w", {2, 2}, std::vector<float>{1, 2, 3, 4})}, "m");
  f.graph.add("Add", {"m", numbers("b", {1, 1})}, "a");
  f.graph.add("Mul", {"a", numbers("s", {2, 10})}, "p");
  f.graph.add("Sub", {"p", numbers("t", {5})}, "y");
  const auto model = f.read().value();
  EXPECT_THAT(f.kinds(), ElementsAre("linear"));
  EXPECT_THAT(model.parameters[0].values, ElementsAre(2, 6, 20, 40));
  EXPECT_THAT(model.parameters[1].values, ElementsAre(-3, 5));
}

TEST(OnnxImport, ZerosAroundAnImageGoIntoTheLayerBehindThem) {
  Foreign f({2, 4, 4});
  f.graph.add("Pad", {"x", f.graph.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1})}, "padded");
  f.graph.add("Conv", {"padded", f.floats("w", {2, 2, 3, 3})}, "c");
  f.graph.add("Pad", {"c", f.graph.integers("none", {0, 0, 0, 0, 0, 0, 0, 0})}, "same");
  f.graph.add("Pad", {"same", "pads"}, "again");
  set_attribute(f.graph.add("AveragePool", {"again"}, "p"), "kernel_shape", std::vector<std::int64_t>{2, 2});
  f.graph.add("Flatten", {"p"}, "flat");
  last_linear(f, "flat", 50);
  const auto model = f.read().value();
  EXPECT_EQ(std::get<Conv2d>(model.network.nodes[0].layer).padding_h, 1);
  EXPECT_EQ(std::get<Pool>(model.network.nodes[1].layer).padding_w, 1);
  Foreign g({2, 4, 4});
  g.graph.add("Pad", {"x", g.graph.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1})}, "padded");
  g.graph.add("Relu", {"padded"}, "y");
  EXPECT_THAT(g.problem(), HasSubstr("'padded', padded"));
}

TEST(OnnxImport, ChannelsLastBecomeChannelsFirst) {
  Foreign f({5, 1, 2});  // five rows, one column, two channels
  f.graph.add("Flatten", {"x"}, "flat");
  f.graph.add("MatMul", {"flat", f.floats("w", {10, 1})}, "y");
  const auto model = f.read().value();
  EXPECT_EQ(model.input, (Shape{2, 5, 1}));
  EXPECT_THAT(model.parameters[0].values, ElementsAre(0, 2, 4, 6, 8, 1, 3, 5, 7, 9));

  Foreign g({5, 5, 1});
  last_linear(g, g.graph.add("Flatten", {"x"}, "flat").output(0), 25);
  EXPECT_EQ(g.read().value().input, (Shape{1, 5, 5}));

  Foreign h({5, 5, 3});  // flattened after something else has seen it
  h.graph.add("Relu", {"x"}, "r");
  last_linear(h, h.graph.add("Flatten", {"r"}, "flat").output(0), 75);
  EXPECT_EQ(h.problem(), "f.onnx: wanted an input with channels before height and width, got 5×5×3; try exporting it so");
}

onnx::NodeProto& transpose(Foreign& f, const std::string& x, std::vector<std::int64_t> perm, const std::string& y) {
  onnx::NodeProto& node = f.graph.add("Transpose", {x}, y);
  set_attribute(node, "perm", perm);
  return node;
}

TEST(OnnxImport, TransposesAroundLayersAreCut) {
  Foreign f({4, 3, 2});  // four rows, three columns, two channels
  f.graph.add("Div", {"x", f.graph.floats("by", {1, 1, 2}, std::vector<float>{2, 4})}, "d");
  transpose(f, "d", {0, 3, 1, 2}, "front");
  f.graph.add("Conv", {"front", f.floats("w", {2, 2, 1, 1})}, "c");
  transpose(f, "c", {0, 2, 3, 1}, "back");
  f.graph.add("Add", {"back", f.graph.floats("b", {2}, std::vector<float>{5, 6})}, "biased");
  f.graph.add("Relu", {"biased"}, "r");
  f.graph.add("Reshape", {"r", f.graph.integers("shape", {-1, 24})}, "flat");
  f.graph.add("MatMul", {"flat", f.floats("m", {24, 1})}, "y");
  const auto model = f.read().value();
  EXPECT_EQ(model.input, (Shape{2, 4, 3}));
  EXPECT_THAT(f.kinds(), ElementsAre("conv2d", "relu", "flatten", "linear"));
  EXPECT_THAT(model.preprocess.steps.at(0).divisor, ElementsAre(2, 4));
  EXPECT_THAT(model.parameters.at(1).values, ElementsAre(5, 6));
  EXPECT_THAT(model.parameters.at(2).values, ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22,  //
                                                         1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23));
}

TEST(OnnxImport, OtherTransposesAreNoLayers) {
  Foreign f({3, 4, 2});
  transpose(f, "x", {0, 2, 1, 3}, "turned");
  last_linear(f, f.graph.add("Flatten", {"turned"}, "flat").output(0), 24);
  EXPECT_THAT(f.problem(), HasSubstr("wants channels moved to the front or to the back to be a layer of soma's, got 0, 2, 1, 3"));
}

TEST(OnnxImport, PicturesWithoutChannelsHaveOne) {
  Foreign f({4, 4});
  last_linear(f, f.graph.add("Flatten", {"x"}, "flat").output(0), 16);
  EXPECT_EQ(f.read().value().input, (Shape{1, 4, 4}));
  Foreign g({4, 4});
  g.graph.add("Unsqueeze", {"x", g.graph.integers("axes", {1})}, "u");
  g.graph.add("Conv", {"u", g.floats("w", {2, 1, 4, 4})}, "c");
  last_linear(g, g.graph.add("Flatten", {"c"}, "flat").output(0), 2);
  EXPECT_THAT(g.kinds(), ElementsAre("conv2d", "flatten", "linear"));
}

TEST(OnnxImport, AnswersBehindTheNetworkNameItsClasses) {
  Foreign f({2});
  onnx::GraphProto& graph = *f.proto.mutable_graph();
  last_linear(f, "x", 2);
  f.graph.add("ArgMax", {"y"}, "place");
  set_attribute(*graph.mutable_node(1), "axis", std::int64_t{1});
  onnx::TensorProto& words = *graph.add_initializer();
  words.set_name("words");
  words.set_data_type(onnx::TensorProto::STRING);
  words.add_dims(3);
  for (const char* word : {"ant", "bee", "cat"}) words.add_string_data(word);
  f.graph.add("ArrayFeatureExtractor", {"words", "place"}, "label").set_domain("ai.onnx.ml");
  graph.mutable_output(0)->set_name("label");
  graph.add_output()->set_name("y");
  const auto model = f.read().value();
  EXPECT_THAT(model.class_names, ElementsAre("ant", "bee", "cat"));
  EXPECT_THAT(f.kinds(), ElementsAre("linear"));
  words.add_string_data("dog");
  words.set_dims(0, 4);
  EXPECT_THAT(f.problem(), HasSubstr("wanted a name for each of 3 classes, got 4"));
}

TEST(OnnxImport, ScalersOfTablesArePreprocessing) {
  Foreign f({2});
  onnx::NodeProto& node = f.graph.add("Scaler", {"x"}, "s");
  node.set_domain("ai.onnx.ml");
  for (const char* name : {"offset", "scale"}) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::FLOATS);
    attribute.add_floats(2);
    attribute.add_floats(4);
  }
  last_linear(f, "s", 2);
  const auto model = f.read().value();
  EXPECT_THAT(model.preprocess.steps.at(0).offset, ElementsAre(2, 4));
  EXPECT_THAT(model.preprocess.steps.at(0).divisor, ElementsAre(0.5, 0.25));
}

TEST(OnnxImport, OneOutputThatNothingBoundsIsANumber) {
  Foreign f({2});
  f.graph.add("MatMul", {"x", f.floats("w", {2, 1})}, "y");
  const auto number = f.read().value();
  EXPECT_EQ(number.task, Task::values);
  EXPECT_THAT(number.target_names, ElementsAre("y"));
  Foreign g({2});
  g.graph.add("MatMul", {"x", g.floats("w", {2, 1})}, "m");
  g.graph.add("Sigmoid", {"m"}, "y");
  EXPECT_EQ(g.read().value().task, Task::classes);
}

}  // namespace
}  // namespace soma
