// Model → ONNX bytes → Model: nothing lost, the same bytes again, and what the operators are.
#include "model/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "model/onnx_bytes.h"
#include "model/scratch.h"
#include "model/zoo.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

onnx::ModelProto proto_of(const Model& model) {
  onnx::ModelProto proto;
  EXPECT_TRUE(proto.ParseFromString(to_onnx(model, "m").value()));
  return proto;
}

std::vector<std::string> operators(const Model& model) {
  std::vector<std::string> names;
  const auto proto = proto_of(model);
  for (const auto& node : proto.graph().node()) names.push_back(node.op_type());
  return names;
}

void expect_equal(const Model& a, const Model& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.input, b.input);
  EXPECT_EQ(a.preprocess, b.preprocess);
  EXPECT_EQ(a.network, b.network);
  EXPECT_EQ(a.class_names, b.class_names);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.columns, b.columns);
  EXPECT_EQ(a.label_name, b.label_name);
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    EXPECT_EQ(a.parameters[i].name, b.parameters[i].name);
    EXPECT_EQ(a.parameters[i].shape, b.parameters[i].shape);
    EXPECT_EQ(a.parameters[i].values, b.parameters[i].values);
  }
}

class EveryModel : public testing::TestWithParam<ZooModel> {};

TEST_P(EveryModel, ComesBackWholeAndGivesTheSameBytes) {
  const Scratch scratch;
  ASSERT_TRUE(write_onnx(GetParam().model, scratch / "a.onnx").ok());
  const auto back = read_onnx(scratch / "a.onnx");
  ASSERT_TRUE(back.ok()) << back.error().message;
  expect_equal(GetParam().model, *back);
  ASSERT_TRUE(write_onnx(*back, scratch / "b.onnx").ok());
  EXPECT_EQ(read_file(scratch / "a.onnx").value(), read_file(scratch / "b.onnx").value());
}

/// Preprocessing operators are no layers; the other models can be read without metadata.
std::vector<ZooModel> without_preprocessing() {
  auto all = zoo();
  all.erase(std::remove_if(all.begin(), all.end(), [](const ZooModel& each) { return !each.model.preprocess.steps.empty(); }),
            all.end());
  return all;
}

class EveryNetwork : public testing::TestWithParam<ZooModel> {};

// Without its metadata the file is anybody's: the operators alone must give the same layers and numbers, dropout aside.
TEST_P(EveryNetwork, IsUnderstoodByItsOperatorsAlone) {
  auto proto = proto_of(GetParam().model);
  proto.clear_metadata_props();
  proto.clear_producer_name();
  const auto back = parse_onnx(proto.SerializeAsString(), "m");
  ASSERT_TRUE(back.ok()) << back.error().message;
  std::vector<Layer> wanted, got;
  const auto keep = [](std::vector<Layer>& list, const Node& node) {
    const auto* activation = std::get_if<Activation>(&node.layer);
    const bool nothing = std::holds_alternative<Dropout>(node.layer) || std::holds_alternative<AlphaDropout>(node.layer) ||
                         (activation != nullptr && activation->kind == Activation::Kind::identity);
    if (!nothing) list.push_back(node.layer);
  };
  for (const Node& node : GetParam().model.network.nodes) keep(wanted, node);
  for (const Node& node : back->network.nodes) keep(got, node);
  EXPECT_EQ(wanted, got);
  ASSERT_EQ(back->parameters.size(), GetParam().model.parameters.size());
  for (std::size_t i = 0; i < back->parameters.size(); ++i) {
    EXPECT_EQ(back->parameters[i].shape, GetParam().model.parameters[i].shape);
    EXPECT_EQ(back->parameters[i].values, GetParam().model.parameters[i].values);
  }
}

const auto name_of = [](const auto& each) { return each.param.name; };
INSTANTIATE_TEST_SUITE_P(Onnx, EveryModel, testing::ValuesIn(zoo()), name_of);
INSTANTIATE_TEST_SUITE_P(Onnx, EveryNetwork, testing::ValuesIn(without_preprocessing()), name_of);

Node node(const Layer& layer) { return {"", layer, {}, {}}; }

// Written by soma 0.1.0. Whatever later versions write, this must stay readable.
TEST(OnnxRead, AFileOfTheFirstVersion) {
  const std::filesystem::path golden = std::filesystem::path(SOMA_SOURCE_DIR) / "tests/golden/one_hot.onnx";
  const auto model = read_onnx(golden);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto all = zoo();
  const auto at = std::find_if(all.begin(), all.end(), [](const ZooModel& each) { return each.name == "one_hot"; });
  ASSERT_NE(at, all.end());
  expect_equal(at->model, *model);
}

TEST(OnnxWrite, OneOperatorPerLayerBehindThePreprocessing) {
  const auto model = make_model({3, 8, 8},
                                {node(Conv2d{4, 3, 3}), node(Activation{Activation::Kind::relu}), node(Dropout{}), node(Pool{}),
                                 node(Flatten{}), node(Linear{3})},
                                {{{PreprocessKind::divide, {0}, {255}, {}}}});
  EXPECT_THAT(operators(model), ElementsAre("Div", "Conv", "Relu", "MaxPool", "Flatten", "Gemm"));
  const auto proto = proto_of(model);
  EXPECT_EQ(proto.ir_version(), 8);
  EXPECT_EQ(proto.opset_import(0).version(), 17);
  EXPECT_EQ(proto.producer_name(), "soma");
  EXPECT_EQ(proto.graph().input(0).name(), "input");
  EXPECT_EQ(proto.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "batch");
  EXPECT_EQ(proto.graph().input(0).type().tensor_type().shape().dim_size(), 4);
  EXPECT_EQ(proto.graph().output(0).name(), "output");
  EXPECT_EQ(proto.graph().node(5).output(0), "output");
  std::vector<std::string> arrays;
  for (const auto& array : proto.graph().initializer()) arrays.push_back(array.name());
  EXPECT_THAT(arrays, ElementsAre("preprocess1.divisor", "conv2d1.weight", "conv2d1.bias", "linear1.weight", "linear1.bias"));
}

/// Sizes small and often odd, sometimes impossible.
Layer any_layer() {
  const auto n = [](std::int64_t least, std::int64_t most) { return *rc::gen::inRange(least, most + 1); };
  switch (n(0, 6)) {
    case 0:
      return Conv2d{n(1, 4), n(1, 3), n(1, 3), n(1, 2), n(1, 2), n(0, 2), n(0, 2), n(1, 2), n(1, 2), n(1, 2), n(0, 1) == 1};
    case 1:
      return Pool{static_cast<Pool::Kind>(n(0, 1)), n(1, 3), n(1, 3), n(1, 2), n(1, 2), n(0, 1), n(0, 1)};
    case 2:
      return BatchNorm{static_cast<double>(n(0, 10)) / 10, std::pow(10.0, static_cast<double>(-n(2, 6)))};
    case 3:
      return Activation{static_cast<Activation::Kind>(n(0, 9)), static_cast<double>(n(0, 30)) / 7};
    case 4:
      return Dropout{static_cast<double>(n(0, 9)) / 10};
    case 5:
      return AlphaDropout{static_cast<double>(n(0, 9)) / 10};
    default:
      return GlobalAveragePool{};
  }
}

RC_GTEST_PROP(Onnx, AnyChainOfLayersComesBack, ()) {
  NetworkSpec spec{
      {*rc::gen::inRange<std::int64_t>(1, 5), *rc::gen::inRange<std::int64_t>(1, 9), *rc::gen::inRange<std::int64_t>(1, 9)},
      {},
      {}};
  const auto count = *rc::gen::inRange(1, 7);
  for (int i = 0; i < count; ++i) spec.nodes.push_back({"", any_layer(), {}, {}});
  spec.nodes.push_back({"", Flatten{}, {}, {}});
  spec.nodes.push_back({"", Linear{3}, {}, {}});
  RC_PRE(resolve(spec).ok());
  const Model model = make_model(spec.input, spec.nodes);
  const std::string bytes = to_onnx(model, "m").value();
  const auto back = parse_onnx(bytes, "m");
  RC_ASSERT(back.ok());
  RC_ASSERT(back->network == model.network);
  RC_ASSERT(to_onnx(*back, "m").value() == bytes);
}

TEST(OnnxWrite, NumbersPerFeatureTurnFromChannelsLastToChannelsFirst) {
  PreprocessStep step{PreprocessKind::mean_subtraction, {}, {}, {}};
  for (int i = 0; i < 12; ++i) step.offset.push_back(static_cast<float>(i));  // (h, w, c) with c = 2, h = 2, w = 3
  step.divisor.assign(12, 1);
  const auto proto = proto_of(make_model({2, 2, 3}, {node(Flatten{}), node(Linear{3})}, {{step}}));
  EXPECT_THAT(float_values(proto.graph().initializer(0)), ElementsAre(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
  EXPECT_THAT(extents(proto.graph().initializer(0)), ElementsAre(2, 2, 3));
}

TEST(OnnxWrite, RefusesModelsWhosePartsDoNotBelongTogether) {
  const auto good = make_model({4}, {node(Linear{3})});
  const auto problem = [](const Model& model) { return write_onnx(model, "/nonexistent/m.onnx").error().message; };
  auto model = good;
  model.parameters.pop_back();
  EXPECT_EQ(problem(model), "/nonexistent/m.onnx: wanted 2 arrays, got 1; try saving the model again");
  model = good;
  model.parameters[0].shape = {4, 3};
  EXPECT_THAT(problem(model), HasSubstr("wanted array 'linear1.weight' of 3×4, got 'linear1.weight' of 4×3"));
  model = good;
  model.parameters[0].values.pop_back();
  EXPECT_THAT(problem(model), HasSubstr("with 11 values"));
  model = good;
  model.input = {5};
  EXPECT_THAT(problem(model), HasSubstr("wanted preprocessing that ends in 4, got 5"));
  model = good;
  model.preprocess.steps = {{PreprocessKind::divide, {0, 0}, {1, 1}, {}}};
  EXPECT_THAT(problem(model), HasSubstr("wanted preprocessing that fits its input, got 4"));
  model.preprocess.steps = {{PreprocessKind::divide, {}, {1}, {}}};
  EXPECT_THAT(problem(model), HasSubstr("wanted preprocessing that fits its input"));
  model.preprocess.steps = {{PreprocessKind::divide, {0}, {1}, {}}, {PreprocessKind::one_hot, {}, {}, {0, 0, 0, 0}}};
  EXPECT_THAT(problem(model), HasSubstr("wanted preprocessing that fits its input"));
  model.preprocess.steps = {{PreprocessKind::one_hot, {}, {}, {0, 0, 0, -1}}};
  EXPECT_THAT(problem(model), HasSubstr("wanted preprocessing that fits its input"));
  model = good;
  model.class_names.pop_back();
  EXPECT_THAT(problem(model), HasSubstr("wanted 2 outputs, one per class, got 3"));
  model.loss.codes = {0, 1};
  EXPECT_THAT(problem(model), HasSubstr("wanted one output for codes, got 3"));
  model = good;
  model.loss.class_weights = {1};
  EXPECT_THAT(problem(model), HasSubstr("wanted a weight for each of 3 classes, got 1"));
  model = good;
  model.columns = {{"a", {}}};
  EXPECT_THAT(problem(model), HasSubstr("wanted 4 columns, got 1"));
  model = good;
  model.network.nodes[0].layer = Linear{-1};
  EXPECT_THAT(problem(model), HasSubstr("'linear1' wants at least 1 output"));
  model = good;
  model.class_names[0] = "\xff";
  EXPECT_THAT(problem(model), HasSubstr("wanted names in UTF-8"));
  model = good;
  model.label_name = "\xff";
  EXPECT_THAT(problem(model), HasSubstr("wanted names in UTF-8"));
  EXPECT_THAT(problem(good), HasSubstr("/nonexistent/m.onnx: cannot write: No such file or directory"));
}

TEST(OnnxWrite, CodesWantOneOutputAndACodePerClass) {
  auto model = make_model({4}, {node(Linear{1})});
  model.class_names = {"a", "b", "c"};
  EXPECT_THAT(to_onnx(model, "m").error().message, HasSubstr("wanted a code for each of 3 classes, got 2"));
}

}  // namespace
}  // namespace soma
