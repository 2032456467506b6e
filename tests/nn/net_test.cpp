// every layer → the same numbers on every SIMD target, on any number of threads, fused or not, without asking for memory.
#include "nn/net.h"

#include <gtest/gtest.h>

#include <cmath>

#include "allocations.h"
#include "core/random.h"
#include "nn/cases.h"
#include "nn/init.h"

namespace soma {
namespace {

constexpr std::int64_t kRows = 5;
constexpr std::int64_t kManyRows = 18;  // where linear layers transpose their weights for the input gradient
constexpr std::uint32_t kNumbers = stream(Stream::test, 100);

/// Outputs and all parameter gradients, in published order, of one training pass over fixed random rows.
struct Pass {
  std::vector<double> y, gradients;
};

template <class T>
Pass run_pass(const NetworkSpec& spec, const Kernels<T>& kernels, int threads, std::int64_t rows = kRows) {
  Team team(threads);
  Net<T> net(make_plan(resolve(spec).value(), rows, PlanFor::training).value(), kernels, team);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < net.plan().parameters.size(); ++i) first.push_back(first_values(net.plan(), i, 11));
  net.set(net.parameters(), first).value();
  const typename Net<T>::Mode mode{true, 3, 1};
  for (std::int64_t i = 0; i < rows * net.input_size(); ++i)
    net.input()[i] = static_cast<T>(static_cast<float>(random_normal(1, kNumbers, static_cast<std::uint64_t>(i))));
  net.forward(rows, mode);
  Pass pass;
  pass.y.assign(net.output(), net.output() + rows * net.output_size());
  for (std::int64_t i = 0; i < rows * net.output_size(); ++i)
    net.output_gradient()[i] = static_cast<T>(static_cast<float>(random_normal(2, kNumbers, static_cast<std::uint64_t>(i))));
  net.backward(rows, mode, false);
  for (const Parameter& p : net.plan().parameters)
    for (std::int64_t i = 0; p.trained() && i < elements(p.shape); ++i)
      pass.gradients.push_back(static_cast<double>(net.parameter_gradients()[p.offset + p.place(i)]));
  return pass;
}

/// Everything within `bound` of the largest magnitude: rounding grows with the terms of a sum, not with its result.
void expect_close(const std::vector<double>& got, const std::vector<double>& want, double bound, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 1e-3;
  for (const double x : want) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], bound * largest) << what << " " << i;
}

class EveryLayer : public testing::TestWithParam<Case> {
 protected:
  NetworkSpec spec{GetParam().input, GetParam().nodes, {}};
};

TEST_P(EveryLayer, AgreesWithDoublePrecisionOnEveryTarget) {
  for (const std::int64_t rows : {kRows, kManyRows}) {
    const Pass want = run_pass(spec, reference_kernels<double>(), 1, rows);
    for (const Kernels<float>* kernels : usable_kernels()) {
      const Pass got = run_pass(spec, *kernels, 2, rows);
      // At most 300 terms a sum here and a handful of layers: 300·ε is 2e-5.
      expect_close(got.y, want.y, 2e-5, kernels->target);
      expect_close(got.gradients, want.gradients, 1e-4, kernels->target);
    }
  }
}

TEST_P(EveryLayer, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::int64_t rows : {1, 5, 37}) {
    const Pass want = run_pass(spec, *usable_kernels().front(), 1, rows);
    for (const int threads : {2, 3, 7}) {
      const Pass got = run_pass(spec, *usable_kernels().front(), threads, rows);
      ASSERT_EQ(got.y, want.y) << threads << " threads, " << rows << " rows";
      ASSERT_EQ(got.gradients, want.gradients) << threads << " threads, " << rows << " rows";
    }
  }
}

TEST_P(EveryLayer, AsksForNoMemoryOnceBuilt) {
  Team team(2);
  Net<float> net(make_plan(resolve(spec).value(), kRows, PlanFor::training).value(), *usable_kernels().front(), team);
  const AllocationCounter counter;
  net.forward(kRows, {true, 1, 1});
  net.backward(kRows, {true, 1, 1}, false);
  net.forward(kRows - 1, {});
  EXPECT_EQ(counter.count(), 0);
}

TEST_P(EveryLayer, PublishesWhatWasSet) {
  Team team(1);
  Net<float> net(make_plan(resolve(spec).value(), kRows, PlanFor::training).value(), *usable_kernels().front(), team);
  std::vector<Tensor> tensors = net.published(net.parameters());
  float next = 1;
  for (Tensor& tensor : tensors)
    for (float& x : tensor.values) x = next++;
  net.set(net.parameters(), tensors).value();
  const std::vector<Tensor> back = net.published(net.parameters());
  for (std::size_t i = 0; i < tensors.size(); ++i) EXPECT_EQ(back[i].values, tensors[i].values) << tensors[i].name;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Parameter& p = net.plan().parameters[i];
    for (std::size_t k = 0; k < tensors[i].values.size(); ++k)
      ASSERT_EQ(net.parameters()[p.offset + p.place(static_cast<std::int64_t>(k))], tensors[i].values[k]) << p.name << " " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, EveryLayer, testing::ValuesIn(cases()), [](const auto& of) { return of.param.name; });

// A layer that many threads share: large enough that no part of it runs alone.
TEST(Net, LargeLayersGiveTheSameBitsOnAnyNumberOfThreads) {
  const NetworkSpec spec{{3, 24, 20},
                         {{"", Conv2d{.out = 24, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}},
                          {"", BatchNorm{}, {}, {}},
                          {"", Activation{Activation::Kind::relu, 0}, {}, {}},
                          {"", Conv2d{.out = 40, .kernel_h = 3, .kernel_w = 3, .stride_h = 2}, {}, {}},
                          {"", Activation{Activation::Kind::relu, 0}, {}, {}},
                          {"", Pool{}, {}, {}},
                          {"", Flatten{}, {}, {}},
                          {"", Linear{70, true}, {}, {}},
                          {"", Activation{Activation::Kind::tanh, 0}, {}, {}},
                          {"", Linear{10, true}, {}, {}}},
                         {}};
  const Pass want = run_pass(spec, *usable_kernels().front(), 1, 33);
  for (const int threads : {2, 3, 5}) {
    const Pass got = run_pass(spec, *usable_kernels().front(), threads, 33);
    EXPECT_EQ(got.y, want.y);
    EXPECT_EQ(got.gradients, want.gradients);
  }
  const Pass exact = run_pass(spec, reference_kernels<double>(), 1, 33);
  expect_close(want.y, exact.y, 1e-4, "y");
  expect_close(want.gradients, exact.gradients, 1e-3, "gradients");
}

// The same convolution, fused with its activation and pooling, and kept apart from them by a second reader.
TEST(Net, FusionChangesOnlyTheOrderOfSums) {
  const std::vector<Node> fused = {
      {"conv", Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}},
      {"relu", Activation{Activation::Kind::relu, 0}, {}, {}},
      {"pool", Pool{}, {}, {}},
      {"flat", Flatten{}, {}, {}},
      {"out", Linear{3, true}, {}, {}}};
  std::vector<Node> apart = fused;
  apart.insert(apart.begin() + 1, Node{"twice", Concat{}, {"conv", "conv"}, {}});  // a reader that keeps conv from fusing
  const Plan fused_plan = make_plan(resolve({{2, 8, 8}, fused, {}}).value(), 3, PlanFor::training).value();
  EXPECT_EQ(fused_plan.steps.size(), 2u);  // conv+relu+pool, linear
  const Plan apart_plan = make_plan(resolve({{2, 8, 8}, apart, {}}).value(), 3, PlanFor::training).value();
  EXPECT_EQ(apart_plan.steps.size(), 6u);  // conv, fork, concat, relu, pool, linear

  Team team(1);
  Net<float> one(fused_plan, *usable_kernels().front(), team), two(apart_plan, *usable_kernels().front(), team);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < one.plan().parameters.size(); ++i) first.push_back(first_values(one.plan(), i, 5));
  one.set(one.parameters(), first).value();
  // The doubled network reads each pooled channel twice: giving the copies weight 0 leaves the same function.
  std::vector<Tensor> doubled = first;
  for (Tensor& t : doubled)
    if (t.name == "out.weight") {
      const std::vector<float> w = t.values;
      t.shape = {3, 160};
      t.values.assign(480, 0.0f);
      for (std::size_t o = 0; o < 3; ++o)
        std::copy_n(w.begin() + static_cast<std::ptrdiff_t>(o * 80), 80, t.values.begin() + static_cast<std::ptrdiff_t>(o * 160));
    }
  two.set(two.parameters(), doubled).value();
  for (std::int64_t i = 0; i < 3 * one.input_size(); ++i)
    one.input()[i] = two.input()[i] = static_cast<float>(random_normal(1, kNumbers, static_cast<std::uint64_t>(i)));
  one.forward(3, {true, 0, 0});
  two.forward(3, {true, 0, 0});
  // Zero weights add exact zeros, but the sums meet the terms in another order.
  for (std::int64_t i = 0; i < 9; ++i) EXPECT_NEAR(one.output()[i], two.output()[i], 1e-5);
}

// What a fused update leaves is what an update after the whole backward pass leaves: dx is of the weights before.
TEST(Net, AnUpdateOnTheWayHasTheBitsOfOneAfterwards) {
  const NetworkSpec spec{{37},
                         {{"", Linear{150, true}, {}, {}},
                          {"", Activation{Activation::Kind::tanh, 0}, {}, {}},
                          {"", Linear{70, true}, {}, {}},
                          {"", Activation{Activation::Kind::tanh, 0}, {}, {}},
                          {"", Linear{10, true}, {}, {}}},
                         {}};
  Update<float> adam;
  adam.rule = UpdateRule::adam;
  adam.beta1 = 0.9F, adam.beta2 = 0.999F, adam.rest1 = 0.1F, adam.rest2 = 0.001F, adam.epsilon = 1e-8F, adam.step1 = 0.01F;
  const auto weights_after = [&](std::int64_t rows, int threads, bool fused) {
    Team team(threads);
    Net<float> net(make_plan(resolve(spec).value(), rows, PlanFor::training).value(), *usable_kernels().front(), team);
    std::vector<Tensor> first;
    for (std::size_t i = 0; i < net.plan().parameters.size(); ++i) first.push_back(first_values(net.plan(), i, 5));
    net.set(net.parameters(), first).value();
    const auto draw = [](float* to, std::int64_t count, std::uint64_t seed) {
      for (std::int64_t i = 0; i < count; ++i)
        to[i] = static_cast<float>(random_normal(seed, kNumbers, static_cast<std::uint64_t>(i)));
    };
    const Net<float>::Mode mode{true, 3, 1};
    draw(net.input(), rows * net.input_size(), 1);
    net.forward(rows, mode);
    draw(net.output_gradient(), rows * net.output_size(), 2);
    const std::int64_t end = net.plan().weight_end;
    std::vector<float> state0(static_cast<std::size_t>(end)), state1(static_cast<std::size_t>(end));
    const FusedUpdate<float> update{adam, state0.data(), state1.data()};
    net.backward(rows, mode, false, nullptr, fused ? &update : nullptr);
    if (!fused) net.kernels().update(adam, net.parameters(), net.parameter_gradients(), state0.data(), state1.data(), end);
    std::vector<Tensor> all = net.published(net.parameters());
    for (Tensor& gradient : net.published(net.parameter_gradients(), true))
      if (gradient.shape.size() == 1) all.push_back(std::move(gradient));
    return all;
  };
  for (const std::int64_t rows : {3, 20, 64, 200})
    for (const int threads : {1, 2, 3}) {
      const std::vector<Tensor> kept = weights_after(rows, threads, false), fused = weights_after(rows, threads, true);
      for (std::size_t i = 0; i < kept.size(); ++i)
        EXPECT_EQ(fused[i].values, kept[i].values) << kept[i].name << ", " << rows << " rows, " << threads << " threads";
    }
}

TEST(Net, SaysWhichParameterIsMissingOrMisshapen) {
  Team team(1);
  Net<float> net(make_plan(resolve({{4}, {{"", Linear{2, true}, {}, {}}}, {}}).value(), 1, PlanFor::inspection).value(),
                 *usable_kernels().front(), team);
  auto missing = net.set(net.parameters(), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "parameters: wanted 'linear1.weight' 2×4, got nothing of that name");
  std::vector<Tensor> tensors = net.published(net.parameters());
  tensors[1].shape = {3};
  tensors[1].values.resize(3);
  auto misshapen = net.set(net.parameters(), tensors);
  ASSERT_FALSE(misshapen);
  EXPECT_EQ(misshapen.error().message, "parameters: wanted 'linear1.bias' to be 2, got 3");
}

TEST(Net, NamesTheFirstLayerThatIsNotFinite) {
  Team team(1);
  Net<float> net(
      make_plan(
          resolve({{2}, {{"a", Linear{2, true}, {}, {}}, {"b", Softmax{}, {}, {}}, {"c", Linear{2, true}, {}, {}}}, {}}).value(),
          1, PlanFor::training)
          .value(),
      *usable_kernels().front(), team);
  net.forward(1, {});
  EXPECT_EQ(net.first_not_finite(1), -1);
  std::vector<Tensor> tensors = net.published(net.parameters());
  tensors[3].values[1] = INFINITY;  // c.bias
  net.set(net.parameters(), tensors).value();
  net.forward(1, {});
  EXPECT_EQ(net.first_not_finite(1), 2);
}

}  // namespace
}  // namespace soma
