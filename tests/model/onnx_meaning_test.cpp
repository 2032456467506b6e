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
