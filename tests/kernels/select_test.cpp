// names → tables: order, completeness and the one error line of target selection.
#include <gmock/gmock.h>

#include <set>

#include "kernels/guarded.h"
#include "kernels/online.h"
#include "soma/device.h"

namespace soma::test {
namespace {

TEST(Select, TheReferenceIsAlwaysThereAndLast) {
  const std::vector<std::string> names = targets();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.back(), "reference");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(Select, EveryTableIsComplete) {
  for (const Kernels<float>* k : usable_kernels()) {
    EXPECT_TRUE(k->gemm && k->pooled_gemm && k->transpose && k->activate && k->activate_backward && k->softmax &&
                k->softmax_backward && k->max_pool && k->max_pool_backward && k->average_pool && k->average_pool_backward &&
                k->add && k->scale && k->multiply && k->sum_rows && k->sum_products && k->scale_shift && k->sum_squares &&
                k->update)
        << k->target;
  }
}

TEST(Select, EveryTargetHasATableForOneSampleAtATime) {
  ASSERT_EQ(usable_online_kernels().size(), usable_kernels().size());
  std::set<decltype(OnlineKernels::forward)> forwards;
  for (const Kernels<float>* k : usable_kernels()) {
    const OnlineKernels& online = online_kernels_for(k->target);
    EXPECT_STREQ(online.target, k->target);
    EXPECT_TRUE(online.forward && online.backward && online.settle && online.merge) << k->target;
    forwards.insert(online.forward);
  }
  EXPECT_EQ(forwards.size(), usable_kernels().size());
}

// A dispatch that fell back to one target would pass every comparison and still be wrong.
TEST(Select, EveryTargetHasItsOwnCode) {
  std::set<void (*)(const float*, const float*, float*, std::int64_t) noexcept> adds;
  for (const Kernels<float>* k : usable_kernels()) adds.insert(k->add);
  EXPECT_EQ(adds.size(), usable_kernels().size());
}

TEST(Select, NamesFindTheirTable) {
  for (const std::string& name : targets()) EXPECT_EQ(kernels_named(name).value()->target, name);
  EXPECT_EQ(kernels_named("").value(), usable_kernels().front());
}

TEST(Select, UnknownNamesListTheUsableOnes) {
  const Result<const Kernels<float>*> result = kernels_named("referenc");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, Error::Kind::usage);
  EXPECT_THAT(result.error().message, testing::StartsWith("SOMA_TARGET: wanted '"));
  EXPECT_THAT(result.error().message, testing::EndsWith("got 'referenc'; try 'reference'"));
  for (const std::string& name : targets()) EXPECT_THAT(result.error().message, testing::HasSubstr("'" + name + "'"));
  EXPECT_THAT(kernels_named("quantum").error().message, testing::EndsWith("got 'quantum'; try '" + targets().front() + "'"));
}

TEST(Machine, Facts) {
  EXPECT_GE(available_threads(), 1);
  EXPECT_THAT(machine(), testing::MatchesRegex(".+, [0-9]+ cores?"));
  EXPECT_THAT(std::string(version()), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

}  // namespace
}  // namespace soma::test
