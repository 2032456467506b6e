// every preset on a GPU → the same bytes however its steps are grouped, killed and resumed; weights moved as double precision
// moves them, as far as single precision goes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "gpu/engine.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "nn/net.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/small_run.h"

namespace soma {
namespace {

constexpr std::int64_t kBatch = 8;

/// As many measured flowers as asked for, in three classes that overlap.
Dataset flowers(std::int64_t count) {
  Dataset data;
  data.name = "flowers";
  data.shape = {4};
  data.count = count;
  data.class_names = {"a", "b", "c"};
  for (std::int64_t i = 0; i < count; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % 3));
    for (std::int64_t k = 0; k < 4; ++k)
      data.floats.push_back(static_cast<float>(i % 3 - 1) +
                            static_cast<float>(random_normal(9, stream(Stream::test), static_cast<std::uint64_t>(4 * i + k))));
  }
  return data;
}

struct Case {
  Config config;
  RunData data;
  std::int64_t steps = 30;
};

/// An epoch of 30 steps; three where a step takes long.
Case case_of(const std::string& name) {
  Case made;
  made.config = preset(name).value();
  if (name == "iris-large") made.steps = 3;
  const std::int64_t count = made.steps * kBatch;
  const bool table = name.starts_with("iris");
  made.data.train = table ? flowers(count) : load_dataset("digits", {.count = count}).value();
  made.data.test = made.data.train;
  if (!table) made.data.preprocess.steps = {{PreprocessKind::divide, {0}, {255}, {}}};
  made.config.train.batch = kBatch;
  made.config.train.epochs = 1;
  made.config.train.strategy = "team";
  made.config.train.workers = 0;
  made.config.train.device = "gpu:0";
  return made;
}

/// The same epoch in double precision, by the reference kernels.
std::vector<double> moved_in_double(const Case& c, const Config& resolved) {
  Team team(1);
  const Plan plan = make_plan(resolve(resolved.network).value(), kBatch, PlanFor::training).value();
  Net<double> net(plan, reference_kernels<double>(), team);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) first.push_back(first_values(plan, i, resolved.train.seed));
  net.set(net.parameters(), first).value();
  const auto trained = static_cast<std::size_t>(plan.trained_end);
  std::vector<double> state0(trained), state1(trained);
  OptimizerState memory;
  Batches batches(c.data.train, c.data.preprocess, {}, resolved.train.seed, true);
  batches.begin_epoch(0);
  std::vector<float> rows(static_cast<std::size_t>(kBatch * net.input_size()));
  std::vector<std::int32_t> labels(kBatch);
  for (std::int64_t step = 0; step < c.steps; ++step) {
    batches.fill(step * kBatch, kBatch, rows.data(), labels.data());
    std::copy(rows.begin(), rows.end(), net.input());
    const Net<double>::Mode mode{true, resolved.train.seed, static_cast<std::uint64_t>(step)};
    net.forward(kBatch, mode);
    loss_and_gradient(resolved.loss, net.output(), labels.data(), kBatch, net.output_size(), net.output_gradient());
    net.backward(kBatch, mode, false);
    const Position position{step, c.steps, 1};
    const double rate = rate_at(resolved.schedule, resolved.optimizer.rate, position, {});
    const auto update =
        update_for<double>(resolved.optimizer, memory, {step + 1, rate, momentum_at(resolved.schedule, position), 1});
    const auto move = [&](const Update<double>& u, std::int64_t begin, std::int64_t end) {
      net.kernels().update(u, net.parameters() + begin, net.parameter_gradients() + begin, state0.data() + begin,
                           state1.data() + begin, end - begin);
    };
    move(update, 0, plan.weight_end);
    move(without_penalties(update), plan.weight_end, plan.trained_end);
  }
  std::vector<double> moved;
  for (const Parameter& p : plan.parameters)
    p.for_each_place([&](std::int64_t at) { moved.push_back(net.parameters()[p.offset + at]); });
  return moved;
}

/// How far a run's parameters are from those in double precision: the root of the sum of squares.
double distance(const Trainer& trainer, const std::vector<double>& want) {
  double sum = 0;
  std::size_t i = 0;
  for (const Tensor& t : trainer.parameters())
    for (const float x : t.values) sum += std::pow(static_cast<double>(x) - want[i++], 2);
  EXPECT_EQ(i, want.size());
  return std::sqrt(sum);
}

class EveryPreset : public testing::TestWithParam<std::string> {
 protected:
  void TearDown() override { gpu::testing() = {}; }
};

TEST_P(EveryPreset, HasTheSameBytesHoweverItIsWalkedAndMovesAsDoublePrecisionDoes) {
  Case c = case_of(GetParam());
  const auto directory = std::filesystem::path(testing::TempDir());
  const auto start = directory / (GetParam() + ".start"), killed = directory / (GetParam() + ".killed");
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process of its own, with a driver of its own
  const auto die = [&] {
    Trainer trainer = make(c.config, c.data);
    trainer.step().value();
    trainer.save(killed).value();
    trainer.step().value();
    std::raise(SIGKILL);
  };
  EXPECT_EXIT(die(), testing::KilledBySignal(SIGKILL), "");

  Trainer there = make(c.config, c.data);
  there.save(start).value();
  const auto walk = [&](std::int64_t steps_per_submit, const std::filesystem::path& from) {
    gpu::testing().steps_per_submit = steps_per_submit;
    there.restore(from).value();
    finish(there);
    return weights(there);
  };
  const auto want = walk(1, start);
  EXPECT_EQ(walk(7, start), want);
  EXPECT_EQ(walk(30, start), want);
  EXPECT_EQ(walk(7, killed), want);
  for (const auto& file : {start, killed}) std::filesystem::remove(file);

  const auto in_double = moved_in_double(c, there.config());
  c.config.train.device = "cpu";
  Trainer here = make(c.config, c.data);
  const double moved = distance(here, in_double);
  finish(here);
  const double of_gpu = distance(there, in_double), of_cpu = distance(here, in_double);
  fmt::print("{}: moved by {:.3g}, off double precision by {:.3g}, the processor by {:.3g}\n", GetParam(), moved, of_gpu, of_cpu);
  EXPECT_LE(of_gpu, 4 * of_cpu);
  EXPECT_LE(of_gpu, 1e-3 * moved);
}

std::string as_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryPreset, testing::ValuesIn(preset_names()), as_name);

}  // namespace
}  // namespace soma
