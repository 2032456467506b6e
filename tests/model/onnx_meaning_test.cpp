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

}  // namespace
}  // namespace soma
