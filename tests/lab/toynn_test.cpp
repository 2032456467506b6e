// ToyNeuralNet on every platform → the same weights after a step and the same answers, within a bound worked out along the way.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cmath>

#include "bounded.h"
#include "lab/command.h"
#include "lab/toynn/descent.h"
#include "lab/toynn/scripts.h"
#include "lab/toynn/soma_net.h"
#include "lab/toynn/system_calls.h"

namespace soma {
namespace {

using testing::HasSubstr;
using ExactNet = Descent<PlainProducts<ListMatrix<Bounded>>>;

void expect_same(const ToyLayers& got, const ExactNet& want, const char* who) {
  for (std::size_t l = 0; l < got.size(); ++l)
    for (std::int64_t o = 0; o < got[l].out; ++o) {
      const auto near = [&](float value, const Bounded& exact) {
        EXPECT_LE(std::abs(value - exact.value), exact.bound()) << who << ", layer " << l << ", output " << o;
      };
      near(got[l].bias[static_cast<std::size_t>(o)], want.bias(l, o));
      for (std::int64_t i = 0; i < got[l].in; ++i)
        near(got[l].weight[static_cast<std::size_t>(o * got[l].in + i)], want.weight(l, o, i));
    }
}

/// One step on all rows, so that the order in which a platform takes them makes no difference; then every row's answer.
TEST(Toynn, EveryPlatformTakesTheSameStep) {
  const ToySetting setting = toy_setting(ToySize::small).value();
  const std::int64_t count = setting.rows.count;
  ASSERT_EQ(count, 120);
  constexpr double kRate = 200;  // so large that the step, not the weight it is added to, decides what rounding may do
  const ToyJob job{setting.layers, setting.rows, count, kRate};
  ExactNet exact(job);
  exact.train(0, count);

  std::vector<std::pair<const char*, std::unique_ptr<ToyPlatform>>> platforms;
  platforms.emplace_back("lists", make_lists(job));
  platforms.emplace_back("arrays", make_arrays(job));
  platforms.emplace_back("soma", make_soma(setting, count, kRate, 1).value());
  platforms.emplace_back("soma, team", make_soma(setting, count, kRate, 2).value());
  if (auto blas = make_blas(job))
    platforms.emplace_back("BLAS", std::move(*blas));
  else
    EXPECT_THAT(blas.error().message, HasSubstr("wanted libopenblas.so.0"));

  ExactNet first(job);
  first.predict(0, count, nullptr);
  for (auto& [name, platform] : platforms) {
    std::vector<float> y(static_cast<std::size_t>(count));
    platform->predict(0, count, y.data());
    for (std::int64_t n = 0; n < count; ++n)
      EXPECT_LE(std::abs(y[static_cast<std::size_t>(n)] - first.output(n).value), first.output(n).bound())
          << name << ", row " << n;
    platform->train(0, count);
    expect_same(platform->layers(), exact, name);
  }
}

TEST(Toynn, DescentGoesDown) {
  const ToySetting setting = toy_setting(ToySize::small).value();
  const auto net = make_arrays({setting.layers, setting.rows, setting.rows.count, 0.5});
  const auto loss = [&] {
    std::vector<float> y(setting.rows.target.size());
    net->predict(0, setting.rows.count, y.data());
    double sum = 0;
    for (std::size_t n = 0; n < y.size(); ++n) sum += std::pow(y[n] - setting.rows.target[n], 2);
    return sum;
  };
  const double before = loss();
  for (int step = 0; step < 200; ++step) net->train(0, setting.rows.count);
  EXPECT_LT(loss(), before);
}

/// Eight rows and weights that are binary fractions, so that floats, doubles and decimals on the way say the same.
struct ScriptCase {
  ScriptJob job{{4, 3, 5, 1}, {3}, 0, 1, 0.5};
  ToyRows rows{8, 4, {}, {}};
  ToyLayers layers;
  ScriptCase() {
    for (int i = 0; i < 32; ++i) rows.x.push_back(static_cast<float>(i % 7 - 3) * 0.25f);
    for (int n = 0; n < 8; ++n) rows.target.push_back(static_cast<float>(n % 3) * 0.5f);
    for (std::size_t l = 0; l + 1 < job.sizes.size(); ++l) {
      ToyLayer& layer = layers.emplace_back(ToyLayer{job.sizes[l], job.sizes[l + 1], {}, {}});
      layer.bias.assign(static_cast<std::size_t>(layer.out), 0.0f);
      for (std::int64_t o = 0; o < layer.out; ++o)
        for (std::int64_t i = 0; i < layer.in; ++i)
          layer.weight.push_back(0.125f * static_cast<float>((7 * o + 3 * i + static_cast<std::int64_t>(l)) % 11 - 5));
    }
  }
};

class ToynnScripts : public testing::TestWithParam<Language> {};

TEST_P(ToynnScripts, WorkOutTheSameNetwork) {
  const ScriptCase given;
  ExactNet exact({given.layers, given.rows, given.rows.count, given.job.rate});
  for (std::int64_t first = 0; first < given.rows.count; first += 3)
    exact.train(first, std::min<std::int64_t>(3, given.rows.count - first));
  exact.predict(0, given.rows.count, nullptr);

  const auto scripts = ScriptDirectory::create(given.rows).value();
  const auto outputs = scripts.outputs(GetParam(), given.job);
  if (!outputs && outputs.error().kind == Error::Kind::unavailable) GTEST_SKIP() << outputs.error().message;
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  ASSERT_EQ(outputs->size(), 8u);
  for (std::int64_t n = 0; n < 8; ++n) {
    const double bound = 2 * 0x1p-29 * exact.output(n).bound();  // doubles: 2⁻⁵³ instead of 2⁻²⁴, here and there
    EXPECT_LE(std::abs((*outputs)[static_cast<std::size_t>(n)] - exact.output(n).value), bound) << "row " << n;
  }
}

TEST_P(ToynnScripts, TakeReadings) {
  ScriptCase given;
  given.job.budget = 0.002;
  given.job.batches = {1, 8};
  const auto scripts = ScriptDirectory::create(given.rows).value();
  const auto readings = scripts.measure(GetParam(), given.job);
  if (!readings && readings.error().kind == Error::Kind::unavailable) GTEST_SKIP() << readings.error().message;
  ASSERT_TRUE(readings.ok()) << readings.error().message;
  ASSERT_EQ(readings->size(), 4u);
  for (const ToyReading& each : *readings) {
    EXPECT_GE(each.seconds, 0.002);
    EXPECT_GE(each.rows, each.batch);
  }
  EXPECT_TRUE((*readings)[1].train);
  EXPECT_EQ((*readings)[3].batch, 8);
  EXPECT_FALSE((*readings)[3].train);
}

std::string language_name(const testing::TestParamInfo<Language>& language) {
  constexpr std::array<const char*, 4> kNames = {"PythonLists", "PythonArrays", "NumPy", "Go"};
  return kNames[static_cast<std::size_t>(language.param)];
}
INSTANTIATE_TEST_SUITE_P(Toynn, ToynnScripts,
                         testing::Values(Language::python_lists, Language::python_arrays, Language::numpy, Language::go),
                         language_name);

TEST(Toynn, CountsSystemCalls) {
  const auto some = system_calls_per_second(
      [] {
        for (int i = 0; i < 100; ++i) syscall(SYS_getppid);
        usleep(1000);
      },
      0.1);
  if (!some) GTEST_SKIP() << some.error().message;
  EXPECT_GT(*some, 100);
  volatile double sum = 0;
  const auto none = system_calls_per_second(
      [&] {
        for (int i = 0; i < 1000; ++i) sum = sum + i;
      },
      0.05);
  EXPECT_LT(none.value(), 100);
}

TEST(Command, ReturnsWhatWasPrinted) {
  EXPECT_EQ(run_command({"printf", "%s", "a b"}).value(), "a b");
  const auto missing = run_command({"no-such-program-anywhere"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, Error::Kind::unavailable);
  EXPECT_THAT(missing.error().message, HasSubstr("try installing it"));
  const auto failing = run_command({"sh", "-c", "exit 3"});
  ASSERT_FALSE(failing.ok());
  EXPECT_THAT(failing.error().message, HasSubstr("got 3"));
  const auto killed = run_command({"sh", "-c", "kill -9 $$"});
  ASSERT_FALSE(killed.ok());
  EXPECT_THAT(killed.error().message, HasSubstr("got a signal"));
}

}  // namespace
}  // namespace soma
