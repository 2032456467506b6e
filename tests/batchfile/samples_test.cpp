// data files → samples, and the place of the first wrong cell.
#include "batchfile/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace soma::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refused(std::string_view text, std::int64_t start = 0, std::int64_t end = 1) {
  const auto samples = parse_samples(text, "d.csv", start, end);
  return samples ? "" : samples.error().message;
}

TEST(Samples, LeavesZerosOut) {
  const Samples samples = parse_samples("5,0,255,0,1.5\n0,0,0,0,0\r\n\n9, -3e-1 ,0.0,+7,0\n", "d.csv", 0, 1).value();
  EXPECT_EQ(samples.count, 3);
  EXPECT_EQ(samples.inputs, 4);
  EXPECT_THAT(samples.target, ElementsAre(5, 0, 9));
  EXPECT_THAT(samples.start, ElementsAre(0, 2, 2, 4));
  EXPECT_THAT(samples.column, ElementsAre(1, 3, 0, 2));
  EXPECT_THAT(samples.value, ElementsAre(255, 1.5, -0.3, 7));
  EXPECT_THAT(samples.file_line, ElementsAre(1, 2, 4));
}

TEST(Samples, TakesTheTargetColumnsAskedFor) {
  const Samples samples = parse_samples("label,a,b,c\n9,0.25,1,8\n9,1,0,7\n", "d.csv", 1, 3).value();
  EXPECT_EQ(samples.targets, 2);
  EXPECT_THAT(samples.target, ElementsAre(0.25, 1, 1, 0));
  EXPECT_THAT(samples.value, ElementsAre(8, 7));
}

TEST(Samples, SaysWhereItStops) {
  EXPECT_EQ(refused("1,2\n1,x\n"), "d.csv:2: column 1: wanted a number, got 'x'");
  EXPECT_EQ(refused("1,2\n1,\n"), "d.csv:2: column 1: wanted a number, got ''");
  EXPECT_EQ(refused("1,2\n1,nan\n"), "d.csv:2: column 1: wanted a number, got 'nan'");
  EXPECT_EQ(refused("1,2\n1,2 3\n"), "d.csv:2: column 1: wanted a number, got '2 3'");
  EXPECT_EQ(refused("1,2,3\n1,2\n"), "d.csv:2: wanted 3 columns as in the lines before, got 2");
  EXPECT_EQ(refused("1\n"), "d.csv:1: wanted inputs behind target columns 0 to 0, got 1 columns");
  EXPECT_EQ(refused(""), "d.csv: wanted lines of numbers, got none");
  EXPECT_EQ(refused("label,pixel\n"), "d.csv: wanted lines of numbers, got none");
  EXPECT_THAT(refused("1;2;3\n"), HasSubstr("wanted a number, got '1;2;3'"));
}

TEST(Samples, KnowsDataSetsByName) {
  const Samples samples = read_samples("digits:test", 0, 1).value();
  EXPECT_EQ(samples.inputs, 784);
  EXPECT_GT(samples.count, 100);
  EXPECT_LT(samples.value.size(), static_cast<std::size_t>(samples.count) * 784 / 2);
}

}  // namespace
}  // namespace soma::test
