// ONNX bytes of others, damaged or hostile → layers as far as operators allow, or one line that says what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "model/foreign.h"
#include "model/zoo.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(OnnxImport, MatMulAndAddAreOneLinear) {
  Foreign f({4});
  f.graph.add("MatMul", {"x", f.floats("w", {4, 3})}, "m");
  f.graph.add("Add", {f.floats("b", {1, 3}), "m"}, "y");
  const auto model = f.read().value();
  ASSERT_EQ(model.network.nodes.size(), 1U);
  EXPECT_EQ(std::get<Linear>(model.network.nodes[0].layer), (Linear{3, true}));
  EXPECT_THAT(model.parameters[0].values, ElementsAre(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11));
  EXPECT_THAT(model.parameters[1].values, ElementsAre(0, 1, 2));
  EXPECT_THAT(model.class_names, ElementsAre("0", "1", "2"));
}

TEST(OnnxImport, GemmScalesAndTransposes) {
  Foreign f({2});
  auto& op = f.graph.add("Gemm", {"x", f.floats("fc.weight", {2, 3}), f.floats("fc.bias", {})}, "y");
  set_attribute(op, "alpha", 2.0F);
  set_attribute(op, "beta", 3.0F);
  f.proto.mutable_graph()->mutable_initializer(1)->set_raw_data(std::string("\0\0\x80\x3f", 4));
  const auto model = f.read().value();
  EXPECT_EQ(model.network.nodes[0].name, "fc");
  EXPECT_THAT(model.parameters[0].values, ElementsAre(0, 6, 2, 8, 4, 10));
  EXPECT_THAT(model.parameters[1].values, ElementsAre(3, 3, 3));
}

TEST(OnnxImport, ConvolutionWithBiasBehindIt) {
  Foreign f({2, 5, 5});
  auto& conv = f.graph.add("Conv", {"x", f.floats("c.weight", {4, 2, 3, 3})}, "c");
  conv.add_attribute()->set_name("auto_pad");
  conv.mutable_attribute(0)->set_type(onnx::AttributeProto::STRING);
  conv.mutable_attribute(0)->set_s("SAME_UPPER");
  f.graph.add("Add", {"c", f.floats("b", {4, 1, 1})}, "biased");
  f.graph.add("Flatten", {"biased"}, "flat");
  last_linear(f, "flat", 100);
  const auto model = f.read().value();
  EXPECT_EQ(std::get<Conv2d>(model.network.nodes[0].layer), (Conv2d{4, 3, 3, 1, 1, 1, 1}));
  EXPECT_THAT(model.parameters[1].values, ElementsAre(0, 1, 2, 3));
}

TEST(OnnxImport, AConstantBehindAValueReadTwiceIsNoBias) {
  Foreign f({3});
  f.graph.add("MatMul", {"x", f.floats("w", {3, 3})}, "m");
  f.graph.add("Add", {"m", f.floats("b", {3})}, "n");
  f.graph.add("Add", {"m", "n"}, "y");
  // The product without it is wanted, too: the constant stays a step of its own.
  EXPECT_THAT(f.kinds(), ElementsAre("linear", "batch_norm", "add"));
}

TEST(OnnxImport, AlongTheWrongExtentAConstantIsNoBias) {
  Foreign f({2, 4, 4});
  f.graph.add("Conv", {"x", f.floats("w", {4, 2, 1, 1})}, "c");
  f.graph.add("Add", {"c", f.floats("b", {4})}, "d");  // broadcasts along the width
  f.graph.add("Flatten", {"d"}, "flat");
  last_linear(f, "flat", 64);
  EXPECT_THAT(f.problem(), HasSubstr("wants a constant for each of 4 outputs"));
}

TEST(OnnxImport, ReshapesThatFlatten) {
  for (const auto& target : std::vector<std::vector<std::int64_t>>{{-1, 18}, {0, -1}, {0, 18}, {7, 18}}) {
    Foreign f({2, 3, 3});
    f.graph.add("Reshape", {"x", f.graph.integers("shape", target)}, "flat");
    last_linear(f, "flat", 18);
    EXPECT_THAT(f.kinds(), ElementsAre("flatten", "linear"));
  }
  for (const auto& target : std::vector<std::vector<std::int64_t>>{{-1, 9}, {-1, -1}, {-1, 2, 9}, {18}, {-2, 18}, {1, -1}}) {
    Foreign f({2, 3, 3});
    f.graph.add("Reshape", {"x", f.graph.integers("shape", target)}, "flat");
    last_linear(f, "flat", 18);
    EXPECT_THAT(f.problem(), HasSubstr("operator Reshape 'flat' wants the shape [batch, 18]"));
  }
}

TEST(OnnxImport, ShapesWorkedOutByOperators) {
  Foreign f({2, 3, 3});
  f.graph.add("Shape", {"x"}, "s");
  set_attribute(f.graph.add("Gather", {"s", f.graph.integers("zero", {0})}, "n"), "axis", std::int64_t{0});
  auto& constant = f.graph.add("Constant", {}, "minus");
  constant.clear_input();
  set_attribute(constant, "value_int", std::int64_t{-1});
  f.graph.add("Unsqueeze", {"minus", "zero"}, "minus1");
  set_attribute(f.graph.add("Concat", {"n", "minus1"}, "target"), "axis", std::int64_t{0});
  f.graph.add("Reshape", {"x", "target"}, "flat");
  last_linear(f, "flat", 18);
  EXPECT_THAT(f.kinds(), ElementsAre("flatten", "linear"));
}

TEST(OnnxImport, GlobalMeansInEveryForm) {
  Foreign f({2, 3, 3});
  auto& mean = f.graph.add("ReduceMean", {"x"}, "m");
  set_attribute(mean, "axes", std::vector<std::int64_t>{-1, -2});
  set_attribute(mean, "keepdims", std::int64_t{0});
  last_linear(f, "m", 2);
  EXPECT_THAT(f.kinds(), ElementsAre("global_average_pool", "flatten", "linear"));
  Foreign g({2, 3, 3}, 18);
  g.graph.add("ReduceMean", {"x", g.graph.integers("axes", {2, 3})}, "m");
  g.graph.add("Squeeze", {"m", "axes"}, "s");
  last_linear(g, "s", 2);
  EXPECT_THAT(g.kinds(), ElementsAre("global_average_pool", "flatten", "linear"));
}

TEST(OnnxImport, DropoutCastAndUnreadLayers) {
  Foreign f({4}, 11);
  set_attribute(f.graph.add("Dropout", {"x"}, "d"), "ratio", 0.3F);
  f.proto.mutable_graph()->mutable_node(0)->add_output("mask");
  f.graph.add("Relu", {"d"}, "unread");
  set_attribute(f.graph.add("Cast", {"d"}, "c"), "to", std::int64_t{onnx::TensorProto::FLOAT});
  last_linear(f, "c", 4);
  const auto model = f.read().value();
  ASSERT_EQ(model.network.nodes.size(), 2U);
  EXPECT_EQ(std::get<Dropout>(model.network.nodes[0].layer).rate, 0.3);
}

TEST(OnnxImport, BatchNormNumbersBecomeTheDecimalsSomebodyWrote) {
  Foreign f({3});
  f.graph.add("BatchNormalization", {"x", f.floats("a", {3}), f.floats("b", {3}), f.floats("c", {3}), f.floats("d", {3})}, "n");
  set_attribute(*f.proto.mutable_graph()->mutable_node(0), "epsilon", 1e-3F);
  last_linear(f, "n", 3);
  EXPECT_EQ(std::get<BatchNorm>(f.read().value().network.nodes[0].layer), (BatchNorm{0.1, 1e-3}));
}

TEST(OnnxImport, GeluInAnyOrderOfItsFactors) {
  Foreign f({4});
  const auto number = [&](const char* name, float value) { return f.graph.floats(name, {}, std::vector<float>{value}); };
  f.graph.add("Mul", {number("s", std::sqrt(0.5F)), "x"}, "scaled");
  f.graph.add("Erf", {"scaled"}, "erf");
  f.graph.add("Add", {number("one", 1), "erf"}, "sum");
  f.graph.add("Mul", {number("half", 0.5F), "x"}, "halved");
  f.graph.add("Mul", {"sum", "halved"}, "gelu");
  last_linear(f, "gelu", 4);
  EXPECT_THAT(f.kinds(), ElementsAre("gelu", "linear"));
  f.proto.mutable_graph()->mutable_output(0)->set_name("sum");
  EXPECT_THAT(f.problem(), HasSubstr("wanted an output that a layer makes, got 'sum'"));
}

TEST(OnnxImport, WhatTheOutputsMean) {
  const auto loss = [](const std::string& op, std::int64_t outputs) {
    Foreign f({4});
    set_attribute(f.graph.add("Gemm", {"x", f.floats("w", {outputs, 4})}, "g"), "transB", std::int64_t{1});
    f.graph.add(op, {"g"}, "y");
    return f.read().value().loss;
  };
  EXPECT_EQ(loss("Tanh", 3).kind, LossConfig::Kind::cross_entropy);
  EXPECT_EQ(loss("LogSoftmax", 3).kind, LossConfig::Kind::nll);
  EXPECT_EQ(loss("Softmax", 3).kind, LossConfig::Kind::quadratic);
  EXPECT_EQ(loss("Sigmoid", 1).kind, LossConfig::Kind::quadratic);
  EXPECT_EQ(loss("Identity", 1).kind, LossConfig::Kind::quadratic);
  EXPECT_THAT(loss("Sigmoid", 1).codes, ElementsAre(0, 1));
}

TEST(OnnxImport, ListsEveryOperatorItDoesNotKnow) {
  Foreign f({4});
  f.graph.add("LSTM", {"x"}, "a");
  f.graph.add("Resize", {"a"}, "b");
  f.graph.add("Resize", {"b"}, "c");
  f.graph.add("FusedGemm", {"c"}, "y").set_domain("com.microsoft");
  EXPECT_EQ(
      f.problem(),
      "f.onnx: wanted operators that are layers of soma's, got LSTM, Resize (2 times), com.microsoft.FusedGemm; try a model "
      "without them");
}

TEST(OnnxImport, RefusesWhatALayerCannotDo) {
  const auto refused = [](const Shape& input, const std::string& op,
                          const std::function<void(onnx::NodeProto&, Foreign&)>& change) {
    Foreign f(input);
    change(f.graph.add(op, {"x"}, "y"), f);
    return f.problem();
  };
  using Op = onnx::NodeProto;
  EXPECT_THAT(refused({4}, "Relu", [](Op& op, Foreign&) { set_attribute(op, "odd", 1.0F); }),
              HasSubstr("operator Relu 'y' wants only attributes soma knows to be a layer of soma's, got 'odd'"));
  EXPECT_THAT(refused({2, 4, 4}, "MaxPool",
                      [](Op& op, Foreign&) {
                        set_attribute(op, "kernel_shape", std::vector<std::int64_t>{2, 2});
                        set_attribute(op, "strides", std::vector<std::int64_t>{3, 3});
                        set_attribute(op, "ceil_mode", std::int64_t{1});
                      }),
              HasSubstr("wants sizes that need no rounding"));
  EXPECT_THAT(refused({2, 4, 4}, "MaxPool",
                      [](Op& op, Foreign&) {
                        set_attribute(op, "kernel_shape", std::vector<std::int64_t>{2, 2});
                        set_attribute(op, "pads", std::vector<std::int64_t>{0, 0, 1, 1});
                      }),
              HasSubstr("wants the same padding on both sides to be a layer of soma's, got 0, 0, 1, 1"));
  EXPECT_THAT(refused({2, 4, 4}, "AveragePool",
                      [](Op& op, Foreign&) {
                        set_attribute(op, "kernel_shape", std::vector<std::int64_t>{3, 3});
                        set_attribute(op, "pads", std::vector<std::int64_t>{1, 1, 1, 1});
                      }),
              HasSubstr("wants count_include_pad = 1"));
  EXPECT_THAT(refused({2, 4, 4}, "MaxPool", [](Op&, Foreign&) {}), HasSubstr("wants windows of two extents"));
  EXPECT_THAT(refused({4}, "MaxPool", [](Op&, Foreign&) {}), HasSubstr("wants an image to be a layer of soma's, got 4"));
  EXPECT_THAT(refused({2, 4, 4}, "MaxPool",
                      [](Op& op, Foreign&) {
                        set_attribute(op, "kernel_shape", std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(), 1});
                      }),
              HasSubstr("wants windows of usable size"));
  EXPECT_THAT(refused({4}, "Gemm", [](Op&, Foreign&) {}),
              HasSubstr("wants input 2 as an array in the file to be a layer of soma's, got none"));
  EXPECT_THAT(refused({4}, "Gemm",
                      [](Op& op, Foreign& f) {
                        op.add_input(f.floats("w", {3, 5}));
                      }),
              HasSubstr("wants 3 flat inputs to be a layer of soma's, got 4"));
  EXPECT_THAT(refused({4}, "Gemm", [](Op& op, Foreign& f) { op.add_input(f.floats("w", {3})); }),
              HasSubstr("wants weights [in, out]"));
  EXPECT_THAT(refused({4}, "Gemm",
                      [](Op& op, Foreign& f) {
                        op.add_input(f.floats("w", {4, 3}));
                        op.add_input(f.floats("b", {3, 1}));
                      }),
              HasSubstr("operator Gemm"));
  EXPECT_THAT(refused({4}, "Conv",
                      [](Op& op, Foreign& f) {
                        op.add_input(f.floats("w", {3, 2, 1, 1}));
                      }),
              HasSubstr("wants an image"));
  EXPECT_THAT(refused({4, 2, 2}, "Conv",
                      [](Op& op, Foreign& f) {
                        op.add_input(f.floats("w", {3, 2, 1, 1}));
                      }),
              HasSubstr("wants weights of 3×4×1×1 to be a layer of soma's, got 3×2×1×1"));
  EXPECT_THAT(refused({4}, "BatchNormalization", [](Op& op, Foreign& f) { op.add_input(f.floats("a", {3})); }),
              HasSubstr("wants weight of 4"));
  EXPECT_THAT(refused({2, 2, 2}, "Softmax", [](Op&, Foreign&) {}), HasSubstr("wants flat features along axis 1"));
  EXPECT_THAT(refused({4}, "Selu", [](Op& op, Foreign&) { set_attribute(op, "alpha", 2.0F); }),
              HasSubstr("wants the published constants"));
  EXPECT_THAT(refused({4}, "Mul", [](Op& op, Foreign& f) { op.add_input(f.floats("w", {3})); }),
              HasSubstr("wants a constant for each of 4 outputs"));
  EXPECT_THAT(refused({4}, "Mul", [](Op& op, Foreign&) { op.add_input("x"); }), HasSubstr("got a product of two values"));
  EXPECT_THAT(refused({4}, "Div", [](Op& op, Foreign& f) { op.add_input(f.floats("w", {4})); }),
              HasSubstr("wants a divisor other than 0"));
  EXPECT_THAT(refused({4}, "Erf", [](Op&, Foreign&) {}), HasSubstr("got an erf outside gelu"));
  EXPECT_THAT(refused({4}, "Add", [](Op& op, Foreign&) { op.add_input("later"); }),
              HasSubstr("wants inputs that operators before it made"));
  EXPECT_THAT(refused({4}, "Cast", [](Op& op, Foreign&) { set_attribute(op, "to", std::int64_t{onnx::TensorProto::INT32}); }),
              HasSubstr("wants floats to be a layer of soma's, got ONNX type 6"));
  EXPECT_THAT(refused({4}, "Relu", [](Op& op, Foreign&) { op.clear_output(); }), HasSubstr("has no output"));
  EXPECT_THAT(refused({4}, "Relu", [](Op&, Foreign& f) { f.graph.add("Relu", {"x"}, "y"); }),
              HasSubstr("value 'y' is made twice"));
  EXPECT_THAT(refused({4}, "Relu", [](Op&, Foreign& f) { f.proto.mutable_graph()->mutable_output(0)->set_name("x"); }),
              HasSubstr("wanted an output that a layer makes, got 'x'"));
  EXPECT_THAT(refused({2, 4, 4}, "Relu", [](Op&, Foreign&) {}), HasSubstr("wanted a flat output, got 2×4×4"));
  EXPECT_THAT(refused({4}, "Dropout",
                      [](Op& op, Foreign& f) {
                        op.add_input("");
                        auto& mode = *f.proto.mutable_graph()->add_initializer();
                        mode.set_name("mode");
                        mode.set_data_type(onnx::TensorProto::BOOL);
                        mode.add_int32_data(1);
                        op.add_input("mode");
                      }),
              HasSubstr("wants prediction"));
}

TEST(OnnxImport, RefusesFilesThatAskForEndlessMemory) {
  Foreign f({1 << 10});
  std::string x = "x";
  for (int i = 0; i < 12; ++i) {
    const std::string y = "v" + std::to_string(i);
    set_attribute(f.graph.add("Concat", {x, x}, y), "axis", std::int64_t{1});
    x = y;
  }
  f.graph.add("Relu", {x}, "y");
  EXPECT_THAT(f.problem(), HasSubstr("wanted at most 1048576 outputs, got 4194304"));
}

TEST(OnnxFile, OtherBytesAreRefused) {
  const auto problem = [](std::string_view bytes) { return parse_onnx(bytes, "f.onnx").error().message; };
  const std::string no_model = "f.onnx: wanted an ONNX model, got other or damaged bytes; try another file";
  EXPECT_EQ(problem(""), no_model);
  EXPECT_EQ(problem("\x89PNG\r\n"), no_model);
  EXPECT_EQ(problem(std::string(1000, '\x3a')), no_model);
  EXPECT_THAT(read_onnx("/nonexistent.onnx").error().message, HasSubstr("/nonexistent.onnx: cannot open"));
}

TEST(OnnxFile, EveryTruncationAndEveryFlippedByteIsSurvived) {
  const std::string bytes =
      to_onnx(make_model({2}, {{"", Linear{2}, {}, {}}}, {{{PreprocessKind::divide, {0}, {2}, {}}}}), "m").value();
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_onnx(bytes.substr(0, n), "m").ok()) << n;
  for (std::size_t n = 0; n < bytes.size(); ++n)
    for (const char change : {'\x01', '\x80', '\x10'}) {
      std::string damaged = bytes;
      damaged[n] = static_cast<char>(damaged[n] ^ change);
      const auto result = parse_onnx(damaged, "m", Changed::accept);
      EXPECT_TRUE(result.ok() || result.error().message.rfind("m: ", 0) == 0);
    }
}

TEST(OnnxFile, RefusesVersionsFunctionsAndOddInputs) {
  const auto changed = [](const std::function<void(onnx::ModelProto&)>& change) {
    Foreign f({4});
    last_linear(f, "x", 4);
    change(f.proto);
    return f.problem();
  };
  EXPECT_THAT(changed([](auto& proto) { proto.set_ir_version(2); }), HasSubstr("wanted ONNX IR version 3 to 14, got 2"));
  EXPECT_THAT(changed([](auto& proto) { proto.mutable_opset_import(0)->set_version(5); }),
              HasSubstr("wanted opset 7 to 27, got 5"));
  EXPECT_THAT(changed([](auto& proto) { proto.clear_opset_import(); }), HasSubstr("wanted opset 7 to 27, got 0"));
  EXPECT_THAT(changed([](auto& proto) { proto.add_functions()->set_name("f\ng"); }), HasSubstr("got function 'f g'"));
  EXPECT_THAT(changed([](auto& proto) { proto.mutable_graph()->clear_input(); }), HasSubstr("got none; try"));
  EXPECT_THAT(changed([](auto& proto) { proto.mutable_graph()->add_input()->set_name("z"); }), HasSubstr("got 'x' and 'z'"));
  EXPECT_THAT(changed([](auto& proto) { proto.mutable_graph()->add_output()->set_name("x"); }),
              HasSubstr("wanted an output that a layer makes, got 'x'"));
  const auto shape = [](auto& proto) -> auto& {
    return *proto.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  };
  EXPECT_THAT(changed([&](auto& proto) { shape(proto).set_elem_type(onnx::TensorProto::INT64); }),
              HasSubstr("got elements of ONNX type 7"));
  EXPECT_THAT(changed([&](auto& proto) { shape(proto).clear_shape(); }), HasSubstr("got 0 extents"));
  EXPECT_THAT(changed([&](auto& proto) { shape(proto).mutable_shape()->mutable_dim(1)->set_dim_value(-4); }),
              HasSubstr("got an extent of -4"));
  EXPECT_THAT(changed([&](auto& proto) { shape(proto).mutable_shape()->mutable_dim(1)->set_dim_param("k"); }),
              HasSubstr("got an extent 'k' that is not fixed"));
  EXPECT_THAT(changed([](auto& proto) {
                for (int i = 0; i < 10'001; ++i) proto.mutable_graph()->add_node();
              }),
              HasSubstr("wanted at most 10000 operators, got 10002"));
}

TEST(OnnxFile, RefusesArraysThatLie) {
  const auto changed = [](const std::function<void(onnx::TensorProto&)>& change) {
    Foreign f({4});
    last_linear(f, "x", 4);
    change(*f.proto.mutable_graph()->mutable_initializer(0));
    return f.problem();
  };
  EXPECT_EQ(
      changed([](auto& array) {
        array.clear_raw_data();
        array.set_data_location(onnx::TensorProto::EXTERNAL);
        auto& entry = *array.add_external_data();
        entry.set_key("location");
        entry.set_value("../../etc/passwd");
      }),
      "f.onnx: array 'last.weight' lies in '../../etc/passwd', wanted it in the model's own file; try exporting without external "
      "data");
  EXPECT_THAT(changed([](auto& array) { array.mutable_raw_data()->pop_back(); }),
              HasSubstr("wanted 48 bytes for its extents, got 47"));
  EXPECT_THAT(changed([](auto& array) { array.clear_raw_data(); }), HasSubstr("wanted 12 elements for its extents, got 0"));
  EXPECT_THAT(changed([](auto& array) { array.set_dims(0, -3); }), HasSubstr("has an extent of -3"));
  EXPECT_THAT(changed([](auto& array) {
                array.set_dims(0, std::numeric_limits<std::int64_t>::max());
                array.set_dims(1, 4);
              }),
              HasSubstr("wanted at most 2147483647 elements in all"));
  EXPECT_THAT(changed([](auto& array) { array.set_data_type(onnx::TensorProto::FLOAT16); }),
              HasSubstr("wanted 24 bytes for its extents, got 48"));
  EXPECT_THAT(changed([](auto& array) { array.set_data_type(99); }), HasSubstr("has elements of ONNX type 99"));
  EXPECT_THAT(changed([](auto& array) { array.mutable_segment(); }), HasSubstr("comes in segments"));
  Foreign f({4});
  last_linear(f, "x", 4);
  *f.proto.mutable_graph()->add_initializer() = f.proto.graph().initializer(0);
  EXPECT_THAT(f.problem(), HasSubstr("array 'last.weight' is there twice"));
  f.proto.mutable_graph()->add_sparse_initializer();
  EXPECT_THAT(f.problem(), HasSubstr("wanted dense arrays"));
}

// A file of soma's in which one word of metadata, or one array, was exchanged.
class OwnFile : public testing::Test {
 protected:
  onnx::ModelProto proto;
  void SetUp() override {
    const auto model = make_model({2}, {{"", Linear{3}, {}, {}}}, {{{PreprocessKind::divide, {1}, {2}, {}}}});
    ASSERT_TRUE(proto.ParseFromString(to_onnx(model, "m").value()));
  }
  std::string with(const std::string& key, const std::string& value) {
    auto changed = proto;
    for (auto& entry : *changed.mutable_metadata_props())
      if (entry.key() == key) entry.set_value(value);
    const auto result = parse_onnx(changed.SerializeAsString(), "m", Changed::accept);
    EXPECT_FALSE(result.ok()) << key << " " << value;
    return result.ok() ? "" : result.error().message;
  }
};

TEST_F(OwnFile, DamagedMetadataAreTold) {
  EXPECT_EQ(with("soma.network", "{"),
            "m: damaged metadata: 'soma.network' is not what soma writes there; try saving the model again");
  EXPECT_THAT(with("soma.network", "[]"), HasSubstr("'soma.network' is not what soma writes there"));
  EXPECT_THAT(with("soma.network", "{}"), HasSubstr("'soma.network' has no usable 'input'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2]})"), HasSubstr("no usable 'nodes'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2.5],"nodes":[]})"), HasSubstr("no usable 'input'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2],"nodes":[1]})"), HasSubstr("no usable 'name'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2],"nodes":[{"name":"a","kind":"b","inputs":[]}]})"),
              HasSubstr("unknown kind 'b'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2],"nodes":[{"name":"a","kind":"linear","inputs":[],"out":1e99,"bias":true}]})"),
              HasSubstr("no usable 'out'"));
  EXPECT_THAT(with("soma.network", R"({"input":[2],"nodes":[]})"), HasSubstr("wanted at least one layer"));
  EXPECT_THAT(with("soma.network", R"({"input":[3],"nodes":[{"name":"a","kind":"linear","inputs":[],"out":3,"bias":true}]})"),
              HasSubstr("array 'a.weight' is missing"));
  EXPECT_THAT(
      with("soma.network", R"({"input":[2],"nodes":[{"name":"linear1","kind":"linear","inputs":[],"out":4,"bias":true}]})"),
      HasSubstr("array 'linear1.weight' wants floats 4×2, got 3×2"));
  EXPECT_THAT(with("soma.loss", R"({"kind":"hinge"})"), HasSubstr("'soma.loss' has unknown kind 'hinge'"));
  EXPECT_THAT(with("soma.classes", "[1,2,3]"), HasSubstr("'soma.classes' has no usable 'classes'"));
  EXPECT_THAT(with("soma.classes", R"(["a"])"), HasSubstr("wanted 1 outputs, one per class, got 3"));
  EXPECT_THAT(with("soma.columns", "[{}]"), HasSubstr("'soma.columns' has no usable 'name'"));
  EXPECT_THAT(with("soma.preprocess", R"([{"kind":"blur"}])"), HasSubstr("'soma.preprocess' has unknown kind 'blur'"));
  EXPECT_THAT(with("soma.preprocess", R"([{"kind":"one_hot","categories":[-1,0]}])"), HasSubstr("no usable 'categories'"));
  EXPECT_THAT(with("soma.preprocess", R"([{"kind":"divide"},{"kind":"divide"}])"),
              HasSubstr("wanted preprocessing that fits its input"));
  EXPECT_THAT(with("soma.network", std::string(100'000, '[')), HasSubstr("is not what soma writes there"));
}

TEST_F(OwnFile, AGraphSomebodyEditedIsReadByItsOperators) {
  proto.mutable_graph()->mutable_node(1)->set_op_type("Frobnicate");
  EXPECT_THAT(parse_onnx(proto.SerializeAsString(), "m", Changed::accept).error().message,
              HasSubstr("wanted operators that are layers"));
}

}  // namespace
}  // namespace soma
