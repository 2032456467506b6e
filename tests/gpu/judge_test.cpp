// every shader in every mode → within rounding of double precision, in its own ranges only, and every barrier needed.
#include "gpu/judge.h"

#include <gtest/gtest.h>

#include <cctype>
#include <limits>
#include <stdexcept>

namespace soma::gpu {
namespace {

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

std::string as_name(const testing::TestParamInfo<Trial>& info) {
  std::string name;
  for (const char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryTrial, testing::ValuesIn(trials()), as_name);

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
