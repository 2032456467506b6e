// models + samples → outputs, predictions, evaluations; and what each loss makes of an output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/zoo.h"
#include "nn/loss.h"

namespace soma {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using Kind = LossConfig::Kind;

/// y = x, three classes.
Model identity_model(Kind kind = Kind::cross_entropy) {
  Model model = make_model({3}, {{"", Linear{3, false}, {}, {}}});
  model.parameters[0].values = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  model.loss.kind = kind;
  model.class_names = {"a", "b", "c"};
  return model;
}

Dataset rows(std::vector<float> values, std::vector<std::int32_t> labels = {}) {
  Dataset data;
  data.name = "rows";
  data.shape = {3};
  data.count = static_cast<std::int64_t>(values.size()) / 3;
  data.floats = std::move(values);
  data.labels = std::move(labels);
  data.class_names = {"a", "b", "c"};
  return data;
}

Prediction read(const LossConfig& loss, std::vector<float> y) {
  Prediction prediction;
  read_output(loss, y, prediction);
  return prediction;
}

TEST(ReadOutput, EachLossInItsOwnWay) {
  const auto softmax = read({Kind::cross_entropy}, {1000, 1000 + std::log(3.0F), -1000});
  EXPECT_EQ(softmax.label, 1);
  EXPECT_THAT(softmax.probabilities, ElementsAre(FloatNear(0.25F, 1e-4F), FloatNear(0.75F, 1e-4F), 0));
  EXPECT_THAT(read({Kind::nll}, {std::log(0.2F), std::log(0.8F)}).probabilities,
              ElementsAre(FloatNear(0.2F, 1e-6F), FloatNear(0.8F, 1e-6F)));
  EXPECT_THAT(read({Kind::binary_cross_entropy}, {0, 1000}).probabilities, ElementsAre(0.5F, 1.0F));
  EXPECT_THAT(read({Kind::quadratic}, {0.1F, 0.7F}).probabilities, ElementsAre(0.1F, 0.7F));
  EXPECT_EQ(read({Kind::quadratic}, {0.7F, 0.7F}).label, 0) << "the first of equals";
}

TEST(ReadOutput, CodesPickTheNearest) {
  const LossConfig coded{.kind = Kind::quadratic, .codes = {0, 0.5, 1}};
  EXPECT_EQ(read(coded, {0.6F}).label, 1);
  EXPECT_EQ(read(coded, {9}).label, 2);
  EXPECT_THAT(read(coded, {9}).probabilities, ElementsAre(9));
  const LossConfig binary{.kind = Kind::binary_cross_entropy, .codes = {0, 1}};
  EXPECT_EQ(read(binary, {0.1F}).label, 1);
  EXPECT_EQ(read(binary, {-0.1F}).label, 0);
}

TEST(SampleLoss, IsWhatTheConfigDefines) {
  const std::vector<float> y = {0.5F, -1, 2};
  const double total = std::log(std::exp(0.5) + std::exp(-1.0) + std::exp(2.0));
  EXPECT_THAT(sample_loss({Kind::cross_entropy}, y, 0), DoubleNear(total - 0.5, 1e-12));
  EXPECT_THAT(sample_loss({Kind::nll}, y, 2), DoubleNear(-2, 1e-12));
  EXPECT_THAT(sample_loss({Kind::quadratic}, y, 2), DoubleNear((0.25 + 1 + 1) / 3, 1e-12));
  const auto softplus = [](double v) { return std::log1p(std::exp(v)); };
  EXPECT_THAT(sample_loss({Kind::binary_cross_entropy}, y, 1),
              DoubleNear((softplus(0.5) + softplus(-1) + 1 + softplus(2)) / 3, 1e-7));
  EXPECT_THAT(sample_loss({.kind = Kind::quadratic, .codes = {0, 5}}, std::vector<float>{2}, 1), DoubleNear(9, 1e-12));
  EXPECT_THAT(sample_loss({Kind::cross_entropy}, std::vector<float>{1000, 0}, 1), DoubleNear(1000, 1e-9));
  EXPECT_THAT(sample_loss({Kind::binary_cross_entropy}, std::vector<float>{-1000, 1000}, 0), DoubleNear(1000, 1e-9));
}

TEST(Predictor, OutputsComeInOrderWhateverTheBatch) {
  const auto data = rows({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  for (const std::int64_t batch : {1, 2, 5, 64}) {
    auto predictor = Predictor::create(identity_model(), {batch, 1, 1}).value();
    EXPECT_EQ(predictor.outputs(data).value(), data.floats);
  }
}

TEST(Predictor, PredictsAndKeepsItsModel) {
  auto predictor = Predictor::create(identity_model()).value();
  const auto predictions = predictor.predict(rows({0, 9, 0, 0, 0, 9})).value();
  ASSERT_EQ(predictions.size(), 2U);
  EXPECT_EQ(predictions[0].label, 1);
  EXPECT_EQ(predictions[1].label, 2);
  EXPECT_GT(predictions[1].probabilities[2], 0.99F);
  EXPECT_THAT(predictor.model().class_names, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(predictor.predict(rows({})).value().empty());
}

TEST(Predictor, EvaluatesAccuracyLossAndConfusion) {
  auto predictor = Predictor::create(identity_model(Kind::quadratic), {2, 1, 1}).value();
  const auto evaluation = predictor.evaluate(rows({1, 0, 0, 0, 1, 0, 0, 2, 0}, {0, 1, 2})).value();
  EXPECT_EQ(evaluation.samples, 3);
  EXPECT_THAT(evaluation.accuracy, DoubleNear(2.0 / 3, 1e-12));
  EXPECT_THAT(evaluation.loss, DoubleNear((4 + 1) / 9.0, 1e-12));
  EXPECT_THAT(evaluation.confusion, ElementsAre(ElementsAre(1, 0, 0), ElementsAre(0, 1, 0), ElementsAre(0, 1, 0)));
}

TEST(Predictor, ListsTheWorstMistakesFirst) {
  auto predictor = Predictor::create(identity_model(), {2, 1, 1}).value();
  const auto samples = rows({9, 0, 0, 0, 5, 0, 2, 0, 0, 0, 0, 5, 0, 1, 0}, {0, 0, 1, 1, 0});
  const auto evaluation = predictor.evaluate(samples, 3).value();
  ASSERT_EQ(evaluation.worst.size(), 3U);
  const auto& worst = evaluation.worst;
  EXPECT_THAT((std::vector{worst[0].sample, worst[1].sample, worst[2].sample}), ElementsAre(1, 3, 2)) << "the first of equals";
  EXPECT_EQ(worst[1].label, 1);
  EXPECT_EQ(worst[1].given, 2);
  const double sure = std::exp(5.0) / (std::exp(5.0) + 2);
  EXPECT_THAT(worst[1].probability, DoubleNear(sure, 1e-6));
  EXPECT_THAT(worst[1].loss, DoubleNear(std::log(std::exp(5.0) + 2), 1e-5));
  EXPECT_EQ(predictor.evaluate(samples, 9).value().worst.size(), 4U) << "only mistakes";
  EXPECT_TRUE(predictor.evaluate(samples).value().worst.empty());
}

TEST(Predictor, PreprocessesRawSamples) {
  Model model = identity_model();
  model.preprocess.steps = {{PreprocessKind::divide, {0}, {255}, {}}};
  Dataset data = rows({});
  data.count = 1;
  data.bytes = {255, 0, 51};
  EXPECT_THAT(Predictor::create(model).value().outputs(data).value(), ElementsAre(1, 0, FloatNear(0.2F, 1e-6F)));
}

TEST(Predictor, SaysWhenSamplesAreNotTheModels) {
  auto predictor = Predictor::create(identity_model()).value();
  Dataset image = rows({});
  image.shape = {3, 2, 2};
  EXPECT_EQ(predictor.outputs(image).error().message,
            "rows: the model wants samples of 3, got 3×2×2; try the data it was trained on");
  EXPECT_FALSE(predictor.predict(image).ok());
  auto data = rows({1, 2, 3}, {0});
  data.class_names = {"a", "b"};
  EXPECT_EQ(predictor.evaluate(data).error().message,
            "rows: wanted the model's 3 classes (a, b, c), got 2 (a, b); try the data it was trained on");
  EXPECT_THAT(predictor.evaluate(rows({})).error().message, HasSubstr("wanted at least one sample, got none"));
  EXPECT_THAT(predictor.evaluate(rows({1, 2, 3})).error().message, HasSubstr("wanted a label for each of 1 samples, got 0"));
  EXPECT_THAT(predictor.evaluate(rows({1, 2, 3}, {3})).error().message, HasSubstr("wanted labels below 3, got 3"));
}

TEST(Predictor, RefusesModelsThatDoNotHoldTogether) {
  Model model = identity_model();
  model.class_names.pop_back();
  EXPECT_EQ(Predictor::create(model).error().message,
            "model: wanted 2 outputs, one per class, got 3; try saving the model again");
  EXPECT_THAT(Predictor::create(identity_model(), {0}).error().message, HasSubstr("wanted batches of at least 1, got 0"));
}

TEST(DataOptions, AskForDataAsTheModelWantsIt) {
  Model model = identity_model();
  model.label_name = "species";
  model.columns = {{"u", {}}, {"v", {"x"}}, {"w", {}}};
  const auto options = data_options(model);
  EXPECT_EQ(options.label, "species");
  EXPECT_EQ(options.class_names, model.class_names);
  EXPECT_EQ(options.columns, model.columns);
  EXPECT_TRUE(options.image_shape.empty());
  model.input = {1, 28, 28};
  EXPECT_EQ(data_options(model).image_shape, (Shape{1, 28, 28}));
}

}  // namespace
}  // namespace soma
