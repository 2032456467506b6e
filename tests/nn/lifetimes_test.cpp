// every layer → a plan for prediction gives the bits of one that keeps all values, in the memory of those that live at once.
#include <gtest/gtest.h>

#include "core/random.h"
#include "nn/cases.h"
#include "nn/init.h"
#include "nn/net.h"

namespace soma {
namespace {

constexpr std::int64_t kRows = 3;

Plan plan_for(const Case& c, PlanFor purpose) {
  return make_plan(resolve({c.input, c.nodes, {}}).value(), kRows, purpose).value();
}

std::vector<float> outputs(Plan plan) {
  Team team(2);
  Net<float> net(std::move(plan), *usable_kernels().front(), team);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < net.plan().parameters.size(); ++i) first.push_back(first_values(net.plan(), i, 5));
  net.set(net.parameters(), first).value();
  std::vector<float> all;
  for (std::uint64_t pass = 0; pass < 2; ++pass) {  // the second on memory that the first has used
    for (std::int64_t i = 0; i < kRows * net.input_size(); ++i)
      net.input()[i] = static_cast<float>(random_normal(pass, stream(Stream::test), static_cast<std::uint64_t>(i)));
    const std::vector<float> x(net.input(), net.input() + kRows * net.input_size());
    net.forward(kRows, {});
    EXPECT_EQ(x, std::vector<float>(net.input(), net.input() + kRows * net.input_size())) << "the input stays";
    all.insert(all.end(), net.output(), net.output() + kRows * net.output_size());
  }
  return all;
}

class Lifetimes : public testing::TestWithParam<Case> {};

TEST_P(Lifetimes, SharedMemoryChangesNoBit) {
  const Plan shared = plan_for(GetParam(), PlanFor::prediction), whole = plan_for(GetParam(), PlanFor::inspection);
  EXPECT_LE(shared.activations, whole.activations);
  EXPECT_EQ(outputs(shared), outputs(whole));
}

INSTANTIATE_TEST_SUITE_P(Layers, Lifetimes, testing::ValuesIn(cases()), [](const auto& of) { return of.param.name; });

TEST(Lifetimes, AChainNeedsItsTwoLargestNeighbours) {
  Case chain{"chain", {4}, {}};
  for (const std::int64_t out : {64, 96, 64, 96, 64, 4}) {
    chain.nodes.push_back({"", Linear{out, true}, {}, {}});
    chain.nodes.push_back({"", Softmax{}, {}, {}});
  }
  const auto numbers = [](std::int64_t size) { return aligned<float>(kRows * size); };
  // Input and output stay beside what a step reads and writes: 96 and 96 of the softmax, or what is free of them later.
  EXPECT_EQ(plan_for(chain, PlanFor::prediction).activations, numbers(4) + 2 * numbers(96));
  EXPECT_EQ(plan_for(chain, PlanFor::inspection).activations, 3 * numbers(4) + 6 * numbers(64) + 4 * numbers(96));
}

// A value that is read late lies apart from all that comes and goes before.
TEST(Lifetimes, AResidualSumKeepsWhatItReads) {
  const Case residual{"residual",
                      {8},
                      {{"early", Linear{8, true}, {}, {}},
                       {"a", Softmax{}, {}, {}},
                       {"b", Softmax{}, {}, {}},
                       {"c", Softmax{}, {}, {}},
                       {"sum", Add{}, {"early", "c"}, {}}}};
  const Plan plan = plan_for(residual, PlanFor::prediction);
  const auto offset = [&](std::size_t step) {
    return plan.values[static_cast<std::size_t>(written_value(plan.steps[step].kind))].offset;
  };
  for (std::size_t step = 1; step < plan.steps.size(); ++step) EXPECT_NE(offset(step), offset(0)) << step;
  EXPECT_EQ(offset(1), offset(3)) << "what a held, c may have";
}

}  // namespace
}  // namespace soma
