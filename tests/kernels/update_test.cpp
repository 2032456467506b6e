// weights, gradients and state on every target → one optimizer step as the double reference makes it.
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

using Rule = UpdateRule;

constexpr Rule kRules[] = {Rule::sgd,      Rule::momentum, Rule::nesterov, Rule::adagrad,
                           Rule::adadelta, Rule::rmsprop,  Rule::adam,     Rule::nadam};

// Every field an exact float, so that the double reference takes the same step.
template <class T>
Update<T> step_of(Rule rule, bool everything) {
  Update<T> u;
  u.rule = rule;
  u.rate = T(0x1p-6);
  u.momentum = T(0.875);
  u.rho = T(0.9375);
  u.beta1 = T(0.875);
  u.beta2 = T(0.9921875);
  u.rest_rho = 1 - u.rho;
  u.rest1 = 1 - u.beta1;
  u.rest2 = 1 - u.beta2;
  u.epsilon = T(0.0625);  // large enough for its place in the formula to show
  u.step1 = T(0x1p-5);
  u.step2 = T(0x1p-7);
  u.root2 = T(1.5);
  if (everything) {
    u.gradient_scale = T(0.5);
    u.clip_value = T(0.25);
    u.l1 = T(0x1p-8);
    u.l2 = T(0x1p-7);
    u.weight_decay = T(0.125);
  }
  return u;
}

struct Arrays {
  std::vector<float> w, g, s0, s1;
  explicit Arrays(std::int64_t n)
      : w(uniform(n, -1, 1, 1)), g(uniform(n, -1, 1, 2)), s0(uniform(n, 0, 1, 3)), s1(uniform(n, 0, 1, 4)) {
    w[0] = 0;  // sgn 0 = 0
  }
};

class UpdateTest : public TargetTest {};

TEST_P(UpdateTest, AgreesWithTheDoubleReference) {
  for (const Rule rule : kRules)
    for (const bool everything : {false, true})
      for (const std::int64_t n : kSizes) {
        const Arrays start(n);
        Guarded<float> w(start.w), g(start.g, 2), s0(start.s0, 3), s1(start.s1, 1);
        kernels.update(step_of<float>(rule, everything), w.data(), g.data(), state_arrays(rule) > 0 ? s0.data() : nullptr,
                       state_arrays(rule) > 1 ? s1.data() : nullptr, n);
        std::vector<double> wd = doubles(start.w), gd = doubles(start.g), s0d = doubles(start.s0), s1d = doubles(start.s1);
        exact.update(step_of<double>(rule, everything), wd.data(), gd.data(), s0d.data(), s1d.data(), n);
        ASSERT_TRUE(w.intact() && s0.intact() && s1.intact());
        ASSERT_EQ(bits(g.values()), bits(start.g));
        if (state_arrays(rule) < 1) {
          ASSERT_EQ(bits(s0.values()), bits(start.s0));
        }
        if (state_arrays(rule) < 2) {
          ASSERT_EQ(bits(s1.values()), bits(start.s1));
        }
        for (std::int64_t i = 0; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          // Inputs are at most 1 and the longest chain has a dozen roundings; the step is divided by √s ≥ 0 + ε only where s
          // has grown by g² first, so it stays below rate/√(1 − ρ) ≈ 1.
          ASSERT_NEAR(s0[i], s0d[k], 8 * kEpsilon) << "rule " << static_cast<int>(rule) << ", s0 " << i << " of " << n;
          ASSERT_NEAR(s1[i], s1d[k], 8 * kEpsilon) << "rule " << static_cast<int>(rule) << ", s1 " << i << " of " << n;
          ASSERT_NEAR(w[i], wd[k], 8 * kEpsilon) << "rule " << static_cast<int>(rule) << ", w " << i << " of " << n;
        }
      }
}

TEST_P(UpdateTest, ACutChangesNoBit) {
  const std::int64_t n = 67;
  for (const Rule rule : kRules) {
    const Update<float> u = step_of<float>(rule, true);
    Arrays whole(n);
    kernels.update(u, whole.w.data(), whole.g.data(), whole.s0.data(), whole.s1.data(), n);
    for (std::int64_t cut = 0; cut <= n; ++cut) {
      Arrays parts(n);
      kernels.update(u, parts.w.data(), parts.g.data(), parts.s0.data(), parts.s1.data(), cut);
      kernels.update(u, parts.w.data() + cut, parts.g.data() + cut, parts.s0.data() + cut, parts.s1.data() + cut, n - cut);
      ASSERT_EQ(bits(parts.w), bits(whole.w)) << static_cast<int>(rule) << " cut at " << cut;
      ASSERT_EQ(bits(parts.s0), bits(whole.s0));
      ASSERT_EQ(bits(parts.s1), bits(whole.s1));
    }
  }
}

TEST_P(UpdateTest, NanGradientsAreNotHidden) {
  for (const Rule rule : kRules)
    for (const bool everything : {false, true}) {
      Arrays a(20);
      a.g[17] = std::numeric_limits<float>::quiet_NaN();
      kernels.update(step_of<float>(rule, everything), a.w.data(), a.g.data(), a.s0.data(), a.s1.data(), 20);
      for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(a.w[i]), i == 17) << static_cast<int>(rule) << " at " << i;
    }
}

TEST_P(UpdateTest, PenaltiesPullTowardsZeroAndClippingBounds) {
  Update<float> u;
  u.rate = 1;
  u.l1 = 0.25f;
  std::vector<float> w = {2, -2, 0, -0.0f}, g = {0, 0, 0, 0};
  kernels.update(u, w.data(), g.data(), nullptr, nullptr, 4);
  EXPECT_EQ(w, (std::vector<float>{1.75f, -1.75f, 0, 0}));
  u = Update<float>();
  u.rate = 1;
  u.clip_value = 0.5f;
  u.gradient_scale = 2;
  w = {0, 0, 0, 0}, g = {0.125f, -0.125f, 9, -9};
  kernels.update(u, w.data(), g.data(), nullptr, nullptr, 4);
  EXPECT_EQ(w, (std::vector<float>{-0.25f, 0.25f, -0.5f, 0.5f}));
}

TEST(Update, StateArrays) {
  const int wanted[] = {0, 1, 1, 1, 2, 1, 2, 2};
  for (std::size_t i = 0; i < std::size(kRules); ++i) EXPECT_EQ(state_arrays(kRules[i]), wanted[i]) << i;
}

SOMA_EVERY_TARGET(UpdateTest);

}  // namespace
}  // namespace soma::test
