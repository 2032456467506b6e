// a batch file → result lines and weights that do not depend on threads, on kills, or on when the batch was started.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "batchfile/persistence.h"
#include "batchfile/samples.h"
#include "batchfile/scratch.h"
#include "batchfile/workers.h"
#include "core/file.h"
#include "kernels/kernels.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Run : public ::testing::Test {
 protected:
  Run() { write_small_task(scratch); }

  [[nodiscard]] BatchFile batch(const std::string& lines, const std::string& settings = std::string(kSmallSettings)) const {
    auto parsed = parse_batch(settings + lines, "B", scratch.path());
    EXPECT_TRUE(parsed.ok()) << parsed.error().message;
    return *parsed;
  }
  [[nodiscard]] BatchReport run(const std::string& lines, const BatchHooks& hooks = {}) const {
    auto report = run_batch(batch(lines), hooks);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return *report;
  }
  /// The result file with its seconds blanked out.
  [[nodiscard]] std::string results(const std::string& name) const {
    return std::regex_replace(scratch.read(name), std::regex("(;0\\.8000000000);[0-9.]+;[0-9.]+;([0-9]+);[0-9.]+;"),
                              "$1;s;s;$2;s;");
  }

  Scratch scratch;
};

/// Asks to stop at the n-th sign of progress, as Ctrl-C would.
struct StopAt {
  std::atomic<bool> stop{false};
  BatchHooks hooks;
  explicit StopAt(int n) {
    hooks.stop = &stop;
    hooks.on_progress = [this, n, seen = 0](const BatchProgress&) mutable {
      if (++seen == n) stop = true;
    };
  }
};

TEST_F(Run, WritesTheColumnsOfTheThesis) {
  const BatchReport report = run("ResultFile: out/r\nTrain: 2\nTest: 1\n");
  ASSERT_EQ(report.results.size(), 3u);
  EXPECT_EQ(report.results[2].epoch, 2);
  EXPECT_EQ(report.results[2].correct + report.results[2].incorrect, 90);
  const std::string text = scratch.read("out/r");
  EXPECT_THAT(text, StartsWith("Mode;CPUs;Parallel;WorkerBatch;LearningRate;WorkerSetupTime;EpochElapsedTime;EpochLines;"
                               "TotalElapsedTime;TotalLines;Correct;Incorrect;CorrectPercent;IncorrectPercent;ErrorRate\n"));
  const std::string real = "[0-9]+\\.[0-9]{10}";
  const std::string start = "[0-9]+;1;10;0.8000000000;" + real + ";" + real + ";";
  EXPECT_TRUE(std::regex_match(text, std::regex("[^\n]*\n(train;" + start + "300;" + real + ";(300|600);;;;;\n){2}test;" + start +
                                                "90;" + real + ";600;[0-9]+;[0-9]+;" + real + ";" + real + ";" + real + "\n")))
      << text;
}

TEST_F(Run, Learns) {
  const BatchReport report = run("Train: 20\nTest: 1\nTestFile: train.csv\nTest: 1\n");
  EXPECT_GT(report.results[20].correct, 65) << "of 90, where chance gets 30";
  EXPECT_GT(report.results[21].correct, 250) << "of 300";
  EXPECT_LT(report.results[21].error_rate, 15);
}

// Copies of one round, trained from the same start; differences added with divisors counting down (or all the same).
TEST_F(Run, MergesAsTheThesisDoes) {
  const Samples samples = read_samples(scratch / "train.csv", 0, 1).value();
  std::vector<std::int32_t> order(25);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  const BatchFile parsed = batch("Train: 1\n");
  const OnlineKernels& kernels = online_kernels_for(select_kernels().value()->target);
  for (const auto merge : {BatchSettings::Merge::weighted, BatchSettings::Merge::average}) {
    BatchSettings s = parsed.settings[0];
    s.parallel = 4;  // 10, 10 and 5 lines: three of the four have work
    s.merge = merge;
    const OnlineLayout layout(s.layers);
    std::vector<double> start(static_cast<std::size_t>(layout.size));
    for (const Connection& c : layout.connections)
      for (std::int64_t i = 0; i < c.rows * c.columns; ++i)
        start[static_cast<std::size_t>(c.offset + i / c.columns * c.width + i % c.columns)] =
            0.1 - 0.2 * random_unit(5, stream(Stream::test, 4), static_cast<std::uint64_t>(c.offset + i));
    std::vector<double> want = start, got = start;
    for (int k = 0; k < 3; ++k) {
      OnlineNetwork copy(layout, {s.pre_processing, s.rate, s.lambda, s.penalise}, reference_online_kernels());
      std::copy(start.begin(), start.end(), copy.weights());
      for (int i = 10 * k; i < std::min(10 * k + 10, 25); ++i) copy.train(sample_of(samples, i));
      copy.settle();
      for (std::size_t i = 0; i < want.size(); ++i)
        want[i] += (copy.weights()[i] - start[i]) / (merge == BatchSettings::Merge::weighted ? 3 - k : 3);
    }
    Workers workers(layout, s, kernels, 0);
    ASSERT_TRUE(workers.train(got, samples, order, [](std::int64_t) { return true; }));
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-14) << i;
  }
}

TEST_F(Run, ThreadsChangeNothing) {
  for (const int threads : {1, 2, 5}) {
    BatchHooks hooks;
    hooks.threads = threads;
    const auto report = run_batch(batch("Parallel: 5\nResultFile: r" + std::to_string(threads) + "\nPersistenceFile: p" +
                                        std::to_string(threads) + "\nTrain: 3\nTest: 1\n"),
                                  hooks);
    ASSERT_TRUE(report.ok());
  }
  EXPECT_EQ(results("r1"), results("r2"));
  EXPECT_EQ(results("r1"), results("r5"));
  const auto weights = [&](const std::string& name) { return read_persistence(scratch / name).value().trained.weights; };
  EXPECT_EQ(weights("p1"), weights("p2"));
  EXPECT_EQ(weights("p1"), weights("p5"));
}

TEST_F(Run, LaterRunsGoOnFromThePersistenceFile) {
  const std::string lines = "PersistenceFile: p\nResultFile: r\nTrain: 2\nTest: 1\n";
  (void)run(lines);
  const BatchReport second = run(lines);
  EXPECT_EQ(second.skipped, 0);
  EXPECT_EQ(second.results.front().epoch, 3);
  EXPECT_EQ(second.results.back().total_lines, 1200);
  (void)run("PersistenceFile: all\nResultFile: s\nTrain: 2\nTest: 1\nTrain: 2\nTest: 1\n");
  EXPECT_EQ(results("r"), results("s"));
  EXPECT_EQ(read_persistence(scratch / "p").value().trained.weights, read_persistence(scratch / "all").value().trained.weights);
}

TEST_F(Run, EachPersistenceFileIsANetworkOfItsOwn) {
  const BatchReport report = run("PersistenceFile: a\nTrain: 2\nPersistenceFile: b\nTrain: 1\nPersistenceFile: a\nTrain: 1\n");
  std::vector<std::int64_t> epochs;
  for (const BatchResult& result : report.results) epochs.push_back(result.epoch);
  EXPECT_EQ(epochs, (std::vector<std::int64_t>{1, 2, 1, 3}));
}

// Stopped at each possible place and started again, any number of times: the same lines, none twice, none missing.
TEST_F(Run, GoesOnWhereItWasStopped) {
  const std::string lines = "Train: 1\nTest: 2\nPersistenceFile: Q\nTrain: 2\nTest: 1\n";
  const auto files = [&](const std::string& name) {
    std::string text = "ResultFile: r" + name + "\nPersistenceFile: p" + name + "\n" + lines;
    return text.replace(text.find('Q'), 1, "q" + name);
  };
  (void)run(files("0"));
  for (const int n : {2, 3, 4, 7}) {  // a unit gives one sign, so this is how many units a start gets done, and one
    const std::string name = std::to_string(n);
    int starts = 0;
    for (bool done = false; !done && starts < 10; ++starts) {
      StopAt stop(n);
      done = !run(files(name), stop.hooks).interrupted;
    }
    EXPECT_LT(starts, 10);
    EXPECT_EQ(results("r" + name), results("r0")) << "stopped at sign " << n;
    EXPECT_EQ(read_persistence(scratch / ("q" + name)).value().trained.weights,
              read_persistence(scratch / "q0").value().trained.weights);
  }
}

// A kill between the two files, or in the middle of a write that is no rename: the line is there, whole and once.
TEST_F(Run, MendsTheResultFile) {
  const std::string lines = "ResultFile: r\nPersistenceFile: p\nTrain: 2\nTest: 1\n";
  (void)run(lines);
  const std::string whole = results("r"), raw = scratch.read("r");
  const Persisted last = read_persistence(scratch / "p").value();
  RunMark mark = last.mark;
  mark.units = 2;  // as after the second epoch, with its line still missing
  const std::size_t test_line = raw.rfind('\n', raw.size() - 2) + 1, second_epoch = raw.rfind('\n', test_line - 2) + 1;
  mark.result_line = raw.substr(second_epoch, test_line - second_epoch - 1);
  mark.result_size = static_cast<std::int64_t>(second_epoch);
  ASSERT_TRUE(write_persistence(last.trained, mark, scratch / "p").ok());
  scratch.write("r", raw.substr(0, second_epoch));
  EXPECT_EQ(run(lines).skipped, 2);
  EXPECT_EQ(results("r"), whole);

  // The last line missing: the run is not over, but has nothing left to do.
  scratch.write("r", scratch.read("r").substr(0, scratch.read("r").rfind("test")));
  const BatchReport rest = run(lines);
  EXPECT_EQ(rest.skipped, 3);
  EXPECT_TRUE(rest.results.empty());
  EXPECT_EQ(results("r"), whole);

  scratch.write("s", raw.substr(0, raw.size() - 20));
  (void)run("ResultFile: s\nTrain: 1\n");
  const std::string mended = scratch.read("s");
  EXPECT_EQ(std::count(mended.begin(), mended.end(), '\n'), 4);
  for (std::size_t at = 0; at < mended.size();) {
    const std::size_t end = mended.find('\n', at);
    EXPECT_EQ(
        std::count(mended.begin() + static_cast<std::ptrdiff_t>(at), mended.begin() + static_cast<std::ptrdiff_t>(end), ';'), 14);
    at = end + 1;
  }
}

TEST_F(Run, RefusesBeforeItTrains) {
  const auto refused = [&](const std::string& lines, const std::string& settings = std::string(kSmallSettings)) {
    const auto report = run_batch(batch(lines, settings));
    EXPECT_FALSE(scratch.has("r"));
    return report ? "" : report.error().message;
  };
  scratch.write("wide.csv", "1,2,3\n");
  EXPECT_THAT(refused("ResultFile: r\nTrain: 1\nTestFile: wide.csv\nTest: 1\n"),
              HasSubstr("wide.csv: wanted 8 inputs behind the targets, as many as "));
  scratch.write("odd.csv", "0,1,2,3,4,5,6,7,8\n3,1,2,3,4,5,6,7,8\n");
  EXPECT_EQ(refused("ResultFile: r\nTrain: 1\nTestFile: odd.csv\nTest: 1\n"),
            scratch / "odd.csv" + ":2: wanted a class from 0 to 2 in column 0, got 3");
  scratch.write("p", "nonsense");
  EXPECT_THAT(refused("ResultFile: r\nPersistenceFile: p\nTrain: 1\n"), StartsWith(scratch / "p"));
  EXPECT_THAT(refused("ResultFile: r\nLambda: 1\nTrain: 1\n"),
              HasSubstr("try a smaller LearningRate (now 0.8) or Lambda (now 1)"));
}

TEST_F(Run, RefusesAPersistenceFileOfAnotherNetwork) {
  (void)run("PersistenceFile: p\nTrain: 1\n");
  scratch.write("net", "Identity, 8\nELU, 13\nSoftMax, 3\n");
  const auto report = run_batch(batch("PersistenceFile: p\nTrain: 1\n"));
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("got one of other layers"));
}

// Several target columns: each output is right within 5 %.
TEST_F(Run, ComparesSeveralTargetsOneByOne) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += i % 2 == 0 ? "0.5,0.9,10,0\n" : "0.2,0.1,0,10\n";
  scratch.write("two.csv", text);
  scratch.write("two", "Identity, 2\nTanH, 6\nLogistic, 2\n");
  const auto report = run_batch(batch(
      "Train: 400\nTest: 1\n", "NetworkFile: two\nTrainFile: two.csv\nTestFile: two.csv\nTargetColumnsEnd: 2\nLambda: 0\n"));
  ASSERT_TRUE(report.ok()) << report.error().message;
  const BatchResult& test = report->results.back();
  EXPECT_EQ(test.correct + test.incorrect, 120);
  EXPECT_GT(test.correct, 80);
}

}  // namespace
}  // namespace soma::test
