// what a command line says of another tool's model → steps and class names, or one line that says what is wanted.
#include "soma/reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "model/foreign.h"
#include "model/scratch.h"

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Reading, StepsAreAffine) {
  EXPECT_EQ(read_step("divide:255", {4}).value(), (PreprocessStep{PreprocessKind::divide, {0}, {255}, {}}));
  EXPECT_EQ(read_step("standardise:0.5,0.4:0.2,0.1", {2, 8, 8}).value(),
            (PreprocessStep{PreprocessKind::standardise, {0.5F, 0.4F}, {0.2F, 0.1F}, {}}));
}

TEST(Reading, OtherStepsAreRefused) {
  for (const char* text : {"divide", "divide:0", "divide:x", "divide:1,2", "standardise:1", "standardise:1,2:3",
                           "standardise:1,2,3:1,2,3", "min_max:1:2", "divide:inf", ""})
    EXPECT_FALSE(read_step(text, {2, 8, 8}).ok()) << text;
  EXPECT_EQ(
      read_step("scale:2", {2, 8, 8}).error().message,
      "--preprocess: wanted divide:NUMBER or standardise:MEAN,…:DEVIATION,… with one number for all or for each of 2 channels, "
      "got 'scale:2'; try divide:255");
}

TEST(Reading, ClassesAreWordsOrAFile) {
  const Scratch scratch;
  EXPECT_THAT(read_class_names("ant,bee").value(), ElementsAre("ant", "bee"));
  write_file(scratch / "names.txt", "ant hill\r\nbee\n").value();
  EXPECT_THAT(read_class_names((scratch / "names.txt").string()).value(), ElementsAre("ant hill", "bee"));
}

TEST(Reading, GoesBeforeWhatTheFileDoes) {
  Foreign f({2});
  f.graph.add("Sub", {"x", f.graph.floats("mean", {2}, std::vector<float>{1, 2})}, "moved");
  last_linear(f, "moved", 2);
  Model model = f.read().value();
  ASSERT_TRUE(apply({{"divide:255"}, "ant,bee,cat"}, model).ok());
  ASSERT_EQ(model.preprocess.steps.size(), 2U);
  EXPECT_THAT(model.preprocess.steps[0].divisor, ElementsAre(255));
  EXPECT_THAT(model.class_names, ElementsAre("ant", "bee", "cat"));
  EXPECT_THAT(apply({{}, "ant,bee"}, model).error().message,
              HasSubstr("--classes: wanted 3 names, one for each class of the model, got 2"));
}

TEST(Reading, ANumberWithTwoNamesIsALogit) {
  Foreign f({2});
  f.graph.add("MatMul", {"x", f.floats("w", {2, 1})}, "y");
  Model model = f.read().value();
  ASSERT_TRUE(apply({{}, "no,yes"}, model).ok());
  EXPECT_EQ(model.task, Task::classes);
  Prediction prediction;
  read_output(model.loss, std::vector<float>{0.5F}, prediction);
  EXPECT_EQ(prediction.label, 1);
  read_output(model.loss, std::vector<float>{-0.5F}, prediction);
  EXPECT_EQ(prediction.label, 0);
}

}  // namespace
}  // namespace soma
