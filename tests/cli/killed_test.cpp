// a run with any kind of target, killed at any moment and taken up again → the bytes of one that nobody disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "cli/program.h"
#include "core/random.h"

namespace soma::test {
namespace {

/// A kind of target: what [data] says of it.
struct Kind {
  const char *name, *data, *ignored;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class TakenUpAgain : public ::testing::TestWithParam<Kind> {};

/// Rows with gaps, a word, two numbers, two labels and a class that follow from them; batches so small that most checkpoints lie
/// within an epoch.
void write_run(const Scratch& scratch, const Kind& kind) {
  std::string table = "a,b,place,price,rooms,red,round,class\n";
  for (std::uint64_t i = 0; i < 900; ++i) {
    const auto drawn = [i](std::uint64_t k) { return random_unit(11, stream(Stream::test), 3 * i + k); };
    const double a = drawn(0), b = 40 * drawn(1);
    const bool near = drawn(2) > 0.5;
    table += (i % 7 == 0 ? "" : std::to_string(a)) + ',' + std::to_string(b) + ',' + (near ? "near" : "far") + ',' +
             std::to_string(1000 * a + 20 * b) + ',' + std::to_string(3 + a) + ',' + std::to_string(near ? 1 : 0) + ',' +
             std::to_string(b > 20 ? 1 : 0) + ',' + (1000 * a > 20 * b ? "dear" : "cheap") + '\n';
  }
  scratch.write("rows.csv", table);
  scratch.write("run.toml", std::string("preprocess = [{ kind = \"impute\", indicator = true }, { kind = \"one_hot\" }, "
                                        "{ kind = \"standardise\" }]\n[data]\ntrain = \"rows.csv\"\n") +
                                kind.data + "\nignore = [" + kind.ignored + R"(]
[network]
layers = [
  { type = "linear", out = 12 }, { type = "tanh" }, { type = "dropout", rate = 0.1 }, { type = "linear", out = "targets" },
]
[train]
epochs = 30
batch = 2
threads = 1
checkpoint_seconds = 0.01
)");
}

std::ptrdiff_t epochs_in(const Scratch& scratch, const std::string& history) {
  if (!std::filesystem::exists(scratch / history)) return 0;
  const std::string lines = scratch.read(history);
  return std::count(lines.begin(), lines.end(), '\n') - 1;
}

TEST_P(TakenUpAgain, AfterSigkillEndsInTheSameBytes) {
  const Scratch scratch;
  write_run(scratch, GetParam());
  const Outcome undisturbed = scratch.soma({"train", "run.toml", "--out", "whole"});
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
  int killed = 0;
  for (const std::ptrdiff_t epochs : {3, 11, 20}) {
    const pid_t child = scratch.start({"train", "run.toml", "--resume", "cut"});
    while (epochs_in(scratch, "cut/history.csv") < epochs && ::kill(child, 0) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, SIGKILL);
    const Outcome outcome = scratch.wait(child);
    killed += outcome.status == 128 + SIGKILL ? 1 : 0;
    EXPECT_TRUE(outcome.status == 0 || outcome.status == 128 + SIGKILL) << outcome.err;
  }
  EXPECT_GT(killed, 0);
  const Outcome last = scratch.soma({"train", "--resume", "cut"});
  ASSERT_EQ(last.status, 0) << last.err;
  ASSERT_GT(scratch.read("whole/model.onnx").size(), 1000U);
  EXPECT_TRUE(scratch.read("cut/model.onnx") == scratch.read("whole/model.onnx"));
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, TakenUpAgain,
                         ::testing::Values(Kind{"classes", "label = \"class\"", R"("price", "rooms")"},
                                           Kind{"values", R"(label = ["price", "rooms"])", R"("class")"},
                                           Kind{"labels", R"(label = ["red", "round"])", R"("class", "price", "rooms")"},
                                           Kind{"reconstruct", "label = \"class\"\ntask = \"reconstruct\"", ""}),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace soma::test
