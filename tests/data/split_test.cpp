// one set → two that share nothing, miss nothing and keep the proportions of the classes.
#include <algorithm>
#include <numeric>

#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using testing::HasSubstr;

// 90 of class 0, 9 of class 1, 1 of class 2; each sample's value is its number.
Dataset uneven() {
  Dataset data;
  data.name = "uneven";
  data.shape = {1};
  data.count = 100;
  for (int i = 0; i < 100; ++i) {
    data.floats.push_back(static_cast<float>(i));
    data.labels.push_back(i < 90 ? 0 : i < 99 ? 1 : 2);
  }
  data.class_names = {"a", "b", "c"};
  data.label_name = "kind";
  return data;
}

TEST(Split, NothingIsLostAndProportionsStay) {
  const Dataset data = uneven();
  const Result<Split> split = split_dataset(data, 0.2, 5);
  ASSERT_TRUE(split.ok()) << message(split);
  EXPECT_EQ(split->second.count, 20);
  EXPECT_EQ(split->first.count, 80);
  EXPECT_EQ(std::count(split->second.labels.begin(), split->second.labels.end(), 0), 18);
  EXPECT_EQ(std::count(split->second.labels.begin(), split->second.labels.end(), 1), 2);
  std::vector<float> both = split->first.floats;
  both.insert(both.end(), split->second.floats.begin(), split->second.floats.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, data.floats);
  for (const Dataset* part : {&split->first, &split->second}) {
    EXPECT_EQ(part->class_names, data.class_names);
    EXPECT_EQ(part->label_name, "kind");
    for (std::size_t i = 0; i < part->labels.size(); ++i)
      EXPECT_EQ(part->labels[i], data.labels[static_cast<std::size_t>(part->floats[i])]);
  }
}

TEST(Split, SeedsDiffer) {
  const Dataset data = uneven();
  EXPECT_EQ(split_dataset(data, 0.3, 1)->second.floats, split_dataset(data, 0.3, 1)->second.floats);
  EXPECT_NE(split_dataset(data, 0.3, 1)->second.floats, split_dataset(data, 0.3, 2)->second.floats);
}

TEST(Split, WhatLeavesOneSideEmptyIsRefused) {
  Dataset data = uneven();
  EXPECT_EQ(message(split_dataset(data, 0, 1)), "split: wanted a fraction between 0 and 1, got 0");
  EXPECT_EQ(message(split_dataset(data, 1, 1)), "split: wanted a fraction between 0 and 1, got 1");
  EXPECT_THAT(message(split_dataset(data, 0.001, 1)),
              HasSubstr("uneven: wanted samples on both sides of the split, got 100 samples"));
}

}  // namespace
}  // namespace soma
