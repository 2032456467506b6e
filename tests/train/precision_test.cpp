// a run in half precision → what single precision would give, nearly; steps left out on overflow; the same bits as ever.
#include <gmock/gmock.h>

#include <cmath>

#include "kernels/half.h"
#include "model/scratch.h"
#include "train/loss_scale.h"
#include "train/small_run.h"

namespace soma {
namespace {

using testing::HasSubstr;

Config half_config() {
  Config config = small_config();
  config.train.precision = "fp16";
  return config;
}

/// Targets whose gradients leave half precision at the first loss scale.
Config overflowing_config(double code) {
  Config config = half_config();
  config.loss.kind = LossConfig::Kind::quadratic;
  config.loss.codes = {-code, 0, code};
  return config;
}

TEST(LossScale, HalvesAtOnceAndDoublesWithPatience) {
  LossScale scale;
  EXPECT_EQ(scale.value, 65536);
  scale.after(false);
  scale.after(false);
  EXPECT_EQ(scale.value, 16384);
  for (int i = 1; i < LossScale::kPatience; ++i) scale.after(true);
  EXPECT_EQ(scale.value, 16384);
  scale.after(true);
  EXPECT_EQ(scale.value, 32768);
  scale.after(true);
  scale.after(false);
  EXPECT_EQ(scale.value, 16384);
  EXPECT_EQ(scale.good_steps, 0);
}

/// The length of the difference between the first step's gradients in half and in single precision, as a part of the latter's.
double distance(Config config) {
  const RunData data = run_data(config.train.batch);  // an epoch of one step
  config.train.precision = "fp16";
  Trainer half = make(config, data);
  config.train.precision = "fp32";
  Trainer single = make(config, data);
  half.step().value();
  single.step().value();
  const std::vector<Tensor> g = half.gradients(), wanted = single.gradients();
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < g.size(); ++i)
    for (std::size_t k = 0; k < g[i].values.size(); ++k) {
      difference += std::pow(static_cast<double>(g[i].values[k]) - static_cast<double>(wanted[i].values[k]), 2);
      size += std::pow(static_cast<double>(wanted[i].values[k]), 2);
    }
  return std::sqrt(difference / size);
}

// A block of 32 products is off by 34·2⁻¹¹ of its size at most: were every rounding the worst, no product could be further off
// than that. Rounding averages out, so a network of several products should stay within one such share.
TEST(HalfPrecision, GradientsAreNearThoseOfSinglePrecision) {
  const double share = (kHalfBlock + 2) * 0x1p-11;
  EXPECT_LT(distance(small_config()), share);
  EXPECT_GT(distance(small_config()), 0);
  Config dense =
      small_config();  // every product there is: convolutions without a pool, and rows enough for the weights' transpose
  dense.train.batch = 40;
  dense.network.nodes = {{"", Conv2d{.out = 6, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}},
                         {"", Activation{Activation::Kind::tanh, 0}, {}, {}},
                         {"", Conv2d{.out = 20, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .groups = 2}, {}, {}},
                         {"", Activation{Activation::Kind::relu, 0}, {}, {}},
                         {"", Flatten{}, {}, {}},
                         {"", Linear{50, true}, {}, {}},
                         {"", Activation{Activation::Kind::relu, 0}, {}, {}},
                         {"", Linear{0, true}, {}, {}}};
  EXPECT_LT(distance(dense), share);
  EXPECT_GT(distance(dense), 0);
}

TEST(HalfPrecision, LearnsWhatThereIsToLearn) {
  const RunData data = run_data(300);
  for (const char* strategy : {"team", "spawn", "data-parallel"}) {
    Config config = half_config();
    config.train.strategy = strategy;
    config.train.workers = 2;
    Trainer trainer = make(config, data);
    const TrainReport report = trainer.run().value();
    EXPECT_LT(report.history.back().loss, report.history.front().loss / 3) << strategy;
  }
}

TEST(HalfPrecision, GivesTheSameBitsOnAnyNumberOfThreadsAndAfterAnInterruption) {
  const RunData data = run_data();
  for (const bool overflows : {false, true}) {
    Config config = overflows ? overflowing_config(3e4) : half_config();
    config.optimizer.clip_norm = 1;
    config.train.accumulate = overflows ? 1 : 2;
    config.train.threads = 1;
    Trainer whole = make(config, data);
    finish(whole);

    config.train.threads = 3;
    Trainer threaded = make(config, data);
    const Scratch scratch;
    const auto checkpoint = scratch / "checkpoint.safetensors";
    for (int step = 0; step < 7; ++step) threaded.step().value();  // among the steps left out, when it overflows
    threaded.save(checkpoint).value();
    finish(threaded);
    EXPECT_EQ(weights(threaded), weights(whole));

    Trainer resumed = make(config, data);
    resumed.restore(checkpoint).value();
    finish(resumed);
    EXPECT_EQ(weights(resumed), weights(whole));
  }
}

TEST(HalfPrecision, AStepThatOverflowsIsLeftOutAndTheScaleRecovers) {
  const RunData data = run_data();
  Trainer trainer = make(overflowing_config(3e4), data);
  const auto first = weights(trainer);
  // The gradient of an output is up to 2·3·10⁴/16: only below 2⁵ does that times the scale fit half precision, 11 halvings on.
  for (int step = 0; step < 11; ++step) {
    trainer.step().value();
    ASSERT_EQ(weights(trainer), first) << step;
  }
  finish(trainer);
  EXPECT_NE(weights(trainer), first);
}

TEST(HalfPrecision, AGradientThatNoScaleBringsBackIsAnError) {
  const RunData data = run_data();
  Config config = overflowing_config(3e18);
  config.train.epochs = 10;
  Trainer trainer = make(config, data);
  while (!trainer.finished())
    if (const auto done = trainer.step(); !done) {
      EXPECT_EQ(done.error().kind, Error::Kind::diverged);
      EXPECT_THAT(done.error().message, HasSubstr("wanted a finite gradient, got NaN or infinity at any loss scale"));
      return;
    }
  FAIL() << "a run with infinite gradients went on to its end";
}

TEST(HalfPrecision, ACheckpointOfTheOtherPrecisionIsRefused) {
  const RunData data = run_data();
  const Scratch scratch;
  const auto checkpoint = scratch / "checkpoint.safetensors";
  Trainer half = make(half_config(), data), single = make(small_config(), data);
  single.save(checkpoint).value();
  EXPECT_THAT(half.restore(checkpoint).error().message, HasSubstr("got a file without 'loss_scale"));
  half.save(checkpoint).value();
  EXPECT_THAT(single.restore(checkpoint).error().message, HasSubstr("wanted the checkpoint of this config"));
}

}  // namespace
}  // namespace soma
