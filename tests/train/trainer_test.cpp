// small runs → the promises of a trainer: same bits on any threads and after any interruption, no memory asked for, clear ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>

#include "allocations.h"
#include "core/file.h"
#include "core/random.h"
#include "model/scratch.h"
#include "soma/train.h"
#include "train/small_run.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(Trainer, Learns) {
  const RunData data = run_data(300);
  Config config = small_config();
  config.train.epochs = 8;
  Trainer trainer = make(config, data);
  const TrainReport report = trainer.run().value();
  EXPECT_EQ(report.history.size(), 8u);
  EXPECT_GT(report.history.back().accuracy, 0.97);
  EXPECT_LT(report.history.back().loss, report.history.front().loss / 3);
  EXPECT_EQ(report.samples, 300);
  EXPECT_EQ(report.parameters, 4 * 9 + 4 + 36 * 3 + 3);
  EXPECT_EQ(report.flops_per_sample, 2 * 9 * 4 * 36 * 2 + 2 * 36 * 3 * 3);  // the first layer hands no gradient down
}

using Change = void (*)(Config&);
class EveryOptimizer : public testing::TestWithParam<OptimizerConfig::Kind> {};

TEST_P(EveryOptimizer, GivesTheSameBitsOnAnyNumberOfThreadsAndAfterAnInterruption) {
  const RunData data = run_data();
  Config config = small_config();
  config.optimizer.kind = GetParam();
  config.optimizer.l1 = 1e-5;
  config.optimizer.clip_norm = 1;
  config.schedule.kind = ScheduleConfig::Kind::one_cycle;
  config.train.accumulate = 2;
  config.train.threads = 1;
  Trainer whole = make(config, data);
  finish(whole);

  config.train.threads = 3;
  Trainer threaded = make(config, data);
  const Scratch scratch;
  const fs::path checkpoint = scratch / "checkpoint.safetensors";
  for (int step = 0; step < 7; ++step) threaded.step().value();  // into the middle of the second epoch
  threaded.save(checkpoint).value();
  finish(threaded);
  EXPECT_EQ(weights(threaded), weights(whole));

  Trainer resumed = make(config, data);
  resumed.restore(checkpoint).value();
  finish(resumed);
  EXPECT_EQ(weights(resumed), weights(whole));
}

using O = OptimizerConfig::Kind;
INSTANTIATE_TEST_SUITE_P(Kinds, EveryOptimizer,
                         testing::Values(O::sgd, O::momentum, O::nesterov, O::adagrad, O::adadelta, O::rmsprop, O::adam, O::adamw,
                                         O::nadam),
                         [](const auto& of) { return "Kind" + std::to_string(of.index); });

TEST(Trainer, ResumesFromEveryStep) {
  const RunData data = run_data(70, true);
  Config config = small_config();
  config.train.epochs = 2;
  config.data.validation_fraction = 0.1;
  config.train.early_stopping = 5;
  config.schedule.kind = ScheduleConfig::Kind::plateau;
  const Scratch scratch;
  const fs::path checkpoint = scratch / "checkpoint.safetensors";
  Trainer whole = make(config, data);
  finish(whole);
  Trainer walker = make(config, data);
  while (true) {
    walker.save(checkpoint).value();
    Trainer resumed = make(config, data);
    resumed.restore(checkpoint).value();
    finish(resumed);
    ASSERT_EQ(weights(resumed), weights(whole));
    if (walker.finished()) break;
    walker.step().value();
  }
}

TEST(Trainer, AWarmStepAsksForNoMemory) {
  const RunData data = run_data(64 * 6);
  Config config = small_config();
  config.train.batch = 64;
  config.train.threads = 2;
  config.train.worker_batch = 32;
  for (const char* strategy : {"team", "sequential", "data-parallel", "averaging", "hogwild"})
    for (const double clip_norm : {0, 1}) {  // gradients used up at once, and kept until all are there
      config.train.strategy = strategy;
      config.optimizer.clip_norm = clip_norm;
      Trainer trainer = make(config, data);
      trainer.step().value();
      const AllocationCounter counter;
      trainer.step().value();
      EXPECT_EQ(counter.count(), 0) << strategy << ", clip_norm " << clip_norm;
    }
  config.train.strategy = "team";
  config.train.precision = "fp16";
  Trainer half = make(config, data);
  half.step().value();
  const AllocationCounter counter;
  half.step().value();
  EXPECT_EQ(counter.count(), 0);
}

TEST(Trainer, TheEndOfAnEpochAsksForNoMemory) {
  const RunData data = run_data(64);
  Config config = small_config();
  config.train.epochs = 9;
  Trainer trainer = make(config, data);
  trainer.step().value();
  const AllocationCounter counter;
  while (!trainer.finished()) trainer.step().value();
  EXPECT_EQ(counter.count(), 0);
}

TEST(Trainer, ValidationAndKeepingTheBestAskForNoMemory) {
  const RunData data = run_data(64, true);
  Config config = small_config();
  config.data.validation_fraction = 0.3;
  config.loss.class_weights = {1, 2, 3};
  config.loss.label_smoothing = 0.1;
  config.schedule.kind = ScheduleConfig::Kind::plateau;
  config.train.early_stopping = 8;
  config.train.epochs = 9;
  Trainer trainer = make(config, data);
  while (trainer.step().value().epoch < 2) continue;
  const AllocationCounter counter;
  while (!trainer.finished()) trainer.step().value();
  EXPECT_EQ(counter.count(), 0);
}

TEST(Trainer, AccumulatingTwoBatchesIsOneOfTwiceTheSize) {
  const RunData data = run_data(64);
  Config config = small_config();
  config.network.nodes.erase(config.network.nodes.begin() + 4);  // dropout draws per batch
  config.optimizer.kind = O::sgd;
  config.train.epochs = 1;
  config.train.batch = 32;
  Trainer large = make(config, data);
  finish(large);
  config.train.batch = 16;
  config.train.accumulate = 2;
  Trainer small = make(config, data);
  finish(small);
  const auto a = weights(large), b = weights(small);
  for (std::size_t t = 0; t < a.size(); ++t)
    for (std::size_t i = 0; i < a[t].size(); ++i) EXPECT_NEAR(a[t][i], b[t][i], 1e-6);
}

// Clipping at a norm that no gradient reaches changes nothing but the way: gradients are kept until all are known.
TEST(Trainer, AnUpdateOnTheWayHasTheBitsOfOneAtTheEnd) {
  const RunData data = run_data();
  for (const auto kind : {OptimizerConfig::Kind::sgd, OptimizerConfig::Kind::momentum, OptimizerConfig::Kind::nadam}) {
    Config config = small_config();
    config.optimizer.kind = kind;
    config.optimizer.l2 = 1e-3;
    config.network.nodes.insert(config.network.nodes.end() - 1,
                                {Node{"", Linear{150, true}, {}, {}}, Node{"", Linear{20, true}, {}, {}}});
    config.train.threads = 2;
    Trainer on_the_way = make(config, data);
    config.optimizer.clip_norm = 1e30;
    Trainer at_the_end = make(config, data);
    finish(on_the_way);
    finish(at_the_end);
    EXPECT_EQ(weights(on_the_way), weights(at_the_end));
  }
}

TEST(Trainer, StopsEarlyAndKeepsTheBest) {
  const RunData data = run_data(60, true);
  Config config = small_config();
  config.train.epochs = 50;
  config.data.validation_fraction = 0.1;
  config.train.early_stopping = 3;
  config.optimizer.kind = O::sgd;
  config.optimizer.rate = 0;  // nothing improves after the first epoch
  Trainer trainer = make(config, data);
  const TrainReport report = trainer.run().value();
  EXPECT_TRUE(report.stopped_early);
  EXPECT_EQ(report.history.size(), 4u);
  EXPECT_TRUE(report.history.back().validation_loss.has_value());
}

TEST(Trainer, SaysWhereNumbersStoppedBeingFinite) {
  const RunData data = run_data();
  Config config = small_config();
  config.optimizer.kind = O::sgd;
  config.optimizer.rate = 1e30;
  Trainer trainer = make(config, data);
  auto report = trainer.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, Error::Kind::diverged);
  EXPECT_THAT(report.error().message, HasSubstr("train: step "));
  EXPECT_THAT(report.error().message, HasSubstr("'linear1'"));
  EXPECT_THAT(report.error().message, HasSubstr("at rate 1e+30"));
}

TEST(Trainer, StopsWhenAskedAndGoesOnAsIfNothingHappened) {
  const RunData data = run_data();
  const Config config = small_config();
  Trainer whole = make(config, data);
  finish(whole);

  const Scratch scratch;
  const fs::path out = scratch / "stop";
  std::atomic<bool> stop{false};
  int steps = 0;
  TrainHooks hooks;
  hooks.stop = &stop;
  hooks.on_step = [&](const Progress&) { stop = ++steps == 13; };
  Trainer interrupted = make(config, data);
  EXPECT_TRUE(interrupted.run(out, hooks).value().interrupted);
  EXPECT_EQ(steps, 13);
  EXPECT_FALSE(fs::exists(out / "model.onnx"));

  Trainer resumed = make(load_config(out / "config.toml").value(), data);
  resumed.restore(out / "checkpoint.safetensors").value();
  EXPECT_FALSE(resumed.run(out).value().interrupted);
  EXPECT_EQ(weights(resumed), weights(whole));
  EXPECT_TRUE(fs::exists(out / "model.onnx"));
  const std::string history = read_file(out / "history.csv").value();
  EXPECT_THAT(history, testing::StartsWith("epoch,loss,accuracy,validation_loss,validation_accuracy,rate,seconds\n1,"));
  EXPECT_EQ(std::count(history.begin(), history.end(), '\n'), 4);
}

TEST(Trainer, TimesLayersAndIsTheSameAfterwards) {
  const RunData data = run_data();
  Config config = small_config();
  config.network.nodes.insert(config.network.nodes.begin() + 1, Node{"", BatchNorm{}, {}, {}});
  Trainer timed = make(config, data), plain = make(config, data);
  for (int i = 0; i < 3; ++i) {
    timed.step().value();
    plain.step().value();
  }
  const auto times = timed.time_layers(3);
  std::vector<std::string> covered;
  for (const LayerTime& time : times) {
    covered.push_back(time.layers);
    EXPECT_GT(time.forward_seconds, 0) << time.layers;
    EXPECT_GE(time.backward_seconds, 0) << time.layers;
    EXPECT_LT(time.forward_seconds + time.backward_seconds, 5) << time.layers;
  }
  EXPECT_EQ(covered.front(), "conv2d1");
  const std::string all = testing::PrintToString(covered);
  for (const char* layer : {"batch_norm1", "relu1", "max_pool1", "flatten1", "dropout1", "linear1"})
    EXPECT_THAT(all, HasSubstr(layer)) << "every layer is in some row";
  finish(timed);
  finish(plain);
  EXPECT_EQ(weights(timed), weights(plain));
}

TEST(Trainer, ShowsParametersAndGradientsOfTheLastStep) {
  const RunData data = run_data();
  Config config = small_config();
  config.optimizer.kind = OptimizerConfig::Kind::sgd;
  config.optimizer.rate = 0.5;
  config.train.batch = data.train.count;  // an epoch of one step
  Trainer trainer = make(config, data);
  const auto before = trainer.parameters();
  trainer.step().value();
  const auto after = trainer.parameters(), gradients = trainer.gradients();
  ASSERT_EQ(gradients.size(), after.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(gradients[i].name, after[i].name);
    EXPECT_EQ(gradients[i].shape, after[i].shape);
    for (std::size_t j = 0; j < after[i].values.size(); ++j)
      EXPECT_NEAR(after[i].values[j], before[i].values[j] - 0.5F * gradients[i].values[j], 1e-6) << after[i].name;
  }
}

TEST(Trainer, RefusesTheCheckpointOfAnotherConfig) {
  const RunData data = run_data();
  Config config = small_config();
  const Scratch scratch;
  const fs::path checkpoint = scratch / "checkpoint.safetensors";
  make(config, data).save(checkpoint).value();
  config.train.threads = 2;
  config.train.epochs = 9;
  EXPECT_TRUE(make(config, data).restore(checkpoint));
  config.optimizer.rate = 0.5;
  Trainer other = make(config, data);
  auto restored = other.restore(checkpoint);
  ASSERT_FALSE(restored);
  EXPECT_THAT(restored.error().message, HasSubstr("wanted the checkpoint of this config, got one of another"));
}

TEST(Trainer, ChecksTheConfigAgainstTheData) {
  const auto message = [](Change change, RunData data) {
    Config config = small_config();
    change(config);
    auto trainer = Trainer::create(config, data);
    return trainer ? std::string("no error") : trainer.error().message;
  };
  EXPECT_EQ(message(
                [](Config& c) {
                  c.network.nodes.back().layer = Linear{7, true};
                },
                run_data()),
            "network: wanted 3 outputs, one for each class of the data, got 7; try out = \"classes\"");
  EXPECT_EQ(message(
                [](Config& c) {
                  c.network.input = {1, 28, 28};
                },
                run_data()),
            "network: wanted samples of 1×28×28, got 1×8×8 from bands; try leaving network.input out");
  EXPECT_THAT(message([](Config& c) { c.loss.class_weights = {1, 2}; }, run_data()), HasSubstr("wanted 3 class_weights"));
  RunData empty = run_data();
  empty.train = bands(0, 1);
  EXPECT_EQ(message([](Config&) {}, empty), "bands: wanted at least one training sample, got none");
}

}  // namespace
}  // namespace soma
