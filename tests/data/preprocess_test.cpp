// small tables and images → fitted steps and rows, against numbers worked out by hand.
#include "data/preprocess.h"

#include <cmath>

#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;
using testing::HasSubstr;

Dataset table(std::vector<float> floats, std::int64_t features) {
  Dataset data;
  data.shape = {features};
  data.count = std::ssize(floats) / features;
  data.floats = std::move(floats);
  data.labels.resize(static_cast<std::size_t>(data.count));
  data.class_names = {"0"};
  for (std::int64_t i = 0; i < features; ++i) data.columns.push_back({std::to_string(i), {}});
  return data;
}

Dataset image(std::vector<std::uint8_t> bytes, Shape shape) {
  Dataset data;
  data.shape = std::move(shape);
  data.count = std::ssize(bytes) / data.sample_size();
  data.bytes = std::move(bytes);
  data.labels.resize(static_cast<std::size_t>(data.count));
  data.class_names = {"0"};
  return data;
}

std::vector<float> rows(const Dataset& data, const Preprocess& preprocess) {
  const Batches batches(data, preprocess, {}, 1, false);
  std::vector<float> x(static_cast<std::size_t>(batches.count() * batches.row_size()));
  batches.fill(0, batches.count(), x.data(), nullptr);
  return x;
}

std::vector<float> fitted_rows(const Dataset& data, std::vector<PreprocessSpec> specs) {
  const Result<Preprocess> fitted = fit_preprocess(specs, data);
  EXPECT_TRUE(fitted.ok()) << message(fitted);
  return fitted.ok() ? rows(data, *fitted) : std::vector<float>();
}

TEST(Preprocess, Divide) {
  EXPECT_THAT(fitted_rows(image({0, 51, 255, 102}, {1, 1, 2}), {{}}), ElementsAre(0, FloatEq(0.2F), 1, FloatEq(0.4F)));
  EXPECT_THAT(fitted_rows(table({1, 2}, 1), {{PreprocessKind::divide, 4, {}}}), ElementsAre(0.25F, 0.5F));
}

TEST(Preprocess, StandardisePerFeatureOfATable) {
  const auto x = fitted_rows(table({1, 100, 3, 100, 5, 100}, 2), {{PreprocessKind::standardise, 0, {}}});
  const float edge = std::sqrt(1.5F);
  EXPECT_THAT(x, ElementsAre(FloatEq(-edge), 0, 0, 0, FloatEq(edge), 0));  // the second feature has no spread: divisor 1
}

TEST(Preprocess, LargeMeansLoseNoDigits) {
  const Dataset data = table({16777210, 16777212, 16777214}, 1);
  EXPECT_THAT(fitted_rows(data, {{PreprocessKind::standardise, 0, {}}}),
              ElementsAre(FloatEq(-std::sqrt(1.5F)), 0, FloatEq(std::sqrt(1.5F))));
}

TEST(Preprocess, StandardisePerChannelOfAnImage) {
  const Dataset data = image({0, 10, 4, 10, 0, 10, 4, 10}, {2, 1, 2});  // channel 0: 0 4 0 4, channel 1: 10
  const Result<Preprocess> fitted = fit_preprocess(std::vector<PreprocessSpec>{{PreprocessKind::standardise, 0, {}}}, data);
  ASSERT_TRUE(fitted.ok());
  EXPECT_THAT(fitted->steps[0].offset, ElementsAre(2, 10));
  EXPECT_THAT(fitted->steps[0].divisor, ElementsAre(2, 1));
  EXPECT_THAT(rows(data, *fitted), ElementsAre(-1, 0, 1, 0, -1, 0, 1, 0));
}

TEST(Preprocess, StandardisePerFeatureOfAnImage) {
  const Dataset data = image({0, 8, 4, 8}, {1, 1, 2});
  EXPECT_THAT(fitted_rows(data, {{PreprocessKind::standardise, 0, true}}), ElementsAre(-1, 0, 1, 0));
}

TEST(Preprocess, OneNumberForAWholeTable) {
  EXPECT_THAT(fitted_rows(table({0, 1, 3, 4}, 2), {{PreprocessKind::mean_subtraction, 0, false}}), ElementsAre(-2, -1, 1, 2));
}

TEST(Preprocess, MinMaxMidrangeProportional) {
  EXPECT_THAT(fitted_rows(table({1, 5, 3, 5, 2, 5}, 2), {{PreprocessKind::min_max, 0, {}}}), ElementsAre(0, 0, 1, 0, 0.5F, 0));
  EXPECT_THAT(fitted_rows(table({1, 5, 3, 0, 0, 0}, 3), {{PreprocessKind::midrange, 0, {}}}), ElementsAre(-2, 2, 0, 0, 0, 0));
  EXPECT_THAT(fitted_rows(table({1, 5, 3, 0, 0, 0}, 3), {{PreprocessKind::proportional, 0, {}}}),
              ElementsAre(FloatEq(0.2F), 1, FloatEq(0.6F), 0, 0, 0));
  EXPECT_THAT(fitted_rows(image({0, 10, 4}, {1, 1, 3}), {{PreprocessKind::midrange, 0, {}}}), ElementsAre(-5, 5, -1));
}

TEST(Preprocess, StepsAreFittedOnTheOutputOfThoseBefore) {
  const Dataset data = image({0, 255, 51, 204}, {1, 1, 2});
  const Result<Preprocess> fitted =
      fit_preprocess(std::vector<PreprocessSpec>{{}, {PreprocessKind::mean_subtraction, 0, {}}}, data);
  ASSERT_TRUE(fitted.ok());
  EXPECT_THAT(fitted->steps[1].offset, ElementsAre(FloatEq(0.5F)));
  EXPECT_THAT(rows(data, *fitted), ElementsAre(-0.5F, 0.5F, FloatNear(-0.3F, 1e-6F), FloatNear(0.3F, 1e-6F)));
}

TEST(Preprocess, OneHotWidensWordsAndForgivesUnknownOnes) {
  Dataset data = table({7, 1, 8, 0, 9, -1}, 2);
  data.columns[1].categories = {"a", "b", "c"};
  const Result<Preprocess> fitted =
      fit_preprocess(std::vector<PreprocessSpec>{{PreprocessKind::one_hot, 0, {}}, {PreprocessKind::divide, 2, {}}}, data);
  ASSERT_TRUE(fitted.ok()) << message(fitted);
  EXPECT_THAT(fitted->steps[0].categories, ElementsAre(0, 3));
  EXPECT_EQ(preprocessed_shape(*fitted, data.shape), (Shape{4}));
  EXPECT_THAT(rows(data, *fitted), ElementsAre(3.5F, 0, 0.5F, 0, 4, 0.5F, 0, 0, 4.5F, 0, 0, 0));
}

TEST(Preprocess, WhatMakesNoSenseIsRefused) {
  const auto refusal = [](const Dataset& data, std::vector<PreprocessSpec> specs) {
    return message(fit_preprocess(specs, data));
  };
  const Dataset data = table({1, 2}, 1);
  EXPECT_EQ(refusal(data, {{PreprocessKind::divide, 0, {}}}),
            "preprocess divide: wanted a number other than 0 to divide by, got 0");
  EXPECT_EQ(refusal(data, {{}, {PreprocessKind::one_hot, 0, {}}}),
            "preprocess one_hot: wanted before the steps of numbers, got it as step 2");
  EXPECT_THAT(refusal(image({1}, {1, 1, 1}), {{PreprocessKind::one_hot, 0, {}}}),
              HasSubstr("wanted a table with columns, got images"));
  Dataset empty;
  empty.name = "nothing";
  EXPECT_EQ(refusal(empty, {}), "nothing: wanted samples to fit preprocessing on, got none");
}

TEST(Preprocess, TheTableOfBytesGivesTheSameBitsAsTheArithmetic) {
  std::vector<std::uint8_t> all(256 * 3);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i / 3);
  const Dataset data = image(all, {3, 16, 16});
  const Result<Preprocess> fitted = fit_preprocess(std::vector<PreprocessSpec>{{}, {PreprocessKind::standardise, 0, {}}}, data);
  ASSERT_TRUE(fitted.ok());
  ASSERT_EQ(byte_table(fitted->steps, 3).size(), 768U);
  std::vector<float> plain(all.begin(), all.end());
  apply_steps(fitted->steps, 0, 3, plain.data(), std::ssize(plain));
  EXPECT_EQ(rows(data, *fitted), plain);
}

}  // namespace
}  // namespace soma
