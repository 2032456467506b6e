// every strategy → a run that learns, that threads do not change, and that resumes as it promises.
#include "train/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>

#include "model/scratch.h"
#include "train/small_run.h"

namespace soma {
namespace {

using testing::HasSubstr;

Config with(const std::string& strategy, int threads = 2) {
  Config config = small_config();
  config.train.strategy = strategy;
  config.train.threads = threads;
  config.train.worker_batch = 20;
  if (spreads_samples(strategy)) config.train.workers = 3;
  return config;
}

std::vector<std::string> every_strategy() {
  std::vector<std::string> names;
  for (const Strategy& each : strategies()) names.emplace_back(each.name);
  return names;
}

class EveryStrategy : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] static bool repeats() { return GetParam() != "hogwild"; }
};

TEST_P(EveryStrategy, Learns) {
  const RunData data = run_data(300);
  Config config = with(GetParam());
  config.network.nodes.erase(config.network.nodes.begin() + 4);  // no dropout
  config.train.epochs = 12;
  Trainer trainer = make(config, data);
  const TrainReport report = trainer.run().value();
  EXPECT_EQ(report.history.size(), 12u);
  EXPECT_LT(report.history.back().loss, report.history.front().loss / 2);
  EXPECT_GT(report.history.back().accuracy, 0.9);
}

TEST_P(EveryStrategy, ThreadsDoNotChangeTheResult) {
  const RunData data = run_data();
  Config config = with(GetParam(), 1);
  if (!repeats()) config.train.workers = 1;  // several write over each other as they come
  Trainer one = make(config, data);
  config.train.threads = 5;
  Trainer five = make(config, data);
  finish(one);
  finish(five);
  EXPECT_EQ(weights(one), weights(five));
}

TEST_P(EveryStrategy, ResumesInTheMiddleOfAnEpoch) {
  const RunData data = run_data();
  const Scratch scratch;
  const auto file = scratch / "checkpoint.safetensors";
  Trainer whole = make(with(GetParam()), data), first = make(with(GetParam()), data), second = make(with(GetParam()), data);
  finish(whole);
  for (int i = 0; i < 4; ++i) first.step().value();
  ASSERT_TRUE(first.save(file).ok());
  ASSERT_TRUE(second.restore(file).ok());
  finish(second);
  if (repeats()) {
    EXPECT_EQ(weights(second), weights(whole));
  } else {
    EXPECT_EQ(second.model().parameters.size(), whole.model().parameters.size());
    EXPECT_TRUE(second.finished());
  }
}

TEST_P(EveryStrategy, EveryOptimizerAndASchedule) {
  const RunData data = run_data(60);
  for (const auto kind : {OptimizerConfig::Kind::sgd, OptimizerConfig::Kind::momentum, OptimizerConfig::Kind::adam}) {
    Config config = with(GetParam());
    config.optimizer.kind = kind;
    config.optimizer.clip_norm = 1;
    config.schedule.kind = ScheduleConfig::Kind::one_cycle;
    config.train.epochs = 2;
    Trainer trainer = make(config, data);
    finish(trainer);
    EXPECT_TRUE(trainer.finished());
  }
}

TEST_P(EveryStrategy, SaysWhenItDiverges) {
  const RunData data = run_data();
  Config config = with(GetParam());
  config.optimizer.kind = OptimizerConfig::Kind::sgd;
  config.optimizer.rate = 1e30;
  Trainer trainer = make(config, data);
  for (int i = 0; i < 40; ++i) {
    auto step = trainer.step();
    if (step) continue;
    EXPECT_THAT(step.error().message, HasSubstr("got NaN or infinity"));
    EXPECT_EQ(step.error().kind, Error::Kind::diverged);
    return;
  }
  FAIL() << "no error in 40 steps";
}

INSTANTIATE_TEST_SUITE_P(Strategy, EveryStrategy, testing::ValuesIn(every_strategy()), [](const auto& tested) {
  std::string name = tested.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// They only decide who computes what.
TEST(Strategies, OverOperationsHaveTheBitsOfTheTeam) {
  const RunData data = run_data();
  Trainer team = make(with("team"), data);
  finish(team);
  for (const std::string& name : every_strategy()) {
    if (spreads_samples(name)) continue;
    Trainer other = make(with(name, 3), data);
    finish(other);
    EXPECT_EQ(weights(other), weights(team)) << name;
  }
}

// One worker is no parallelism: the same steps as the team's, up to the rounding of the sums.
TEST(Strategies, OneWorkerTrainsAsTheTeamDoes) {
  const RunData data = run_data();
  Config config = with("team");
  config.network.nodes.erase(config.network.nodes.begin() + 4);  // dropout draws by worker
  Trainer team = make(config, data);
  finish(team);
  const auto want = weights(team);
  for (const char* name : {"data-parallel", "averaging", "hogwild"}) {
    Config one = config;
    one.train.strategy = name;
    one.train.workers = 1;
    one.train.worker_batch = 150;
    Trainer trainer = make(one, data);
    finish(trainer);
    const auto got = weights(trainer);
    for (std::size_t p = 0; p < want.size(); ++p)
      for (std::size_t i = 0; i < want[p].size(); ++i) ASSERT_NEAR(got[p][i], want[p][i], 2e-3) << name;
  }
}

// The gradient of a batch does not care how it was cut: one step of sgd from the same start, three workers or the team.
TEST(Strategies, DataParallelSumsTheWholeGradient) {
  const RunData data = run_data();
  Config config = with("team");
  config.network.nodes.erase(config.network.nodes.begin() + 4);
  config.optimizer.kind = OptimizerConfig::Kind::sgd;
  Config parallel = config;
  parallel.train.strategy = "data-parallel";
  parallel.train.workers = 3;
  Trainer team = make(config, data), workers = make(parallel, data);
  team.step().value();
  workers.step().value();
  const auto want = weights(team), got = weights(workers);
  for (std::size_t p = 0; p < want.size(); ++p)
    for (std::size_t i = 0; i < want[p].size(); ++i) ASSERT_NEAR(got[p][i], want[p][i], 1e-6);
}

// Piece by piece while it is added up, or when all of it is there (a norm that clips nothing asks for that): the same but for
// where the mean's factor is rounded.
TEST(Strategies, DataParallelUsesAGradientUpAsItWouldBeApplied) {
  const RunData data = run_data();
  for (const auto kind : {OptimizerConfig::Kind::momentum, OptimizerConfig::Kind::adam}) {
    Config config = with("data-parallel");
    config.optimizer.kind = kind;
    config.optimizer.weight_decay = 0.01;
    Config kept = config;
    kept.optimizer.clip_norm = 1e9;
    Trainer at_once = make(config, data), later = make(kept, data);
    for (int i = 0; i < 3; ++i) {
      at_once.step().value();
      later.step().value();
    }
    const auto want = weights(later), got = weights(at_once);
    for (std::size_t p = 0; p < want.size(); ++p)
      for (std::size_t i = 0; i < want[p].size(); ++i) ASSERT_NEAR(got[p][i], want[p][i], 1e-4);
  }
}

TEST(Strategies, WeightedMergeMovesFurtherThanTheAverage) {
  const RunData data = run_data();
  Config average = with("averaging"), weighted = with("averaging");
  weighted.train.merge = "weighted";
  const auto start = weights(make(average, data));
  const auto moved = [&](const Config& config) {
    Trainer trainer = make(config, data);
    trainer.step().value();
    const auto now = weights(trainer);
    double sum = 0;
    for (std::size_t p = 0; p < now.size(); ++p)
      for (std::size_t i = 0; i < now[p].size(); ++i) sum += std::abs(static_cast<double>(now[p][i] - start[p][i]));
    return sum;
  };
  // Three copies: factors 1/3 + 1/2 + 1 against 3 · 1/3.
  EXPECT_GT(moved(weighted), 1.3 * moved(average));
  EXPECT_LT(moved(weighted), 11.0 / 6 * 1.3 * moved(average));
}

TEST(Strategies, RefuseWhatTheyCannotDo) {
  const RunData data = run_data();
  const auto refused = [&](const Config& config) {
    auto trainer = Trainer::create(config, data);
    return trainer ? std::string() : trainer.error().message;
  };
  Config config = with("hogwild");
  config.train.accumulate = 2;
  EXPECT_EQ(refused(config), "train.accumulate: wanted 1 with train.strategy = \"hogwild\", got 2");
  config = with("hogwild");
  config.optimizer.kind = OptimizerConfig::Kind::nadam;
  EXPECT_THAT(refused(config), HasSubstr("optimizer.kind: wanted another optimizer"));
  config = with("data-parallel");
  config.network.nodes.insert(config.network.nodes.begin() + 1, {"", BatchNorm{}, {}, {}});
  EXPECT_THAT(refused(config), HasSubstr("wanted a network without batch_norm for data-parallel"));
  config = with("dataparallel");
  EXPECT_EQ(refused(config), "train.strategy: unknown word 'dataparallel'; did you mean 'data-parallel'?");
  config = with("averaging");
  config.train.merge = "median";
  EXPECT_THAT(refused(config), HasSubstr("train.merge: unknown word 'median'"));
  config = with("averaging");
  config.train.workers = -1;
  EXPECT_EQ(refused(config), "train.workers: wanted 0 to 4096, got -1");
}

TEST(Strategies, AveragingTakesBatchNorm) {
  const RunData data = run_data();
  Config config = with("averaging");
  config.network.nodes.insert(config.network.nodes.begin() + 1, {"", BatchNorm{}, {}, {}});
  Trainer trainer = make(config, data);
  finish(trainer);
  EXPECT_TRUE(trainer.finished());
}

TEST(Strategies, WorkersAreResolvedAndKept) {
  const RunData data = run_data();
  Config config = with("data-parallel", 4);
  config.train.workers = 0;
  EXPECT_EQ(make(config, data).config().train.workers, 4);
  config.train.strategy = "team";
  EXPECT_EQ(make(config, data).config().train.workers, 0);
}

}  // namespace
}  // namespace soma
