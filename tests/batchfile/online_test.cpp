// the fast network → the numbers of the plain one, for every activation, preprocessing, sign of lambda and SIMD target.
#include "batchfile/online.h"

#include <gtest/gtest.h>

#include <cmath>

#include "batchfile/reference.h"
#include "core/random.h"
#include "kernels/kernels.h"

namespace soma::test {
namespace {

using Kind = BatchLayer::Kind;
using Pre = BatchSettings::PreProcessing;

double random(std::uint64_t stream_offset, std::uint64_t index) {
  return random_unit(7, stream(Stream::test, stream_offset), index);
}

/// A sample of `inputs` numbers of which about a quarter are not 0.
struct Line {
  std::vector<std::int32_t> column;
  std::vector<double> value, target;
  Line(std::int64_t inputs, std::int64_t outputs, std::uint64_t index)
      : target{std::floor(random(3, index) * static_cast<double>(outputs))} {
    for (std::int64_t j = 0; j < inputs; ++j)
      if (const auto at = index * 1000 + static_cast<std::uint64_t>(j); random(1, at) < 0.25) {
        column.push_back(static_cast<std::int32_t>(j));
        value.push_back(std::floor(1 + 255 * random(2, at)));
      }
  }
  [[nodiscard]] OnlineSample sample() const {
    return {column.data(), value.data(), static_cast<std::int64_t>(column.size()), target.data(), 1};
  }
};

struct Case {
  std::vector<BatchLayer> layers;
  OnlineRules rules;
};

void fill(const OnlineLayout& layout, OnlineNetwork& fast, ReferenceNetwork& plain) {
  for (std::size_t l = 0; l < layout.connections.size(); ++l) {
    const Connection& c = layout.connections[l];
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.columns; ++j)
        plain.weights[l][static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = fast.weights()[c.offset + i * c.width + j] =
            i == 3 ? 0 : 0.2 * random(10 + l, static_cast<std::uint64_t>(i * c.columns + j)) - 0.1;
  }
}

/// Largest difference between the weights after `steps` samples on one target.
double difference(const Case& c, const OnlineKernels& kernels, int steps) {
  const OnlineLayout layout(c.layers);
  OnlineNetwork fast(layout, c.rules, kernels);
  ReferenceNetwork plain(c.layers, c.rules);
  fill(layout, fast, plain);
  for (int i = 0; i < steps; ++i) {
    const Line line(c.layers.front().neurons, c.layers.back().neurons, static_cast<std::uint64_t>(i));
    fast.train(line.sample());
    plain.train(line.sample());
  }
  fast.settle();
  double worst = 0;
  for (std::size_t l = 0; l < layout.connections.size(); ++l) {
    const Connection& at = layout.connections[l];
    for (std::int64_t i = 0; i < at.rows; ++i)
      for (std::int64_t j = 0; j < at.width; ++j) {
        const double want = j < at.columns ? plain.weights[l][static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] : 0;
        const double off = std::abs(fast.weights()[at.offset + i * at.width + j] - want);
        worst = std::isnan(off) ? INFINITY : std::max(worst, off);
      }
  }
  return worst;
}

// After 300 steps from weights of ±0.1. A step adds a few roundings of numbers below 1, 2⁻⁵³ each, in a sum of 30 terms; the
// network hands a difference on with a factor near 1. 300·30·2⁻⁵³ = 1e-12.
constexpr double kBound = 1e-12;

TEST(Online, AgreesWithThePlainNetworkOnEveryTarget) {
  const std::vector<BatchLayer> layers = {{Kind::identity, 30}, {Kind::elu, 11}, {Kind::softmax, 5}};
  for (const OnlineKernels* kernels : usable_online_kernels())
    for (const double lambda : {0.0, 1e-7, 1e-4})
      for (const bool penalise : {false, true})
        EXPECT_LE(difference({layers, {Pre::none, 0.8, lambda, penalise}}, *kernels, 300), kBound)
            << kernels->target << " lambda " << lambda << " penalise " << penalise;
}

TEST(Online, AgreesForEveryActivationAndPreprocessing) {
  for (const Kind kind : {Kind::identity, Kind::logistic, Kind::tanh, Kind::relu, Kind::leaky_relu, Kind::elu, Kind::softmax})
    for (const Pre pre : {Pre::none, Pre::mean_subtraction, Pre::proportional}) {
      const OnlineRules rules = {pre, 0.5, 1e-6, false};
      const OnlineKernels& kernels = online_kernels_for(select_kernels().value()->target);
      EXPECT_LE(difference({{{Kind::identity, 20}, {kind, 9}, {Kind::softmax, 4}}, rules}, kernels, 300), kBound)
          << "hidden layer " << static_cast<int>(kind) << " preprocessing " << static_cast<int>(pre);
      EXPECT_LE(difference({{{kind, 20}, {Kind::tanh, 9}, {Kind::logistic, 8}, {kind, 4}}, rules}, kernels, 300), kBound)
          << "outer layers " << static_cast<int>(kind) << " preprocessing " << static_cast<int>(pre);
    }
}

TEST(Online, ATestMovesNothingAndGivesThePlainOutputs) {
  const std::vector<BatchLayer> layers = {{Kind::identity, 30}, {Kind::elu, 11}, {Kind::softmax, 5}};
  const OnlineLayout layout(layers);
  const OnlineRules rules = {Pre::none, 0.8, 1e-7, false};
  OnlineNetwork fast(layout, rules, online_kernels_for(select_kernels().value()->target));
  ReferenceNetwork plain(layers, rules);
  fill(layout, fast, plain);
  const std::vector<double> before(fast.weights(), fast.weights() + layout.size);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Line line(30, 5, i);
    const double* y = fast.forward(before.data(), line.sample());
    const std::vector<double>& want = plain.forward(line.sample());
    for (std::size_t j = 0; j < want.size(); ++j) EXPECT_NEAR(y[j], want[j], 1e-15);
  }
  EXPECT_EQ(before, std::vector<double>(fast.weights(), fast.weights() + layout.size));
}

// Many penalty steps at once are the same as one after the other.
TEST(Online, PutOffPenaltiesAreMadeUpFor) {
  for (const double lambda : {1e-7, 1e-3, 0.1})
    for (const bool penalise : {false, true})
      for (const double start : {0.0, 1e-9, -3e-8, 0.01, -0.1, 1.5}) {
        const OnlineRules rules = {Pre::none, 0.8, lambda, penalise};
        double w = start;
        std::int64_t steps = 0;
        for (const std::int64_t n : {0, 1, 2, 3, 10, 100, 1500}) {
          for (; steps < n; ++steps) {
            const double penalty = 0.8 * lambda * (2 * w + (w > 0 ? 1 : w < 0 ? -1 : 0));
            w += penalise ? -penalty : penalty;
          }
          if (!std::isfinite(w) || std::abs(w) > 1e200) break;
          double at_once = start;
          if (penalise) {
            at_once = shrunk(rules, start, n);
            // Where a weight comes so close to 0 that a rounding decides when it crosses, it ends one step's size off at most.
            const bool crossed = n > 0 && std::abs(w) <= 0.8 * lambda;
            EXPECT_NEAR(at_once, w, crossed ? 1.6 * lambda : 1e-12) << start << " " << lambda << " " << n;
          } else {
            const PenaltySteps all = penalty_steps(rules, n);
            at_once = start * all.growth + (start > 0 ? 1 : start < 0 ? -1 : 0) * all.shift;
            EXPECT_NEAR(at_once, w, 1e-12 * (1 + std::abs(w))) << start << " " << lambda << " " << n;
          }
        }
      }
}

}  // namespace
}  // namespace soma::test
