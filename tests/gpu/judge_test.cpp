// every shader in every mode → within rounding of double precision, in its own ranges only, and every barrier needed.
#include "gpu/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <stdexcept>

#include "gpu/barriers.h"

namespace soma::gpu {
namespace {

using testing::HasSubstr;

class EveryTrial : public testing::TestWithParam<Trial> {};

TEST_P(EveryTrial, IsWithinRoundingOfDoublePrecision) {
  auto device = Device::open("gpu:0");
  ASSERT_TRUE(device) << device.error().message;
  const Verdict v = judge(*device, GetParam()).value();
  EXPECT_EQ(v.fault, "");
  EXPECT_LE(v.values, 1) << "values";
  EXPECT_LE(v.gradients, 1) << "gradients";
  EXPECT_LE(v.parameter_gradients, 1) << "gradients of parameters";
  EXPECT_LE(v.moved, 1) << "moved parameters";
  EXPECT_LE(v.loss, 1) << "loss";
}

// Two steps recorded with one barrier missing, each in turn: Khronos's layer has to see the hazard that it was there for.
TEST_P(EveryTrial, NeedsEachOfItsBarriers) {
  const Trial& trial = GetParam();
  auto device = Device::open("gpu:0").value();
  const Program program = lower(plan_of(trial).value(), settings_of(trial));
  auto sizes = program.sizes;
  for (const Arena each : {Arena::samples, Arena::targets, Arena::order, Arena::table})
    sizes[static_cast<std::size_t>(each)] =
        trial.rows * (elements(trial.network.input) + 16);  // all zero: every label is class 0
  sizes[static_cast<std::size_t>(Arena::numbers)] = kMostSteps * kUpdateNumbers;
  sizes[static_cast<std::size_t>(Arena::records)] = kMostSteps * kRecordNumbers;
  device->allocate(sizes, false).value();
  const std::size_t step = device->load(program.step).value();
  constexpr int kSteps = 2;
  Barriers barriers;
  std::int64_t count = 0;
  for (int i = 0; i < kSteps; ++i)
    for (const Dispatch& each : program.step) count += barriers.before(each) ? 1 : 0;
  const auto said = [&](std::int64_t left_out) {
    testing::internal::CaptureStdout();
    device->run({step, kSteps, trial.rows, false, left_out}).value();
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_EQ(said(-1), "");
  for (std::int64_t i = 0; i < count; ++i) EXPECT_THAT(said(i), HasSubstr("SYNC-HAZARD")) << "barrier " << i << " of " << count;
}

std::string as_name(const testing::TestParamInfo<Trial>& info) {
  std::string name;
  for (const char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryTrial, testing::ValuesIn(trials()), as_name);

/// Each shader in the first trial that runs it, all of whose writes land 64 numbers too far.
class EveryShader : public testing::TestWithParam<Shader> {
 protected:
  void TearDown() override { gpu::testing() = {}; }
};

TEST_P(EveryShader, IsCaughtWritingBeyondItsRange) {
  const auto runs = [](const Dispatch& each) { return each.shader == GetParam(); };
  for (Trial trial : trials()) {
    trial.rows = trial.batch;  // or the end of a range would not be written
    const Program program = lower(plan_of(trial).value(), settings_of(trial));
    if (std::none_of(program.last_step.begin(), program.last_step.end(), runs)) continue;
    gpu::testing().bend = [&](Program& bent) {
      for (Dispatch& each : bent.last_step)
        for (Range& range : each.ranges) {
          range.offset += runs(each) && range.writes ? 64 : 0;
          range.guard = 0;  // of those who read as well, or the layer would see them meet there
        }
    };
    auto device = Device::open("gpu:0").value();
    EXPECT_THAT(judge(device, trial).value().fault, HasSubstr("outside of every range")) << trial.name;
    return;
  }
  ADD_FAILURE() << "no trial runs it";
}

std::vector<Shader> shaders() {
  std::vector<Shader> all;
#define SOMA_SHADER(name) all.push_back(Shader::name);
  SOMA_SHADERS(SOMA_SHADER)
#undef SOMA_SHADER
  return all;
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryShader, testing::ValuesIn(shaders()),
                         [](const auto& each) { return std::string(name_of(each.param)); });

// The judge itself: a step that is wrong by more than rounding does not pass.
TEST(Verdict, FaultsAndLargeErrorsAreNotSound) {
  Verdict verdict;
  EXPECT_TRUE(verdict.sound());
  verdict.gradients = 1.5;
  EXPECT_FALSE(verdict.sound());
  verdict.gradients = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(verdict.sound());
  verdict = {};
  verdict.fault = "number 3 outside of every range was written";
  EXPECT_FALSE(verdict.sound());
}

}  // namespace
}  // namespace soma::gpu
