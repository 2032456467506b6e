// optimizer configs and gradients → the weights PyTorch's optimizers reach, step by step.
#include "train/optimizer.h"

#include <cmath>

#include "golden/golden.h"

namespace soma {
namespace {

using Kind = OptimizerConfig::Kind;

template <class T>
void follow(const golden::Json& c, const Kernels<T>& kernels, double tolerance) {
  const OptimizerConfig config = golden::optimizer(c["config"]);
  const std::int64_t n = c["n"];
  std::vector<T> w = golden::values<T>(c["weights"]), s0(w.size()), s1(w.size());
  OptimizerState state;
  for (std::size_t i = 0; i < c["after"].size(); ++i) {
    const std::vector<T> g = golden::values<T>(c["gradients"][i]);
    StepRequest request;
    request.step = static_cast<std::int64_t>(i) + 1;
    request.rate = c.contains("rates") ? c["rates"][i].get<double>() : config.rate;
    if (c.contains("momentums")) request.momentum = c["momentums"][i].get<double>();
    request.gradient_scale = clip_scale(config.clip_norm, std::sqrt(kernels.sum_squares(g.data(), n)));
    kernels.update(update_for<T>(config, state, request), w.data(), g.data(), s0.data(), s1.data(), n);
    const std::vector<double> wanted = golden::values(c["after"][i]);
    for (std::size_t k = 0; k < w.size(); ++k)
      ASSERT_NEAR(static_cast<double>(w[k]), wanted[k], tolerance)
          << c["config"].dump() << ", step " << i + 1 << ", weight " << k;
  }
}

TEST(Optimizer, DoubleReferenceFollowsPyTorch) {
  for (const golden::Json& c : golden::load("optimizers")) follow(c, reference_kernels<double>(), 1e-11);
}

TEST(Optimizer, EveryTargetFollowsPyTorch) {
  for (const Kernels<float>* kernels : usable_kernels())
    for (const golden::Json& c : golden::load("optimizers")) follow(c, *kernels, 2e-6);
}

TEST(Optimizer, GoldenCasesCoverEveryKind) {
  std::vector<int> seen(9);
  for (const golden::Json& c : golden::load("optimizers")) ++seen[static_cast<std::size_t>(golden::optimizer(c["config"]).kind)];
  for (const int count : seen) EXPECT_GE(count, 2);
}

TEST(Optimizer, PenaltiesSpareBiases) {
  OptimizerConfig config;
  config.l1 = 0.25;
  config.l2 = 0.5;
  config.elastic_net = 0.125;
  config.weight_decay = 0.0625;
  OptimizerState state;
  const Update<double> u = update_for<double>(config, state, {1, 0.1, {}, 1});
  EXPECT_EQ(u.l1, 0.375);
  EXPECT_EQ(u.l2, 0.75);
  const Update<double> bias = without_penalties(u);
  EXPECT_EQ(bias.l1, 0);
  EXPECT_EQ(bias.l2, 0);
  EXPECT_EQ(bias.weight_decay, 0.0625);
  EXPECT_EQ(bias.step1, u.step1);
}

TEST(Optimizer, ResumesFromItsState) {
  OptimizerConfig config;
  config.kind = Kind::nadam;
  OptimizerState running, kept;
  Update<double> last;
  for (std::int64_t t = 1; t <= 20; ++t) {
    if (t == 13) kept = running;
    last = update_for<double>(config, running, {t, 0.01, {}, 1});
  }
  Update<double> again;
  for (std::int64_t t = 13; t <= 20; ++t) again = update_for<double>(config, kept, {t, 0.01, {}, 1});
  EXPECT_EQ(again.step1, last.step1);
  EXPECT_EQ(again.step2, last.step2);
  EXPECT_EQ(kept, running);
}

TEST(Optimizer, BiasCorrectionsFadeOut) {
  OptimizerConfig config;
  OptimizerState state;
  EXPECT_NEAR(update_for<double>(config, state, {1, 0.5, {}, 1}).step1, 5, 1e-14);
  const Update<double> late = update_for<double>(config, state, {1000000, 0.5, {}, 1});
  EXPECT_EQ(late.step1, 0.5);
  EXPECT_EQ(late.root2, 1);
  EXPECT_EQ(state, OptimizerState());
}

TEST(Optimizer, StepsCountFromOne) {
  OptimizerState state;
  EXPECT_THROW(update_for<float>({}, state, {0, 0.1, {}, 1}), ContractError);
}

TEST(Optimizer, ClippingByNorm) {
  EXPECT_EQ(clip_scale(0, 100), 1);
  EXPECT_EQ(clip_scale(5, 4), 1);
  EXPECT_NEAR(clip_scale(5, 10), 0.5, 1e-6);
  EXPECT_EQ(clip_scale(5, 0), 1);
  EXPECT_EQ(clip_scale(5, INFINITY), 0);
  EXPECT_EQ(clip_scale(5, NAN), 1);  // the NaN is in the gradient already
}

}  // namespace
}  // namespace soma
