// schedules and positions → the rates PyTorch's schedulers give, step by step.
#include "train/schedule.h"

#include <cmath>

#include "golden/golden.h"

namespace soma {
namespace {

using Kind = ScheduleConfig::Kind;

TEST(Schedule, FollowsPyTorch) {
  for (const golden::Json& c : golden::load("schedules")) {
    const ScheduleConfig config = golden::schedule(c["config"]);
    Position at{0, c["steps_per_epoch"], c["epochs"]};
    PlateauState plateau;
    for (; at.step < at.steps_per_epoch * at.epochs; ++at.step) {
      const auto step = static_cast<std::size_t>(at.step);
      if (c.contains("losses") && at.step > 0 && at.step % at.steps_per_epoch == 0)
        observe_loss(config, c["losses"][static_cast<std::size_t>(at.step / at.steps_per_epoch - 1)], plateau);
      EXPECT_NEAR(rate_at(config, c["rate"], at, plateau), c["rates"][step].get<double>(), 1e-12)
          << c["config"].dump() << ", step " << step;
      if (c.contains("momentums"))
        EXPECT_NEAR(momentum_at(config, at).value(), c["momentums"][step].get<double>(), 1e-12)
            << c["config"].dump() << ", step " << step;
      else
        EXPECT_EQ(momentum_at(config, at), std::nullopt);
    }
  }
}

TEST(Schedule, GoldenCasesCoverEveryKind) {
  std::vector<int> seen(6);
  for (const golden::Json& c : golden::load("schedules")) ++seen[static_cast<std::size_t>(golden::schedule(c["config"]).kind)];
  for (const int count : seen) EXPECT_GE(count, 1);
}

TEST(Schedule, WarmUpIsALineThatEndsAtTheSchedule) {
  ScheduleConfig config;
  config.warmup_epochs = 2;
  for (std::int64_t step = 0; step < 20; ++step) {
    const double wanted = step < 8 ? 0.5 * static_cast<double>(step + 1) / 8 : 0.5;
    EXPECT_DOUBLE_EQ(rate_at(config, 0.5, {step, 4, 5}, {}), wanted) << step;
  }
}

TEST(Schedule, CosineStaysDownOnceItIsOver) {
  ScheduleConfig config;
  config.kind = Kind::cosine;
  config.over = 4;
  config.min_rate = 0.125;
  EXPECT_DOUBLE_EQ(rate_at(config, 1, {0, 1, 10}, {}), 1);
  EXPECT_DOUBLE_EQ(rate_at(config, 1, {2, 1, 10}, {}), 0.5625);
  EXPECT_DOUBLE_EQ(rate_at(config, 1, {4, 1, 10}, {}), 0.125);
  EXPECT_DOUBLE_EQ(rate_at(config, 1, {9, 1, 10}, {}), 0.125);
}

TEST(Schedule, OneCycleIsFiniteHoweverShortTheRun) {
  ScheduleConfig config;
  config.kind = Kind::one_cycle;
  for (const double peak_at : {0.0, 0.3, 0.5, 1.0})
    for (std::int64_t total = 1; total <= 6; ++total)
      for (std::int64_t step = 0; step <= total; ++step) {
        config.peak_at = peak_at;
        const double rate = rate_at(config, 0.5, {step, total, 1}, {});
        EXPECT_TRUE(rate > 0 && rate <= 0.5) << peak_at << ", step " << step << " of " << total << ": " << rate;
        const double momentum = momentum_at(config, {step, total, 1}).value();
        EXPECT_TRUE(momentum >= 0.85 && momentum <= 0.95) << momentum;
      }
}

TEST(Schedule, OneCycleMayLeaveMomentumAlone) {
  ScheduleConfig config;
  config.kind = Kind::one_cycle;
  config.momentum_low = config.momentum_high = 0;
  EXPECT_EQ(momentum_at(config, {3, 10, 1}), std::nullopt);
}

TEST(Schedule, PlateauTakesNanForNoProgress) {
  ScheduleConfig config;
  config.kind = Kind::plateau;
  config.factor = 0.5;
  config.patience = 1;
  PlateauState plateau;
  observe_loss(config, 1.0, plateau);
  observe_loss(config, NAN, plateau);
  EXPECT_EQ(rate_at(config, 1, {}, plateau), 1);
  observe_loss(config, NAN, plateau);
  EXPECT_EQ(rate_at(config, 1, {}, plateau), 0.5);
  EXPECT_EQ(plateau, (PlateauState{1.0, 0, 1}));
}

}  // namespace
}  // namespace soma
