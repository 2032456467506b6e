// each rung of the timeline → the gradients and the step of soma's engine, within a bound worked out along the way.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "bounded.h"
#include "lab/timeline/naive.h"
#include "model/scratch.h"
#include "soma/train.h"

namespace soma {
namespace {

constexpr std::int64_t kBatch = 2;

// Inputs and weights are rounded to multiples of these, so that no sum of the forward pass is rounded in any order: then bounds
// are those of the backward pass alone, small enough to see a wrong pixel, and every program finds the same maxima and relus.
constexpr double kInputQuantum = 0x1p-2, kWeightQuantum = 0x1p-5;
float to_multiple(float value, double quantum) { return static_cast<float>(std::round(value / quantum) * quantum); }

/// A batch of digits, first weights, and a training run that begins with them.
struct Start {
  Config config = preset("mnist-cnn").value();
  RunData data;
  std::vector<float> x = std::vector<float>(kBatch * kPixels);
  std::vector<std::int32_t> labels = std::vector<std::int32_t>(kBatch);
  CnnArrays<float> weights;
  Scratch scratch;  // of each test its own: they run side by side
  std::filesystem::path checkpoint = scratch / "start.safetensors";

  Start() {
    config.train.batch = kBatch;
    data.train = make_digits(kBatch, 1);
    for (std::uint8_t& pixel : data.train.bytes) pixel = static_cast<std::uint8_t>(pixel / 64 * 64);
    config.preprocess = {{.kind = PreprocessKind::divide, .by = 256}};
    data.preprocess = fit_preprocess(config.preprocess, data.train).value();
    Batches batches(data.train, data.preprocess, {}, config.train.seed, true);
    batches.begin_epoch(0);
    batches.fill(0, kBatch, x.data(), labels.data());

    Trainer drawn = Trainer::create(config, data).value();
    drawn.save(checkpoint).value();
    TensorFile file = read_safetensors(checkpoint).value();
    for (Tensor& each : file.tensors)
      for (float& value : each.values) value = to_multiple(value, kWeightQuantum);  // the optimizer's state is zero
    write_safetensors(file, checkpoint).value();
    const std::vector<Tensor> parameters = trainer().parameters();
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = parameters[i].values;
  }
  [[nodiscard]] Trainer trainer() const {
    Trainer trainer = Trainer::create(config, data).value();
    trainer.restore(checkpoint).value();
    return trainer;
  }
};

struct Exact {
  CnnArrays<Bounded> gradients;
  Bounded loss;
};

/// The plainest rung, run with numbers that carry their bounds.
Exact exact(const Start& start) {
  CnnArrays<Bounded> weights;
  for (std::size_t i = 0; i < weights.size(); ++i)
    for (const float value : start.weights[i]) weights[i].push_back(given(value, kWeightQuantum));
  std::vector<Bounded> x;
  for (const float value : start.x) x.push_back(given(value, kInputQuantum));
  Naive<Bounded> rung(weights, kBatch);
  Bounded::doubtful = 0;
  const Bounded loss = rung.gradient(x.data(), start.labels.data(), kBatch);
  return {rung.gradients(), loss};
}

std::vector<std::unique_ptr<Rung<float>>> rungs(const Start& start) {
  std::vector<std::unique_ptr<Rung<float>>> list;
  for (const RungKind& kind : rung_kinds()) list.push_back(kind.make(start.weights, kBatch, *usable_kernels().front()));
  for (const Kernels<float>* kernels : usable_kernels()) list.push_back(make_simd(start.weights, kBatch, *kernels));
  return list;
}

double worst_share_of_bound(std::span<const float> got, std::span<const Bounded> want) {
  EXPECT_EQ(got.size(), want.size());
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - want[i].value);
    if (off > 0) worst = std::max(worst, off / want[i].bound());
    if (std::isnan(off)) worst = std::numeric_limits<double>::infinity();
  }
  return worst;
}

TEST(Timeline, EveryRungAndTheEngineHaveTheSameGradient) {
  const Start start;
  const Exact want = exact(start);
  ASSERT_EQ(Bounded::doubtful, 0);
  for (const auto& array : want.gradients) {
    double bound = 0, size = 0;
    for (const Bounded& each : array) {
      bound += each.bound();
      size += std::abs(each.value);
    }
    EXPECT_LT(bound, 1e-2 * size);  // sharp enough to notice a row of pixels left out
  }
  for (const auto& rung : rungs(start)) {
    const float loss = rung->gradient(start.x.data(), start.labels.data(), kBatch);
    EXPECT_LE(std::abs(loss - want.loss.value), want.loss.bound());
    for (std::size_t i = 0; i < want.gradients.size(); ++i)
      EXPECT_LE(worst_share_of_bound(rung->gradients()[i], want.gradients[i]), 1) << "array " << i;
  }
  Trainer engine = start.trainer();
  EXPECT_LE(std::abs(engine.step().value().loss - want.loss.value), want.loss.bound());
  const std::vector<Tensor> gradients = engine.gradients();
  for (std::size_t i = 0; i < want.gradients.size(); ++i)
    EXPECT_LE(worst_share_of_bound(gradients[i].values, want.gradients[i]), 1) << gradients[i].name;
}

TEST(Timeline, EveryRungTakesTheEnginesStep) {
  const Start start;
  const Exact want = exact(start);
  Trainer engine = start.trainer();
  ASSERT_TRUE(engine.step().ok());
  const std::vector<Tensor> after = engine.parameters();
  for (const auto& rung : rungs(start)) {
    rung->gradient(start.x.data(), start.labels.data(), kBatch);
    rung->update();
    for (std::size_t i = 0; i < after.size(); ++i)
      for (std::size_t k = 0; k < after[i].values.size(); ++k) {
        // The first step of Adam is rate·f(g), f(g) = g/(|g| + ε), 0 ≤ f′ ≤ 1/(|g| + ε) and |f| ≤ 1; two programs whose g are
        // each off by δ differ by at most the larger slope of that stretch times 2δ. A dozen roundings of numbers below 1 come on
        // top.
        const double w = start.weights[i][k], g = want.gradients[i][k].value + (i % 2 == 0 ? 1e-4 * w : 0);
        const double delta = want.gradients[i][k].bound() + 0x1p-22 * std::abs(g);
        const double slope = 1 / (std::max(std::abs(g) - delta, 0.0) + 1e-8);
        const double bound = 1e-3 * (std::min(2.0, 2 * delta * slope) + 12 * 0x1p-24) + 2 * 0x1p-24 * std::abs(w) +
                             1e-3 * 0x1p-24 / 1e-3;  // the rungs round 1 − β₂ = 1e-3 with β₂, as the C program does
        ASSERT_LE(std::abs(rung->weights()[i][k] - after[i].values[k]), bound) << after[i].name << " " << k;
      }
  }
}

TEST(Timeline, RungsLearn) {
  const Start start;
  for (const auto& rung : rungs(start)) {
    const float before = rung->gradient(start.x.data(), start.labels.data(), kBatch);
    for (int step = 0; step < 3; ++step) {
      rung->update();
      rung->gradient(start.x.data(), start.labels.data(), kBatch);
    }
    EXPECT_LT(rung->gradient(start.x.data(), start.labels.data(), kBatch), before);
  }
}

TEST(Timeline, ABoundGrowsWithTheSum) {
  Bounded sum(0);
  for (int i = 0; i < 10; ++i) sum = sum + Bounded(0.5) * Bounded(0.5);
  EXPECT_DOUBLE_EQ(sum.value, 2.5);
  EXPECT_GE(sum.bound(), 10 * 0x1p-24 * 2.5);
  EXPECT_EQ((Bounded(0) * Bounded(3)).value, 0);
}

}  // namespace
}  // namespace soma
