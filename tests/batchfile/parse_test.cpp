// batch and network files → units, or the first line that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batchfile/network_file.h"
#include "batchfile/scratch.h"

namespace soma::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Parse : public ::testing::Test {
 protected:
  Parse() { write_small_task(scratch); }

  Result<BatchFile> parse(const std::string& text) const { return parse_batch(text, "B", scratch.path()); }
  std::string refused(const std::string& text) const {
    const auto batch = parse(text);
    EXPECT_FALSE(batch.ok());
    return batch ? "" : batch.error().message;
  }

  Scratch scratch;
  const std::string settings{kSmallSettings};
};

TEST_F(Parse, AnActionSeesTheLinesAboveIt) {
  const BatchFile batch =
      parse(
          "# a comment\nNetworkFile:net\nTrainFile:  train.csv\r\n\nTrain: 2\nTestFile: train.csv\nParallel: 3\n"
          "Test: 1\nTestFile: test.csv\nLearningRate: 0.5\nTest: 1\n")
          .value();
  ASSERT_EQ(batch.units.size(), 4u);
  EXPECT_TRUE(batch.units[0].train && batch.units[1].train && !batch.units[2].train && !batch.units[3].train);
  EXPECT_EQ(batch.units[1].line, 5);
  EXPECT_EQ(batch.units[3].line, 11);
  const BatchSettings& first = batch.settings_of(batch.units[0]);
  EXPECT_EQ(first.parallel, 1);
  EXPECT_EQ(first.worker_batch, 100);
  EXPECT_EQ(first.rate, 1);
  EXPECT_EQ(first.lambda, 1);
  EXPECT_EQ(first.min_weight, -1);
  EXPECT_EQ(first.max_weight, 1);
  EXPECT_EQ(first.target_start, 0);
  EXPECT_EQ(first.target_end, 1);
  EXPECT_EQ(first.layers[1], (BatchLayer{BatchLayer::Kind::elu, 12}));
  EXPECT_EQ(batch.settings_of(batch.units[2]).parallel, 3);
  EXPECT_THAT(batch.settings_of(batch.units[2]).test_file, EndsWith("train.csv"));
  EXPECT_THAT(batch.settings_of(batch.units[3]).test_file, EndsWith("test.csv"));
  EXPECT_EQ(batch.settings_of(batch.units[3]).rate, 0.5);
}

TEST_F(Parse, BothSpellingsOfTheThesis) {
  using Pre = BatchSettings::PreProcessing;
  const auto pre = [&](const std::string& lines) {
    const BatchFile batch = parse(settings + lines + "Train: 1\n").value();
    return batch.settings_of(batch.units[0]);
  };
  EXPECT_EQ(pre("PreProcessing: MeanSubstraction\n").pre_processing, Pre::mean_subtraction);
  EXPECT_EQ(pre("PreProcessing: MeanSubtraction\n").pre_processing, Pre::mean_subtraction);
  EXPECT_EQ(pre("PreProcessing: Proportional\n").pre_processing, Pre::proportional);
  EXPECT_EQ(pre("TargetColumnsStart: 1\nTargetColumnsEnd: 2\n").target_end, 2);
  EXPECT_EQ(pre("TargetColumnStart: 1\nTargetColumnEnd: 2\n").target_start, 1);
}

TEST_F(Parse, NamesFileLineAndKeys) {
  EXPECT_THAT(refused(settings + "Lerningrate: 1\n"),
              StartsWith("B:9: unknown key 'Lerningrate'; did you mean 'LearningRate'?; keys: ResultFile, NetworkFile"));
  EXPECT_THAT(refused("Train\n"), StartsWith("B:1: wanted 'Key: value', got 'Train'; keys: "));
  EXPECT_EQ(refused("Parallel: 0\n"), "B:1: Parallel: wanted a whole number from 1 to 4096, got '0'");
  EXPECT_EQ(refused("Parallel: two\n"), "B:1: Parallel: wanted a whole number from 1 to 4096, got 'two'");
  EXPECT_EQ(refused("LearningRate: 0,8\n"), "B:1: LearningRate: wanted a number, at least 0, got '0,8'");
  EXPECT_EQ(refused("MinWeight: nan\n"), "B:1: MinWeight: wanted a number, got 'nan'");
  EXPECT_EQ(refused("PreProcessing: Proportinal\n"),
            "B:1: PreProcessing: unknown word 'Proportinal'; did you mean 'Proportional'?");
  EXPECT_EQ(refused("\nTrainFile: none.csv\n"), "B:2: TrainFile: wanted a file, found none at " + scratch / "none.csv");
  EXPECT_EQ(refused("TrainFile:\n"), "B:1: TrainFile: wanted a file, got ''");
  EXPECT_EQ(refused("Train: 1\n"), "B:1: Train: wanted a NetworkFile above, got none");
  EXPECT_EQ(refused("NetworkFile: net\nTrain: 1\n"), "B:2: Train: wanted a TrainFile above, got none");
  EXPECT_THAT(refused("NetworkFile: net\n"), StartsWith("B: wanted at least one Train or Test, got none; keys: "));
  EXPECT_EQ(refused(settings + "TargetColumnsStart: 1\nTrain: 1\n"),
            "B:10: Train: wanted TargetColumnsEnd above TargetColumnsStart, got 1 and 1");
  EXPECT_EQ(refused(settings + "TargetColumnsEnd: 2\nTrain: 1\n"),
            "B:10: Train: wanted 1 target column or 3, as many as outputs, got 2");
  EXPECT_THAT(refused(settings + "Test: 1\nTrain: 1\n"), StartsWith("B:9: Test: wanted a trained network, got none"));
  EXPECT_THAT(refused(settings + "Train: 999999999\n"), HasSubstr("from 0 to 1000000"));
}

TEST_F(Parse, NetworkFiles) {
  const auto network_refused = [](std::string_view text) {
    const auto layers = parse_network(text, "N");
    return layers ? "" : layers.error().message;
  };
  EXPECT_EQ(to_text(parse_network("Identity,784\n\nELU , 100\nSoftMax, 10", "N").value()),
            "Identity, 784\nELU, 100\nSoftMax, 10\n");
  EXPECT_EQ(parse_network("None, 2\nTanH, 1", "N").value().front().kind, BatchLayer::Kind::identity);
  EXPECT_EQ(network_refused("Identity, 784\nElu, 100\n"),
            "N:2: unknown activation 'Elu'; known: Identity, Logistic, TanH, ReLU, "
            "LeakyReLU, ELU, SoftMax, SELU, None");
  EXPECT_EQ(network_refused("Identity 784\n"), "N:1: wanted 'Activation, Neurons', got 'Identity 784'");
  EXPECT_EQ(network_refused("Identity, 0\n"), "N:1: wanted 1 to 1048576 neurons, got '0'");
  EXPECT_EQ(network_refused("Identity, 5\n"), "N: wanted at least 2 layers, one 'Activation, Neurons' a line, got 1");
  scratch.write("net", "Identity, 8\nSoftMx, 3\n");
  EXPECT_EQ(refused(settings + "Train: 1\n"), scratch / "net" + ":2: unknown activation 'SoftMx'; did you mean 'SoftMax'?");
}

TEST_F(Parse, PathsStartBesideTheBatchFileWhenNothingIsHere) {
  scratch.write("batch", settings + "Train: 1\n");
  const BatchFile batch = load_batch(scratch / "batch").value();
  EXPECT_EQ(batch.settings[0].train_file, scratch / "train.csv");
}

}  // namespace
}  // namespace soma::test
