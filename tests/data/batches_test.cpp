// data + seed → orders and distorted rows: pure functions, each sample once, the same from several threads.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "allocations.h"
#include "data/scratch.h"

namespace soma {
namespace {

using testing::Each;
using testing::ElementsAre;

Dataset stripes(std::int64_t count, std::int64_t side) {
  Dataset data;
  data.shape = {1, side, side};
  data.count = count;
  for (std::int64_t i = 0; i < count * side * side; ++i) data.bytes.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  for (std::int64_t i = 0; i < count; ++i) data.labels.push_back(static_cast<std::int32_t>(i % 3));
  data.class_names = {"a", "b", "c"};
  return data;
}

std::vector<float> all_rows(const Batches& batches) {
  std::vector<float> x(static_cast<std::size_t>(batches.count() * batches.row_size()));
  batches.fill(0, batches.count(), x.data(), nullptr);
  return x;
}

TEST(Batches, WithoutShuffleTheOrderIsThatOfTheData) {
  const Dataset data = stripes(5, 2);
  Batches batches(data, {}, {3, 20, 0.2, 2}, 7, false);
  batches.begin_epoch(3);
  EXPECT_THAT(all_rows(batches), testing::ElementsAreArray(std::vector<float>(data.bytes.begin(), data.bytes.end())));
}

TEST(Batches, EachSampleOncePerEpochWithItsLabel) {
  const Dataset data = stripes(101, 2);
  Batches batches(data, {}, {}, 7, true);
  std::vector<std::vector<std::int64_t>> orders;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    batches.begin_epoch(epoch);
    std::vector<std::int32_t> labels(101);
    std::vector<float> x(101 * 4);
    batches.fill(0, 101, x.data(), labels.data());
    std::vector<std::int64_t> order;
    for (std::int64_t p = 0; p < 101; ++p) {
      order.push_back(batches.sample_at(p));
      const auto at = static_cast<std::size_t>(order.back());
      EXPECT_EQ(labels[static_cast<std::size_t>(p)], data.labels[at]);
      EXPECT_EQ(x[static_cast<std::size_t>(p) * 4], static_cast<float>(data.bytes[at * 4]));
    }
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 101U);
    orders.push_back(order);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  batches.begin_epoch(1);
  for (std::int64_t p = 0; p < 101; ++p) EXPECT_EQ(batches.sample_at(p), orders[1][static_cast<std::size_t>(p)]);
}

TEST(Batches, AnotherSeedAnotherOrder) {
  const Dataset data = stripes(50, 1);
  EXPECT_NE(all_rows(Batches(data, {}, {}, 1, true)), all_rows(Batches(data, {}, {}, 2, true)));
  EXPECT_EQ(all_rows(Batches(data, {}, {}, 1, true)), all_rows(Batches(data, {}, {}, 1, true)));
}

TEST(Batches, DistortionIsAPureFunctionOfSeedEpochAndPosition) {
  const Dataset data = stripes(40, 9);
  Batches batches(data, {}, {2, 15, 0.1, 1.5}, 5, true);
  batches.begin_epoch(2);
  const std::vector<float> whole = all_rows(batches);
  const auto row = static_cast<std::size_t>(batches.row_size());
  std::vector<float> pieces(whole.size(), -1);
  std::vector<std::thread> threads;
  for (std::int64_t part = 3; part >= 0; --part)
    threads.emplace_back([&, part] {
      for (std::int64_t p = part * 10; p < part * 10 + 10; ++p)
        batches.fill(p, 1, pieces.data() + static_cast<std::size_t>(p) * row, nullptr);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pieces, whole);
  batches.begin_epoch(3);
  EXPECT_NE(all_rows(batches), whole);
  batches.begin_epoch(2);
  EXPECT_EQ(all_rows(batches), whole);
}

TEST(Batches, DistortionKeepsFlatImagesFlatAndStaysInRange) {
  Dataset flat = stripes(8, 12);
  std::fill(flat.bytes.begin(), flat.bytes.end(), std::uint8_t{200});
  EXPECT_THAT(all_rows(Batches(flat, {}, {4, 30, 0.3, 3}, 1, true)), Each(testing::FloatNear(200, 1e-3F)));
  const Dataset data = stripes(30, 12);
  EXPECT_THAT(all_rows(Batches(data, {}, {4, 30, 0.3, 3}, 1, true)),
              Each(testing::AllOf(testing::Ge(-1e-3F), testing::Le(250.001F))));
}

TEST(Batches, ADotMovesNoFurtherThanAskedFor) {
  Dataset dot;
  dot.shape = {1, 21, 21};
  dot.count = 200;
  dot.bytes.resize(200 * 441);
  dot.labels.resize(200);
  dot.class_names = {"0"};
  for (std::size_t i = 0; i < 200; ++i) dot.bytes[i * 441 + 10 * 21 + 10] = 255;
  const auto furthest = [&](const Augment& augment) {
    const std::vector<float> x = all_rows(Batches(dot, {}, augment, 3, true));
    double reach = 0;
    for (std::size_t i = 0; i < 200; ++i) {
      double mass = 0, at_x = 0;
      for (std::size_t p = 0; p < 441; ++p) {
        mass += static_cast<double>(x[i * 441 + p]);
        at_x += static_cast<double>(x[i * 441 + p]) * static_cast<double>(p % 21);
      }
      reach = std::max(reach, std::abs(at_x / mass - 10));
    }
    return reach;
  };
  EXPECT_LE(furthest({3, 0, 0, 0}), 3.0001);
  EXPECT_GE(furthest({3, 0, 0, 0}), 2.5);
  EXPECT_LE(furthest({0, 45, 0, 0}), 1e-3);  // the middle does not turn away
  EXPECT_LE(furthest({0, 0, 0, 2}), 3);
  EXPECT_GE(furthest({0, 0, 0, 2}), 0.5);
}

TEST(Batches, AnEpochAllocatesNothing) {
  const Dataset data = stripes(64, 9);
  const Result<Preprocess> fitted = fit_preprocess(std::vector<PreprocessSpec>{{PreprocessKind::standardise, 0, true}}, data);
  ASSERT_TRUE(fitted.ok());
  for (const bool distorted : {false, true}) {
    Batches batches(data, *fitted, distorted ? Augment{2, 10, 0.1, 1} : Augment{}, 3, true);
    std::vector<float> x(64 * 81);
    std::vector<std::int32_t> labels(64);
    const AllocationCounter counter;
    batches.begin_epoch(1);
    batches.fill(0, 64, x.data(), labels.data());
    EXPECT_EQ(counter.count(), 0);
  }
}

TEST(Batches, TablesAreNotDistorted) {
  Dataset data;
  data.shape = {2};
  data.count = 1;
  data.floats = {1, 2};
  data.labels = {0};
  data.class_names = {"0"};
  EXPECT_THAT(all_rows(Batches(data, {}, {5, 5, 0.5, 5}, 1, true)), ElementsAre(1, 2));
}

TEST(Batches, StepsThatDoNotFitTheDataAreABug) {
  const Dataset data = stripes(2, 3);
  Preprocess wrong;
  wrong.steps.push_back({PreprocessKind::standardise, {0, 0}, {1, 1}, {}});
  EXPECT_THROW(Batches(data, wrong, {}, 1, true), ContractError);
}

}  // namespace
}  // namespace soma
