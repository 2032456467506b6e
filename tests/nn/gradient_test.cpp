// every layer and loss → its backward pass is the slope of its forward pass, in double, along random directions.
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>

#include "core/random.h"
#include "nn/cases.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "nn/net.h"
#include "soma/words.h"

namespace soma {

/// The name that ctest gives a test of this loss: the same in every build, where the bytes of a LossConfig hold addresses.
static void PrintTo(const LossConfig& loss, std::ostream* out) {
  *out << word(loss.kind) << (loss.label_smoothing > 0 ? " smoothed by " + std::to_string(loss.label_smoothing) : "")
       << (loss.class_weights.empty() ? "" : " weighted") << (loss.codes.empty() ? "" : " of codes");
}

namespace {

constexpr std::uint32_t kNumbers = stream(Stream::test);

class Gradient : public testing::TestWithParam<Case> {};

constexpr std::int64_t kRows = 5;

struct Checked {
  Team team{2};
  Net<double> net;
  std::vector<double> x, direction, output_weights;
  Net<double>::Mode mode{true, 7, 3};

  Checked(const Case& c, std::uint64_t seed)
      : net(make_plan(resolve({c.input, c.nodes, {}}).value(), kRows, PlanFor::training).value(), reference_kernels<double>(),
            team) {
    std::vector<Tensor> first;
    for (std::size_t i = 0; i < net.plan().parameters.size(); ++i) {
      Tensor t = first_values(net.plan(), i, seed);
      for (std::size_t k = 0; k < t.values.size(); ++k)
        t.values[k] += 0.1f * static_cast<float>(random_normal(seed, kNumbers + 1, i * 100000 + k));
      if (net.plan().parameters[i].role == Parameter::Role::running_variance) t.values.assign(t.values.size(), 1.0f);
      first.push_back(std::move(t));
    }
    net.set(net.parameters(), first).value();
    for (std::int64_t i = 0; i < kRows * net.input_size(); ++i)
      x.push_back(random_normal(seed, kNumbers + 2, static_cast<std::uint64_t>(i)));
    for (std::int64_t i = 0; i < kRows * net.output_size(); ++i)
      output_weights.push_back(random_normal(seed, kNumbers + 3, static_cast<std::uint64_t>(i)));
    // Only real parameters move: the padding of the panels has to stay zero.
    direction.assign(static_cast<std::size_t>(net.plan().trained_end), 0);
    double square = 0;
    std::uint64_t index = 0;
    for (const Parameter& p : net.plan().parameters)
      for (std::int64_t i = 0; p.trained() && i < elements(p.shape); ++i) {
        const double d = random_normal(seed, kNumbers + 4, index++);
        direction[static_cast<std::size_t>(p.offset + p.place(i))] = d;
        square += d * d;
      }
    for (double& d : direction) d /= std::sqrt(square);
  }

  /// What is differentiated: a random weighted sum of the outputs, with the parameters moved by h along the direction.
  double value_at(double h) {
    std::vector<double> kept(net.parameters(), net.parameters() + net.plan().parameter_end);
    for (std::size_t i = 0; i < direction.size(); ++i) net.parameters()[i] += h * direction[i];
    std::copy(x.begin(), x.end(), net.input());
    net.forward(kRows, mode);
    std::copy(kept.begin(), kept.end(), net.parameters());  // running statistics too
    double sum = 0;
    for (std::size_t i = 0; i < output_weights.size(); ++i) sum += output_weights[i] * net.output()[i];
    return sum;
  }

  double slope_from_backward(bool accumulate = false) {
    value_at(0);
    std::copy(output_weights.begin(), output_weights.end(), net.output_gradient());
    net.backward(kRows, mode, accumulate);
    double slope = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) slope += direction[i] * net.parameter_gradients()[i];
    return slope;
  }
};

TEST_P(Gradient, BackwardIsTheSlopeOfForward) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Checked checked(GetParam(), seed);
    const double h = 1e-5, slope = (checked.value_at(h) - checked.value_at(-h)) / (2 * h);
    EXPECT_NEAR(checked.slope_from_backward(), slope, 1e-7 * (1 + std::abs(slope))) << "seed " << seed;
  }
}

TEST_P(Gradient, AccumulatesWhenAsked) {
  Checked checked(GetParam(), 1);
  const double once = checked.slope_from_backward();
  EXPECT_NEAR(checked.slope_from_backward(true), 2 * once, 1e-10 * (1 + std::abs(once)));
}

TEST_P(Gradient, LeavesThePaddingOfWeightsAtZero) {
  Checked checked(GetParam(), 1);
  checked.slope_from_backward();
  std::vector<bool> real(static_cast<std::size_t>(checked.net.plan().trained_end), false);
  for (const Parameter& p : checked.net.plan().parameters)
    for (std::int64_t i = 0; p.trained() && i < elements(p.shape); ++i) {
      const auto at = static_cast<std::size_t>(p.offset + p.place(i));
      EXPECT_FALSE(real[at]) << p.name << " puts two elements in one place";
      real[at] = true;
    }
  for (std::size_t i = 0; i < real.size(); ++i) EXPECT_TRUE(real[i] || checked.net.parameter_gradients()[i] == 0) << i;
}

INSTANTIATE_TEST_SUITE_P(Layers, Gradient, testing::ValuesIn(cases()), [](const auto& of) { return of.param.name; });

class LossGradient : public testing::TestWithParam<LossConfig> {};

TEST_P(LossGradient, IsTheSlopeOfTheMeanLoss) {
  const LossConfig& config = GetParam();
  const std::int64_t outputs = config.codes.empty() ? 3 : 1, rows = 4;
  const std::vector<std::int32_t> labels = {2, 0, 1, 2};
  std::vector<double> y, d, dy(static_cast<std::size_t>(rows * outputs));
  for (std::uint64_t i = 0; i < dy.size(); ++i) {
    y.push_back(random_normal(5, kNumbers, i));
    d.push_back(random_normal(6, kNumbers, i));
  }
  const auto mean_at = [&](double h) {
    std::vector<double> moved = y;
    for (std::size_t i = 0; i < y.size(); ++i) moved[i] += h * d[i];
    const LossSum sum = loss_and_gradient<double>(config, moved.data(), labels.data(), rows, outputs, nullptr);
    return sum.loss / sum.weight;
  };
  loss_and_gradient(config, y.data(), labels.data(), rows, outputs, dy.data());
  double along = 0;
  for (std::size_t i = 0; i < d.size(); ++i) along += d[i] * dy[i];
  const double h = 1e-5, slope = (mean_at(h) - mean_at(-h)) / (2 * h);
  EXPECT_NEAR(along, slope, 1e-7 * (1 + std::abs(slope)));
}

LossConfig loss(LossConfig::Kind kind, double smoothing = 0, std::vector<double> weights = {}, std::vector<double> codes = {}) {
  return {.kind = kind, .label_smoothing = smoothing, .class_weights = std::move(weights), .codes = std::move(codes)};
}
INSTANTIATE_TEST_SUITE_P(Losses, LossGradient,
                         testing::Values(loss(LossConfig::Kind::cross_entropy), loss(LossConfig::Kind::cross_entropy, 0.1),
                                         loss(LossConfig::Kind::cross_entropy, 0.2, {0.5, 2, 1}),
                                         loss(LossConfig::Kind::quadratic), loss(LossConfig::Kind::quadratic, 0, {}, {0, 1, 0.5}),
                                         loss(LossConfig::Kind::binary_cross_entropy),
                                         loss(LossConfig::Kind::binary_cross_entropy, 0, {}, {0, 1, 0.5}),
                                         loss(LossConfig::Kind::absolute), loss(LossConfig::Kind::huber),
                                         loss(LossConfig::Kind::quantile), loss(LossConfig::Kind::nll),
                                         loss(LossConfig::Kind::nll, 0, {3, 1, 0.25})));

}  // namespace
}  // namespace soma
