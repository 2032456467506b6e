// nothing → runs and findings that are hard to lay out: long names, markup in words, gaps, many classes.
#include "report/examples.h"

#include <fmt/format.h>

#include <limits>

namespace soma::test {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

}  // namespace

ExampleRun table_run(std::size_t classes) {
  ExampleRun run;
  run.config.name = "a name with <b>markup</b> & \"quotes\" that_goes_on_without_any_place_to_break_it_for_a_very_long_time";
  run.config.data.train = "/data/<script>alert(1)</script>.csv";
  run.config.network.input = {3};
  run.config.network.nodes = {{"the_first_layer_with_a_long_name", Linear{4, true}, {}, {}},
                              {"relu<i>", Activation{Activation::Kind::relu, 0}, {}, {}},
                              {"out", Linear{static_cast<std::int64_t>(classes), true}, {}, {}}};
  run.test.shape = {3};
  run.test.columns = {{"length <cm>", {}}, {"colour", {"red", "<green>"}}, {"weight", {}}};
  for (std::size_t c = 0; c < classes; ++c) {
    run.train.model.class_names.push_back(fmt::format("class {} <em>of many</em>", c));
    run.test.floats.insert(run.test.floats.end(), {static_cast<float>(c), static_cast<float>(c % 2), -1.5F});
    run.test.labels.push_back(static_cast<std::int32_t>(c));
    const auto given = static_cast<std::int32_t>((c + 1) % classes);
    run.evaluation.worst.push_back({static_cast<std::int64_t>(c), static_cast<std::int32_t>(c), given, 0.75, 2.5});
    run.evaluation.confusion.emplace_back(classes);
    run.evaluation.confusion[c][c] = 90000;
    run.evaluation.confusion[c][static_cast<std::size_t>(given)] += 12345;
  }
  run.test.count = static_cast<std::int64_t>(classes);
  run.evaluation.samples = 102345 * static_cast<std::int64_t>(classes);
  run.evaluation.accuracy = 0.879;
  run.evaluation.loss = 0.4321;
  run.train.model.network = run.config.network;
  run.train.model.columns = run.test.columns;
  run.train.model.parameters = {{"the_first_layer_with_a_long_name.weight", {4, 3}, std::vector<float>(12, -0.123F)}};
  run.train.history = {
      {1, 2.1, 0.3, 2.2, 0.28, 0.01, 0.5}, {2, 1.1, 0.7, 1.3, 0.6, 0.001, 0.5}, {3, 0.5, 0.85, 0.9, 0.8, 1e-5, 0.5}};
  run.train.train_seconds = 1.5;
  run.train.samples = 123456;
  run.train.parameters = 1234567;
  run.train.flops_per_sample = 2000000;
  run.train.threads = 16;
  run.train.target = "avx512";
  run.layers = {{"the_first_layer_with_a_long_name + relu<i>", 1.2e-3, 3.4e-3}, {"out", 1e-6, 2e-6}};
  return run;
}

LabReport example_findings() {
  using Kind = LabChart::Kind;
  LabReport report;
  report.experiment = "example";
  report.question = "How near does <soma> come to what others have published?";
  report.machine = "AMD EPYC, 2 cores";
  report.target = "avx512";
  report.compiler = "g++ 12.2.0";
  report.started = "2026-01-02T03:04:05Z";
  report.threads = 16;
  report.quick = true;
  report.seconds = 42.5;
  LabChart bars{Kind::bars, "Samples per second", "", "more is better"};
  bars.categories = {"784-100-10, one sample at a time, as the original program did it, with a long name", "mnist-cnn", "tiny"};
  bars.series = {{"soma, 1 thread", false, {}, {98765.4, 1234.5, 12}},
                 {"soma, 2 threads", false, {}, {187654, 2345.6, kGap}},
                 {"published (2019)", true, {}, {900, 110, 0}}};
  LabChart logarithmic = bars;
  logarithmic.title = "The same by powers of ten";
  logarithmic.log_y = true;
  LabChart lines{Kind::lines, "Speed-up", "workers", "× one worker"};
  lines.log_x = true;
  lines.series = {{"measured", false, {1, 2, 4, 8, 16}, {1, 1.9, 1.95, kGap, 1.8}},
                  {"published", true, {1, 2, 4, 8, 16}, {1, 1.8, 3.1, 5.2, 6.9}},
                  {"at most", false, {1, 2, 4, 8, 16}, {1, 2, 2, 2, 2}}};
  LabChart many{Kind::lines, "Accuracy after each epoch", "epoch", "%"};
  for (int workers = 1; workers <= 8; ++workers) {
    auto& series = many.series.emplace_back(LabChart::Series{fmt::format("{} workers", workers)});
    for (int epoch = 1; epoch <= 20; ++epoch) {
      series.x.push_back(epoch);
      series.y.push_back(100 - 10.0 * workers / epoch);
    }
  }
  LabChart empty{Kind::lines, "Nothing was measured", "x", "y"};
  empty.series = {{"nothing"}};
  report.charts = {bars, logarithmic, lines, many, empty};
  LabTable wide{"Everything, in one wide table", {{"network"}, {"what"}}, {}};
  std::vector<LabCell> row = {std::string("784-100-10"), std::string("<i>words</i>")};
  for (int i = 0; i < 14; ++i) {
    wide.columns.push_back({fmt::format("column {}", i), "GFLOP/s", i % 3});
    if (i == 5)
      row.emplace_back();
    else
      row.emplace_back(1234.567 * i);
  }
  wide.rows = {row, row};
  report.tables = {wide};
  report.verdicts = {{true, "mnist-cnn: 1234 samples/s is at least 10 × the published 110"},
                     {false, "tiny & <small>: 12 samples/s, and the claim was 100"},
                     {true, "on a machine with more cores: not to be told here", false}};
  report.notes = {"Median of 5 rounds, taking turns.", "Left out: <everything> else."};
  return report;
}

}  // namespace soma::test
