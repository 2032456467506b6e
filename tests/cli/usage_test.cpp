// wrong usage → exit status 2 and one line that says what is right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Usage : public ::testing::Test {
 protected:
  /// The line of a refused call; everything about its form is checked here.
  std::string refused(const std::vector<std::string>& arguments, int status = 2, const Setting& setting = {}) {
    const Outcome outcome = scratch.soma(arguments, setting);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("soma: "));
    return outcome.err;
  }

  Scratch scratch;
};

TEST_F(Usage, WantsACommandItKnows) {
  EXPECT_THAT(refused({}), AllOf(HasSubstr("wanted a command: train, eval, "), HasSubstr("; try soma --help")));
  EXPECT_THAT(refused({"trian"}), HasSubstr("unknown command 'trian'; known: train, eval, "));
  EXPECT_EQ(refused({"data"}), "soma: wanted a command: list, info, fetch, make, convert; try soma data --help\n");
  EXPECT_EQ(refused({"data", "lst"}), "soma: unknown command 'lst'; known: list, info, fetch, make, convert\n");
}

TEST_F(Usage, NamesWhatIsMissingOrTooMuch) {
  EXPECT_THAT(refused({"train", "mnist-mlp", "--epoch", "3"}), HasSubstr("--epoch"));
  EXPECT_THAT(refused({"train", "mnist-mlp", "--epochs", "ten"}), HasSubstr("--epochs"));
  EXPECT_THAT(refused({"train", "mnist-mlp", "--epochs"}), HasSubstr("try soma train --help"));
  EXPECT_THAT(refused({"eval"}), HasSubstr("MODEL"));
  EXPECT_THAT(refused({"eval", "a.onnx"}, 1), HasSubstr("a.onnx"));
  EXPECT_THAT(refused({"predict", "a.onnx"}), HasSubstr("FILE"));
  EXPECT_THAT(refused({"data", "make", "digits"}), HasSubstr("try soma data make --help"));
}

TEST_F(Usage, HelpIsNoError) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"train", "--help"}, {"data", "make", "--help"}}) {
    const Outcome outcome = scratch.soma(arguments);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: soma"));
    EXPECT_EQ(outcome.err, "");
  }
  EXPECT_THAT(scratch.soma({"train", "--help"}).out, HasSubstr("mnist-cnn"));
}

TEST_F(Usage, ChecksTheConfig) {
  EXPECT_EQ(refused({"train", "mnist-cn"}), "soma: unknown preset 'mnist-cn'; did you mean 'mnist-cnn'?\n");
  EXPECT_EQ(refused({"info", "mnist-cn"}), "soma: unknown preset 'mnist-cn'; did you mean 'mnist-cnn'?\n");
  EXPECT_THAT(refused({"train", "none.toml"}), HasSubstr("none.toml: cannot open: No such file or directory"));
  EXPECT_THAT(refused({"train"}), HasSubstr("wanted a CONFIG.toml, a preset or --resume DIR"));
  scratch.write("a.toml", "[data]\ntrain = \"digits\"\n\n[optimiser]\nrate = 1\n");
  EXPECT_EQ(refused({"train", "a.toml"}), "soma: a.toml:4:2: unknown key 'optimiser'; did you mean 'optimizer'?\n");
  scratch.write("b.toml", "[train]\nepochs = \"ten\"\n");
  EXPECT_EQ(refused({"train", "b.toml"}), "soma: b.toml:2:10: train.epochs: wanted an integer, got the string 'ten'\n");
  scratch.write("c.toml", "[network]\nlayers = [{ type = \"linear\", out = 2 }]\n");
  EXPECT_THAT(refused({"train", "c.toml"}), HasSubstr("data.train: no training data named"));
}

TEST_F(Usage, ChecksWhatTheCommandLineChanges) {
  EXPECT_EQ(refused({"train", "mnist-mlp", "--epochs", "0"}), "soma: train.epochs: wanted at least 1, got 0\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--batch", "0"}), "soma: train.batch: wanted at least 1, got 0\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--batch", "-3"}), "soma: train.batch: wanted at least 1, got -3\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--threads", "-1"}), "soma: train.threads: wanted at least 0, got -1\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--strategy", "goroutine"}),
            "soma: train.strategy: unknown word 'goroutine'; known: team, sequential, spawn, pool, static-pool, data-parallel, "
            "averaging, hogwild\n");
  EXPECT_THAT(refused({"train", "mnist-mlp", "--precision", "fp8"}), HasSubstr("train.precision: unknown word 'fp8'"));
  EXPECT_THAT(refused({"train", "mnist-mlp", "--precision", "fp16", "--strategy", "averaging"}),
              HasSubstr("train.precision: wanted fp32 with train.strategy = \"averaging\""));
  EXPECT_EQ(refused({"train", "mnist-mlp", "--set", "train.epoch=3"}),
            "soma: --set unknown key 'train.epoch'; did you mean 'train.epochs'?\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--set", "optimizer.rate=-1"}),
            "soma: optimizer.rate: wanted a number, at least 0, got -1\n");
  EXPECT_EQ(refused({"train", "mnist-mlp", "--set", "train.epochs"}), "soma: --set: wanted key=value, got 'train.epochs'\n");
}

TEST_F(Usage, ChecksTargetsEverywhere) {
  const Setting nonsense = {{"SOMA_TARGET=avx3000"}};
  EXPECT_THAT(refused({"version"}, 2, nonsense), HasSubstr("avx3000"));
  EXPECT_THAT(refused({"train", "mnist-mlp", "--data", "digits"}, 2, nonsense), HasSubstr("reference"));
  EXPECT_THAT(refused({"eval", "a.onnx", "--data", "digits"}, 2, nonsense), HasSubstr("avx3000"));
  EXPECT_THAT(refused({"predict", "a.onnx", "a.png"}, 2, nonsense), HasSubstr("avx3000"));
  const Outcome chosen = scratch.soma({"version"}, {{"SOMA_TARGET=reference"}});
  EXPECT_EQ(chosen.status, 0);
  EXPECT_THAT(chosen.out, HasSubstr("target    reference (usable: "));
}

TEST_F(Usage, TellsUnknownDataFromMissingData) {
  EXPECT_THAT(refused({"train", "mnist-mlp", "--data", "mnistt"}), HasSubstr("did you mean 'mnist'?"));
  EXPECT_THAT(refused({"data", "info", "mnistt"}), HasSubstr("did you mean 'mnist'?"));
  EXPECT_THAT(refused({"data", "fetch", "mnistt"}), HasSubstr("mnist"));
  const std::string empty = (scratch / "nothing").string();
  const std::string line = refused({"train", "mnist-mlp"}, 1, {{"SOMA_DATA=" + empty}});
  EXPECT_THAT(line, HasSubstr("soma data fetch mnist"));
  EXPECT_THAT(line, HasSubstr(empty + "/mnist"));
  EXPECT_THAT(line, HasSubstr((scratch / ".cache/soma/mnist").string()));
}

TEST_F(Usage, ResumesOnlyWhatIsThere) {
  EXPECT_THAT(refused({"train", "--resume", "nowhere"}), HasSubstr("--resume nowhere: no config.toml there"));
  EXPECT_THAT(refused({"train", "mnist-mlp", "--resume", "a", "--out", "b"}), HasSubstr("leave --out away"));
}

TEST_F(Usage, MakesOnlyWhatItCan) {
  EXPECT_THAT(refused({"data", "make", "letters", "--count", "3", "--out", "x"}), HasSubstr("wanted digits"));
  EXPECT_THAT(refused({"data", "make", "digits", "--count", "0", "--out", "x"}), HasSubstr("--count: wanted at least 1, got 0"));
}

TEST_F(Usage, LabNamesItsExperiments) {
  EXPECT_THAT(scratch.soma({"lab", "list"}).out, HasSubstr("peak"));
  EXPECT_THAT(refused({"lab", "run", "peakk"}), HasSubstr("try 'peak'"));
}

}  // namespace
}  // namespace soma::test
