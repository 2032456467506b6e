// small runs → what training means: which loss is watched, what a weight of 0 asks for, what one sample cannot say, when a rate
// falls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/optimizer.h"
#include "train/small_run.h"
#include "train/strategy.h"

namespace soma {
namespace {

using testing::HasSubstr;
using Kind = OptimizerConfig::Kind;

/// Rows of one number each, of classes a, b, … by `labels`.
RunData table(const std::vector<float>& x, const std::vector<std::int32_t>& labels) {
  RunData data;
  Dataset& rows = data.train;
  rows.name = "table";
  rows.shape = {1};
  rows.count = static_cast<std::int64_t>(x.size());
  rows.floats = x;
  rows.labels = labels;
  rows.class_names = {"a", "b"};
  data.test = rows;
  return data;
}

Config linear_config(std::int64_t batch) {
  Config config;
  config.name = "linear";
  config.data.train = "table";
  config.network.nodes = {{"", Linear{0, true}, {}, {}}};
  config.optimizer.kind = Kind::sgd;
  config.optimizer.rate = 0.1;
  config.train.batch = batch;
  config.train.epochs = 1;
  config.train.threads = 1;
  return config;
}

std::string complaint(const Config& config, const RunData& data) {
  auto trainer = Trainer::create(config, data);
  return trainer ? std::string("none") : trainer.error().message;
}

void expect_near(const Trainer& a, const Trainer& b, double bound) {
  const auto left = weights(a), right = weights(b);
  for (std::size_t t = 0; t < left.size(); ++t)
    for (std::size_t i = 0; i < left[t].size(); ++i) EXPECT_NEAR(left[t][i], right[t][i], bound) << "array " << t << ", " << i;
}

// The first step of each is rate·g/√((1 − β)·g²) and the like: what is lost of 1 − β shows at once.
TEST(Semantics, WhatABetaNearOneLeavesIsNotRounded) {
  constexpr double kBeta = 1 - 1e-7, kRate = 0.01;
  OptimizerConfig config;
  config.rate = kRate;
  config.beta2 = config.alpha = config.rho = kBeta;
  config.epsilon = 0;
  for (const Kernels<float>* kernels : usable_kernels())
    for (const Kind kind : {Kind::adam, Kind::rmsprop}) {
      config.kind = kind;
      OptimizerState state;
      std::vector<float> w(7), g(7, 0.5F), s0(7), s1(7);
      kernels->update(update_for<float>(config, state, {1, kRate, {}, 1}), w.data(), g.data(), s0.data(), s1.data(), 7);
      const double first = kind == Kind::rmsprop ? kRate / std::sqrt(1 - kBeta) : kRate;
      for (const float each : w)
        EXPECT_NEAR(each, -first, first * 1e-6) << kernels->target << ", kind " << static_cast<int>(kind);
      EXPECT_NEAR((kind == Kind::rmsprop ? s0 : s1)[0], 1e-7 * 0.25, 1e-7 * 0.25 * 1e-6);
    }
  config.kind = Kind::adadelta;
  config.epsilon = 1e-20;
  for (const Kernels<float>* kernels : usable_kernels()) {
    OptimizerState state;
    std::vector<float> w(7), g(7, 0.5F), s0(7), s1(7);
    kernels->update(update_for<float>(config, state, {1, 1, {}, 1}), w.data(), g.data(), s0.data(), s1.data(), 7);
    EXPECT_NEAR(s0[0], 1e-7 * 0.25, 1e-7 * 0.25 * 1e-6) << kernels->target;
  }
}

TEST(Semantics, ABatchWhoseLabelsWeighNothingMovesNothing) {
  const RunData with = table({3, 4}, {1, 1}), both = table({1, 2, 3}, {0, 0, 1});
  Config config = linear_config(2);
  config.loss.class_weights = {1, 0};
  EXPECT_EQ(
      complaint(config, with),
      "loss.class_weights: wanted a weight above 0 for at least one sample of table, got 0 for all of them; try other weights or "
      "more samples");
  config.train.epochs = 4;  // some epochs end with the sample that weighs nothing
  for (const char* strategy : {"team", "data-parallel", "averaging", "hogwild"}) {
    config.train.strategy = strategy;
    config.train.workers = spreads_samples(strategy) ? 2 : 0;
    Trainer trainer = make(config, both);
    const TrainReport report = trainer.run().value();
    for (const auto& array : weights(trainer))
      for (const float each : array) EXPECT_TRUE(std::isfinite(each)) << strategy;
    for (const EpochRecord& epoch : report.history) EXPECT_TRUE(std::isfinite(epoch.loss)) << strategy;
  }
}

// Parts of a batch may weigh nothing where the whole does not, and the smoothed share of other classes is still theirs.
TEST(Semantics, WorkersSharesOfABatchAreItsWholeHoweverLittleTheyWeigh) {
  const RunData data = table({1, 2, 3, -1, 5, 2, 7, -3}, {1, 1, 0, 1, 1, 1, 1, 0});
  for (const double smoothing : {0.0, 0.3}) {
    Config config = linear_config(4);
    config.loss.class_weights = {1, 0};
    config.loss.label_smoothing = smoothing;
    config.train.epochs = 3;
    Trainer whole = make(config, data);
    finish(whole);
    config.train.strategy = "data-parallel";
    config.train.workers = 4;
    Trainer shared = make(config, data);
    finish(shared);
    expect_near(whole, shared, 1e-6);
    config.optimizer.clip_norm = 1e30;  // gradients kept until all are known
    Trainer kept = make(config, data);
    finish(kept);
    expect_near(whole, kept, 1e-6);
  }
}

TEST(Semantics, BatchNormOverFeaturesWantsTwoSamplesInEveryBatch) {
  const RunData data = table({1, 2, 3, 4, 5}, {0, 1, 0, 1, 0});
  Config config = linear_config(1);
  config.network.nodes.insert(config.network.nodes.begin(), {Node{"", Linear{4, false}, {}, {}}, Node{"", BatchNorm{}, {}, {}}});
  EXPECT_EQ(
      complaint(config, data),
      "train.batch: wanted at least 2 samples in every batch, whose variance batch norm 'batch_norm1' works out, got 1 in the "
      "last of 5 samples in batches of 1; try 3");
  config.train.batch = 2;
  EXPECT_THAT(complaint(config, data), HasSubstr("got 1 in the last of 5 samples in batches of 2; try 3"));
  config.train.batch = 4;
  EXPECT_THAT(complaint(config, data), HasSubstr("got 1 in the last of 5 samples in batches of 4; try 5"));
  for (const std::int64_t batch : {3, 5, 64}) {
    config.train.batch = batch;
    EXPECT_EQ(complaint(config, data), "none") << batch;
  }
  config.train.strategy = "averaging";
  config.train.workers = 2;
  config.train.worker_batch = 4;  // the second worker has one
  EXPECT_THAT(complaint(config, data), HasSubstr("more samples for each worker"));
  config.train.worker_batch = 3;
  EXPECT_EQ(complaint(config, data), "none");

  Config images = small_config();  // an image has a variance of its own
  images.network.nodes.insert(images.network.nodes.begin() + 1, Node{"", BatchNorm{}, {}, {}});
  images.train.batch = 1;
  EXPECT_EQ(complaint(images, run_data(4)), "none");
}

TEST(Semantics, AveragingStepsTheScheduleAtTheEndOfEachEpoch) {
  const RunData data = table({0, 1, 2, 3, 4, 5, 6, 7, 8}, {0, 1, 0, 1, 0, 1, 0, 1, 0});
  Config config = linear_config(2);
  config.optimizer.rate = 0.001;
  config.schedule.kind = ScheduleConfig::Kind::step;
  config.schedule.gamma = 0.5;
  config.schedule.every = 1;
  config.train.epochs = 9;
  config.train.strategy = "averaging";
  config.train.workers = 2;
  for (const std::int64_t worker_batch : {1, 3, 4, 5, 20}) {
    config.train.worker_batch = worker_batch;
    Trainer trainer = make(config, data);
    const TrainReport report = trainer.run().value();
    for (const EpochRecord& epoch : report.history)
      EXPECT_DOUBLE_EQ(epoch.rate, 0.001 * std::pow(0.5, epoch.epoch - 1)) << worker_batch << ", epoch " << epoch.epoch;
  }
}

TEST(Semantics, AFloorAboveTheRateIsNoFloor) {
  Config config = linear_config(2);
  config.schedule.min_rate = 0.2;
  EXPECT_TRUE(check_config(config)) << "constant has no floor";
  for (const auto kind : {ScheduleConfig::Kind::plateau, ScheduleConfig::Kind::cosine}) {
    config.schedule.kind = kind;
    ASSERT_FALSE(check_config(config));
    EXPECT_EQ(check_config(config).error().message, "schedule.min_rate: wanted at most optimizer.rate 0.1, got 0.2");
  }
}

// At a rate of 0 both losses are of the same network: with the same samples they are the same number.
TEST(Semantics, ValidationLossIsTheLossTheRunMakesSmall) {
  RunData data = run_data(48);
  data.validation = data.train;
  Config config = small_config();
  config.augment = {};
  config.network.nodes.erase(config.network.nodes.begin() + 4);  // no dropout
  config.loss.label_smoothing = 0.3;
  config.loss.class_weights = {1, 4, 0.5};
  config.optimizer.rate = 0;
  config.data.validation_fraction = 0.5;
  config.train.epochs = 1;
  const TrainReport report = make(config, data).run().value();
  EXPECT_NEAR(report.history[0].validation_loss.value(), report.history[0].loss, 1e-6);
  EXPECT_EQ(report.history[0].validation_accuracy, report.history[0].accuracy);
}

TEST(Semantics, ARunInHalfPrecisionThatTookNoStepFails) {
  RunData data = run_data(32);
  data.preprocess.steps[0].divisor = {1};  // times a scaled gradient: beyond the largest half
  Config config = small_config();
  config.train.epochs = 1;
  config.train.precision = "fp16";
  auto report = make(config, data).run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, Error::Kind::diverged);
  EXPECT_EQ(report.error().message,
            "train: wanted at least one step with a finite gradient, got none of 2 in half precision; try more epochs, or "
            "train.precision = \"fp32\"");
  config.train.epochs = 20;
  Trainer longer = make(config, data);
  const TrainReport settled = longer.run().value();
  EXPECT_GT(settled.left_out_steps, 2);
  EXPECT_EQ(settled.steps + settled.left_out_steps, 40);
}

}  // namespace
}  // namespace soma
