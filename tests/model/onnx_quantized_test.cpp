// int8 Model → ONNX bytes → Model: the same integers, the same bytes; and files that lie about them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/zoo.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ZooModel quantized() {
  const auto all = zoo();
  auto lenet = *std::find_if(all.begin(), all.end(), [](const ZooModel& each) { return each.name == "int8_lenet"; });
  lenet.model = quantize(lenet.model, lenet.samples).value();
  return lenet;
}

onnx::ModelProto proto_of(const Model& model) {
  onnx::ModelProto proto;
  EXPECT_TRUE(proto.ParseFromString(to_onnx(model, "m").value()));
  return proto;
}

onnx::TensorProto& array(onnx::ModelProto& proto, const std::string& name) {
  auto& all = *proto.mutable_graph()->mutable_initializer();
  return *std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name() == name; });
}

TEST(OnnxQuantized, ComesBackWholeAndGivesTheSameBytes) {
  int tried = 0;
  for (const ZooModel& each : zoo()) {
    const auto model = quantize(each.model, each.samples);
    if (!model) continue;
    ++tried;
    const auto bytes = to_onnx(*model, "m").value();
    const auto back = parse_onnx(bytes, "m");
    ASSERT_TRUE(back.ok()) << each.name << ": " << back.error().message;
    EXPECT_EQ(back->quantization, model->quantization) << each.name;
    EXPECT_EQ(back->network, model->network) << each.name;
    ASSERT_EQ(back->parameters.size(), model->parameters.size());
    for (std::size_t i = 0; i < model->parameters.size(); ++i) {
      EXPECT_EQ(back->parameters[i].name, model->parameters[i].name);
      EXPECT_EQ(back->parameters[i].values, model->parameters[i].values) << each.name << ": " << model->parameters[i].name;
    }
    EXPECT_EQ(to_onnx(*back, "m").value(), bytes) << each.name;
    EXPECT_EQ(Predictor::create(*back).value().outputs(each.samples).value(),
              Predictor::create(*model).value().outputs(each.samples).value());
  }
  EXPECT_GE(tried, 10);
}

TEST(OnnxQuantized, SaysItsArithmeticInOperators) {
  const auto proto = proto_of(quantized().model);
  std::vector<std::string> operators;
  for (const auto& node : proto.graph().node()) operators.push_back(node.op_type());
  EXPECT_THAT(operators,
              ElementsAre("Div", "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv", "MaxPool",
                          "Relu", "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv", "Relu",
                          "MaxPool", "Flatten", "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear",
                          "Gemm", "Relu", "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Gemm"));
}

TEST(OnnxQuantized, LiesAreFound) {
  const auto good = proto_of(quantized().model);
  const auto problem = [&](auto&& damage) {
    auto proto = good;
    damage(proto);
    return parse_onnx(proto.SerializeAsString(), "f.onnx", Changed::accept).error().message;
  };
  EXPECT_EQ(problem([](auto& p) { array(p, "conv2d1.x_zero").set_data_type(onnx::TensorProto::INT8); }),
            "f.onnx: array 'conv2d1.x_zero' wants one number of ONNX type 2, got a single number of type 3; try exporting the "
            "model again");
  EXPECT_THAT(problem([](auto& p) { array(p, "conv2d1.x_scale").set_name("gone"); }),
              HasSubstr("array 'conv2d1.x_scale' wants one number of ONNX type 1, got none"));
  EXPECT_THAT(problem([](auto& p) { array(p, "linear2.weight").mutable_raw_data()->at(5) = '\x80'; }),
              HasSubstr("wanted weights of at most 127 steps, got -128"));
  EXPECT_THAT(problem([](auto& p) { array(p, "conv2d1.weight").mutable_raw_data()->pop_back(); }),
              HasSubstr("bytes for its extents"));
  EXPECT_THAT(problem([](auto& p) { array(p, "conv2d1.bias_scale").mutable_raw_data()->at(3) = 0; }),
              HasSubstr("'conv2d1.bias_scale' wants x_scale · weight_scale"));
  EXPECT_THAT(problem([](auto& p) { array(p, "conv2d1.x_scale").mutable_raw_data()->assign(4, '\0'); }), HasSubstr("f.onnx: "));
  // Metadata gone: the operators of integers are no layers by themselves.
  EXPECT_THAT(problem([](auto& p) { p.clear_metadata_props(); }), HasSubstr("QuantizeLinear"));
}

TEST(OnnxQuantized, NoDamageGoesUnnoticedOrCrashes) {
  const std::string bytes = to_onnx(quantized().model, "m").value();
  for (std::size_t at = 0; at < bytes.size(); at += 1 + at / 64) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    const auto model = parse_onnx(damaged, "m", Changed::accept);
    if (!model) {
      EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
      continue;
    }
    EXPECT_TRUE(Predictor::create(*model).ok()) << "byte " << at;
  }
}

}  // namespace
}  // namespace soma
