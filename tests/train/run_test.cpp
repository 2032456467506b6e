// small runs → what a run keeps, counts and leaves alone from one step to the next, each seen in its numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/scratch.h"
#include "train/small_run.h"

namespace soma {
namespace {

using Kind = OptimizerConfig::Kind;

std::vector<std::vector<float>> arrays(const std::vector<Tensor>& tensors) {
  std::vector<std::vector<float>> all;
  for (const Tensor& t : tensors) all.push_back(t.values);
  return all;
}

Config without_dropout() {
  Config config = small_config();
  config.network.nodes.erase(config.network.nodes.begin() + 4);
  config.augment = {};
  return config;
}

TEST(Run, KeepsTheBestWeightsNotTheLastOnesAndResumesWithThem) {
  const RunData data = run_data(60, true);
  Config config = without_dropout();
  config.optimizer.kind = Kind::sgd;
  config.optimizer.rate = 1.5;  // so high that the loss soon goes up and down
  config.train.epochs = 40;
  config.train.early_stopping = 3;
  config.data.validation_fraction = 0.1;
  Trainer trainer = make(config, data);
  const Scratch scratch;
  std::vector<std::vector<std::vector<float>>> after;
  TrainHooks hooks;
  hooks.on_epoch = [&](const EpochRecord&) { after.push_back(arrays(trainer.parameters())); };
  const TrainReport report = trainer.run(scratch / "out", hooks).value();
  ASSERT_TRUE(report.stopped_early);
  const auto best = std::min_element(
      report.history.begin(), report.history.end(),
      [](const EpochRecord& a, const EpochRecord& b) { return a.validation_loss.value() < b.validation_loss.value(); });
  const auto number = static_cast<std::size_t>(best - report.history.begin());
  ASSERT_EQ(number + 4, after.size()) << "three worse epochs, then the end";
  EXPECT_EQ(arrays(report.model.parameters), after[number]);
  EXPECT_NE(arrays(report.model.parameters), after.back());
  EXPECT_EQ(arrays(read_onnx(scratch / "out" / "model.onnx").value().parameters), after[number]);

  Trainer resumed = make(config, data);
  resumed.restore(scratch / "out" / "checkpoint.safetensors").value();
  EXPECT_TRUE(resumed.finished());
  EXPECT_EQ(weights(resumed), after[number]);
  EXPECT_EQ(arrays(resumed.parameters()), after.back());
}

TEST(Run, BetterIsBetterByMoreThanMinDelta) {
  const RunData data = run_data(60, true);
  Config config = without_dropout();
  config.optimizer.kind = Kind::sgd;
  config.optimizer.rate = 0.01;  // every epoch is a little better
  config.train.epochs = 6;
  config.train.early_stopping = 2;
  config.data.validation_fraction = 0.1;
  EXPECT_EQ(make(config, data).run().value().history.size(), 6U);
  config.train.min_delta = 0.5;
  EXPECT_EQ(make(config, data).run().value().history.size(), 3U) << "the first, and two that are not enough better";
}

TEST(Run, PlateauRemembersAcrossAResume) {
  const RunData data = run_data(48);
  Config config = without_dropout();
  config.optimizer.kind = Kind::sgd;
  config.optimizer.rate = 1e-7;  // too little for a loss that counts as better
  config.schedule.kind = ScheduleConfig::Kind::plateau;
  config.schedule.factor = 0.5;
  config.schedule.patience = 1;
  config.train.batch = 48;
  config.train.epochs = 8;
  const Scratch scratch;
  Trainer whole = make(config, data);
  const std::vector<EpochRecord> history = whole.run().value().history;
  // The first epoch is the best; one more is forgiven, the next lowers the rate of the one behind it.
  std::vector<double> rates;
  for (const EpochRecord& epoch : history) rates.push_back(epoch.rate / 1e-7);
  EXPECT_THAT(rates, testing::Pointwise(testing::DoubleNear(1e-12), std::vector<double>{1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125}));
  for (int stop = 1; stop < 8; ++stop) {
    Trainer first = make(config, data), second = make(config, data);
    for (int i = 0; i < stop; ++i) first.step().value();
    first.save(scratch / "checkpoint").value();
    second.restore(scratch / "checkpoint").value();
    const std::vector<EpochRecord> resumed = second.run().value().history;
    for (std::size_t i = 0; i < 8; ++i)
      EXPECT_EQ(resumed[i].rate, history[i].rate) << "stopped after " << stop << ", epoch " << i + 1;
    EXPECT_EQ(weights(second), weights(whole));
  }
}

// One step of sgd at clip_norm is rate·clip_norm long, over all 100 000 parameters.
TEST(Run, ClipsTheLengthOfEveryParametersGradientTogether) {
  const RunData data = run_data(16);
  Config config = without_dropout();
  config.network.nodes = {{"", Flatten{}, {}, {}}, {"", Linear{1500, true}, {}, {}}, {"", Linear{0, true}, {}, {}}};
  config.optimizer.kind = Kind::sgd;
  config.optimizer.rate = 1;
  config.optimizer.clip_norm = 0.25;
  config.train.epochs = 1;
  for (const char* strategy : {"team", "data-parallel", "averaging"}) {
    config.train.strategy = strategy;
    config.train.workers = config.train.strategy == "team" ? 0 : 1;
    Trainer trainer = make(config, data);
    const auto before = arrays(trainer.parameters());
    trainer.step().value();
    const auto after = arrays(trainer.parameters());
    double square = 0;
    for (std::size_t t = 0; t < after.size(); ++t)
      for (std::size_t i = 0; i < after[t].size(); ++i) square += std::pow(static_cast<double>(after[t][i]) - before[t][i], 2);
    EXPECT_NEAR(std::sqrt(square), 0.25, 0.25 * 1e-3) << strategy;
  }
}

TEST(Run, PenaltiesReachWeightsAndNothingElse) {
  const RunData data = run_data(32);
  Config plain = without_dropout();
  plain.network.init = {Init::Kind::uniform, Init::Distribution::uniform, -0.5, 0.5};  // biases too
  plain.network.nodes.insert(plain.network.nodes.begin() + 1, Node{"", BatchNorm{}, {}, {}});
  plain.optimizer.kind = Kind::sgd;
  plain.optimizer.rate = 0.1;
  plain.train.epochs = 1;
  plain.train.batch = 32;
  plain.train.worker_batch = 32;
  const auto check = [&](const char* how) {
    Config penalised = plain;
    penalised.optimizer.l1 = 0.1;
    penalised.optimizer.l2 = 0.5;
    Trainer a = make(plain, data), b = make(penalised, data);
    a.step().value();
    b.step().value();
    const auto left = a.parameters(), right = b.parameters();
    for (std::size_t t = 0; t < left.size(); ++t) {
      const bool weight = left[t].name.ends_with(".weight") && !left[t].name.starts_with("batch_norm");
      EXPECT_EQ(left[t].values != right[t].values, weight) << how << ": " << left[t].name;
    }
  };
  check("with the gradient");
  plain.optimizer.clip_norm = 1e30;
  check("after all gradients");
  plain.train.strategy = "averaging";
  plain.train.workers = 1;
  check("averaging");
  plain.network.nodes.erase(plain.network.nodes.begin() + 1);
  plain.train.strategy = "data-parallel";
  check("data-parallel, after all gradients");
  plain.optimizer.clip_norm = 0;
  plain.train.batch = 16;  // the epoch's last batch keeps its gradient
  check("data-parallel, with the gradient");
}

// The same sample over and over, at a rate of 0: what differs between losses is what dropout dropped.
TEST(Run, DropoutDropsOtherNumbersInEveryBatchAndEpoch) {
  RunData data = run_data(32);
  for (std::size_t i = 0; i < data.train.bytes.size(); ++i) data.train.bytes[i] = data.train.bytes[i % 64];
  std::fill(data.train.labels.begin(), data.train.labels.end(), 0);
  Config config = small_config();
  config.augment = {};
  config.optimizer.rate = 0;
  config.train.epochs = 2;
  config.train.batch = 2;
  for (const char* strategy : {"team", "data-parallel", "averaging"}) {
    config.train.strategy = strategy;
    config.train.workers = config.train.strategy == "team" ? 0 : 2;
    config.train.worker_batch = 2;
    Trainer trainer = make(config, data);
    std::vector<double> sums;  // of the loss, after each step
    while (!trainer.finished()) {
      const Progress progress = trainer.step().value();
      sums.push_back(progress.loss * static_cast<double>(progress.samples));
    }
    const std::size_t epoch = sums.size() / 2;
    EXPECT_GT(std::abs(sums[1] - 2 * sums[0]), 1e-3) << strategy << ": two batches";
    EXPECT_GT(std::abs(sums[epoch] - sums[0]), 1e-3) << strategy << ": the first of two epochs";
    EXPECT_GT(std::abs(sums[2 * epoch - 1] - sums[epoch - 1]), 1e-3) << strategy << ": two epochs";
  }
}

// At a rate of 0 each worker's running mean moves by momentum times the mean of its half; together, by that of the whole.
TEST(Run, AveragingMergesRunningStatistics) {
  const RunData data = run_data(32);
  Config config = without_dropout();
  config.network.nodes.insert(config.network.nodes.begin() + 1, Node{"", BatchNorm{}, {}, {}});
  config.optimizer.rate = 0;
  config.train.epochs = 1;
  config.train.batch = 32;
  Trainer whole = make(config, data);
  whole.step().value();
  config.train.batch = 16;
  config.train.strategy = "averaging";
  config.train.workers = 2;
  config.train.worker_batch = 16;
  Trainer halves = make(config, data);
  halves.step().value();
  const auto wanted = whole.parameters(), got = halves.parameters();
  int seen = 0;
  for (std::size_t t = 0; t < wanted.size(); ++t)
    for (std::size_t i = 0; i < wanted[t].values.size(); ++i)
      if (wanted[t].name.ends_with("running_mean")) {
        EXPECT_NEAR(got[t].values[i], wanted[t].values[i], 1e-6) << i;
        seen += std::abs(wanted[t].values[i]) > 1e-3 ? 1 : 0;
      }
  EXPECT_GE(seen, 3) << "means that are not 0";
}

}  // namespace
}  // namespace soma
