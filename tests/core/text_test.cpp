// words a person typed → the suggestion that helps, or the list of what there is.
#include "core/text.h"

#include <gtest/gtest.h>

#include <vector>

namespace soma {
namespace {

const std::vector<std::string> kWords = {"optimizer", "schedule", "train"};

TEST(Text, NearestForgivesAFewLetters) {
  EXPECT_EQ(nearest("optimiser", kWords), "optimizer");
  EXPECT_EQ(nearest("shedule", kWords), "schedule");
  EXPECT_EQ(nearest("tain", kWords), "train");
  EXPECT_EQ(nearest("banana", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
}

TEST(Text, SuggestionNamesTheNearestOrAll) {
  EXPECT_EQ(suggestion("trainn", kWords), "; did you mean 'train'?");
  EXPECT_EQ(suggestion("banana", kWords), "; known: optimizer, schedule, train");
}

TEST(Text, OneOfReadsAsASentence) {
  EXPECT_EQ(one_of(kWords), "'optimizer', 'schedule' or 'train'");
  EXPECT_EQ(one_of(std::vector<std::string>{"a"}), "'a'");
}

}  // namespace
}  // namespace soma
