// models + samples → ranges and grids; and what cannot be quantised, by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "integer/chain.h"
#include "model/zoo.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;
using Act = Activation;

Node node(const Layer& layer, std::string name = "", std::vector<std::string> inputs = {}) {
  return {std::move(name), layer, std::move(inputs), {}};
}

Dataset rows(std::int64_t width, std::vector<float> values) {
  Dataset data;
  data.name = "rows";
  data.shape = {width};
  data.count = static_cast<std::int64_t>(values.size()) / width;
  data.floats = std::move(values);
  return data;
}

/// y = relu(A·x), z = B·y.
Model two_layers() {
  Model model = make_model({2}, {node(Linear{2}), node(Act{Act::Kind::relu}), node(Linear{3})});
  model.parameters[0].values = {1, -2, 0.5F, 0.25F};
  model.parameters[1].values = {0.125F, -1};
  return model;
}

TEST(Quantize, MeasuresRangesWithZeroAmongThem) {
  const auto model = quantize(two_layers(), rows(2, {1, 0.5F, 3, 0.25F, 2, -1})).value();
  const auto& layers = model.quantization->layers;
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].node, "linear1");
  EXPECT_THAT(layers[0].input.scale, FloatEq(4.0F / 255));  // −1 to 3
  EXPECT_EQ(layers[0].input.zero, 64);                      // 63.75
  EXPECT_THAT(layers[0].weight_scales, ElementsAre(FloatEq(2.0F / 127), FloatEq(0.5F / 127)));
  // relu(1·2 − 2·(−1) + 0.125) = 4.125 is the largest.
  EXPECT_THAT(layers[1].input.scale, FloatEq(4.125F / 255));
  EXPECT_EQ(layers[1].input.zero, 0);
}

TEST(Quantize, PutsParametersOnTheirGridsForGood) {
  const auto once = quantize(two_layers(), rows(2, {1, 0.5F, 3, 0.25F, 2, -1})).value();
  for (const QuantizedLayer& layer : once.quantization->layers) {
    const auto arrays = arrays_of(once, layer.node);
    const std::size_t outputs = layer.weight_scales.size(), depth = arrays.weight->values.size() / outputs;
    for (std::size_t c = 0; c < outputs; ++c) {
      for (std::size_t k = 0; k < depth; ++k) {
        const float w = arrays.weight->values[c * depth + k];
        EXPECT_EQ(w, static_cast<float>(static_cast<double>(grid_place(w, layer.weight_scales[c])) * layer.weight_scales[c]));
      }
      const float b = arrays.bias->values[c];
      EXPECT_EQ(b, static_cast<float>(static_cast<double>(grid_place(b, sum_scale(layer, c))) * sum_scale(layer, c)));
    }
  }
  // A second time changes no weight: the largest of each output lies on the grid's end.
  const auto twice = quantize(once, rows(2, {1, 0.5F, 3, 0.25F, 2, -1})).value();
  for (std::size_t i = 0; i < once.parameters.size(); i += 2) EXPECT_EQ(twice.parameters[i].values, once.parameters[i].values);
}

TEST(Quantize, FoldsBatchNorm) {
  const std::vector<Node> nodes = {node(Conv2d{4, 3, 3, 1, 1, 0, 0, 1, 1, 1, false}),
                                   node(BatchNorm{}),
                                   node(Act{Act::Kind::relu}),
                                   node(Flatten{}),
                                   node(Linear{5}),
                                   node(BatchNorm{}),
                                   node(Linear{3})};
  const Model model = make_model({2, 5, 5}, nodes);
  Dataset data = rows(50, std::vector<float>(50 * 40));
  for (std::size_t i = 0; i < data.floats.size(); ++i) data.floats[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  data.shape = {2, 5, 5};
  const auto rounded = quantize(model, data).value();
  for (const Node& each : rounded.network.nodes) EXPECT_FALSE(std::holds_alternative<BatchNorm>(each.layer));
  const auto real = Predictor::create(model).value().outputs(data).value();
  const auto bytes = Predictor::create(rounded).value().outputs(data).value();
  double error = 0, power = 0;
  for (std::size_t i = 0; i < real.size(); ++i) {
    error += std::pow(real[i] - bytes[i], 2);
    power += std::pow(real[i], 2);
  }
  EXPECT_LT(std::sqrt(error / power), 0.03);
}

TEST(Quantize, OutputsWithoutWeightsOrWithAnEnormousBiasStayWithin32Bits) {
  Model model = two_layers();
  model.parameters[0].values = {0, 0, 1e-9F, 1e-9F};
  model.parameters[1].values = {0.5F, 1000};
  const Dataset data = rows(2, {1, 0.5F, 3, 0.25F});
  const auto rounded = quantize(model, data).value();
  const auto real = Predictor::create(model).value().outputs(data).value();
  const auto bytes = Predictor::create(rounded).value().outputs(data).value();
  for (std::size_t i = 0; i < real.size(); ++i) EXPECT_NEAR(bytes[i], real[i], 0.02 * std::abs(real[i])) << i;

  model.parameters[0].values = {0, 0, 0, 0};
  model.parameters[1].values = {0, 0};
  EXPECT_TRUE(Predictor::create(quantize(model, data).value()).ok());
}

TEST(Quantize, NamesTheLayerThatHasNoFormIn8Bits) {
  const auto message = [](std::vector<Node> nodes, Shape input = {4}) {
    Dataset data = rows(elements(input), std::vector<float>(static_cast<std::size_t>(elements(input)), 1));
    data.shape = input;
    return quantize(make_model(input, std::move(nodes)), data).error().message;
  };
  EXPECT_EQ(message({node(Linear{5}), node(Act{Act::Kind::tanh}, "bend"), node(Linear{3})}),
            "int8: layer 'bend': wanted relu, max_pool, flatten or dropout between linear and conv2d layers, got tanh; try relu "
            "there, or the model in real numbers");
  EXPECT_THAT(message({node(Act{Act::Kind::relu}, "early"), node(Linear{3})}), HasSubstr("int8: layer 'early'"));
  EXPECT_THAT(message({node(Conv2d{4, 1, 1, 1, 1, 0, 0, 1, 1, 2}, "split"), node(Flatten{}), node(Linear{3})}, {2, 3, 3}),
              HasSubstr("int8: layer 'split': wanted groups = 1, got groups = 2"));
  EXPECT_THAT(message({node(Conv2d{4, 1, 1}), node(GlobalAveragePool{}, "mean"), node(Flatten{}), node(Linear{3})}, {2, 3, 3}),
              HasSubstr("int8: layer 'mean'"));
  EXPECT_THAT(message({node(Linear{4}, "a"), node(Add{}, "sum", {"a", "input"}), node(Linear{3})}),
              HasSubstr("int8: layer 'sum': wanted one layer after the other"));
  EXPECT_THAT(message({node(Conv2d{3, 3, 3}, "end"), node(Flatten{})}, {1, 3, 3}),
              HasSubstr("int8: layer 'end': wanted a network that ends in a linear layer"));
}

TEST(Quantize, SaysWhatIsWrongWithTheSamples) {
  EXPECT_EQ(quantize(two_layers(), rows(2, {})).error().message,
            "rows: wanted samples to calibrate with, got none; try the data it was trained on");
  EXPECT_EQ(quantize(two_layers(), rows(3, {1, 2, 3})).error().message,
            "rows: the model wants samples of 2, got 3; try the data it was trained on");
  EXPECT_THAT(quantize(two_layers(), rows(2, {1, std::numeric_limits<float>::infinity()})).error().message,
              HasSubstr("int8: layer 'linear1': wanted finite inputs"));
}

TEST(Quantization, DamageIsFoundBeforeItIsUsed) {
  const auto good = quantize(two_layers(), rows(2, {1, 0.5F, 3, 0.25F})).value();
  const auto problem = [&](auto&& damage) {
    Model model = good;
    damage(model);
    return Predictor::create(model).error().message;
  };
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers.pop_back(); }), HasSubstr("wanted scales for 2 layers, got 1"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[0].node = "other"; }), HasSubstr("got those of 'other'"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[0].weight_scales.pop_back(); }),
              HasSubstr("wanted 2 scales of weights"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[0].input.scale = 0; }), HasSubstr("wanted a scale above 0"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[0].input.zero = 256; }), HasSubstr("zero in 0 to 255"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[1].weight_scales[2] = std::nanf(""); }),
              HasSubstr("wanted scales above 0"));
  EXPECT_THAT(problem([](Model& m) { m.parameters[0].values[0] *= 2; }), HasSubstr("wanted weights of at most 127 steps"));
  EXPECT_THAT(problem([](Model& m) { m.parameters[1].values[0] = 1e9F; }), HasSubstr("wanted sums below 2^31"));
  EXPECT_THAT(problem([](Model& m) { m.quantization->layers[1].input.scale = 1e-9F; }), HasSubstr("sums in finer steps"));
}

}  // namespace
}  // namespace soma
