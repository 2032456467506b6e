// a few operators → the ONNX bytes of somebody else's model, and what soma makes of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/onnx.h"
#include "model/onnx_bytes.h"

namespace soma {

/// A graph somebody else might have made: "x" [batch, …] → "y".
struct Foreign {
  onnx::ModelProto proto;
  GraphBuilder graph{*proto.mutable_graph()};

  explicit Foreign(const Shape& input, std::int64_t opset = 17) {
    proto.set_ir_version(8);
    proto.add_opset_import()->set_version(opset);
    proto.mutable_graph()->set_name("foreign");
    auto& x = *proto.mutable_graph()->add_input();
    x.set_name("x");
    auto& type = *x.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("n");
    for (const std::int64_t extent : input) type.mutable_shape()->add_dim()->set_dim_value(extent);
    proto.mutable_graph()->add_output()->set_name("y");
  }
  std::string floats(const std::string& name, const Shape& shape) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < elements(shape); ++i) values.push_back(static_cast<float>(i));
    return graph.floats(name, shape, values);
  }
  Result<Model> read() const { return parse_onnx(proto.SerializeAsString(), "f.onnx"); }
  std::string problem() const {
    const auto model = read();
    EXPECT_FALSE(model.ok());
    return model.ok() ? "" : model.error().message;
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> all;
    const auto model = read();
    EXPECT_TRUE(model.ok()) << model.error().message;
    if (model)
      for (const Node& node : model->network.nodes) all.push_back(layer_kind(node.layer));
    return all;
  }
};

inline void last_linear(Foreign& f, const std::string& x, std::int64_t in) {
  set_attribute(f.graph.add("Gemm", {x, f.floats("last.weight", {3, in})}, "y"), "transB", std::int64_t{1});
}

}  // namespace soma
