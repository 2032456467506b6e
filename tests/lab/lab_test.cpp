// LabReport and readings → what the lab writes and says about them.
#include "soma/lab.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "lab/measure.h"
#include "lab/rates.h"

namespace soma {
namespace {

using testing::HasSubstr;

LabReport small_report() {
  LabReport report;
  report.experiment = "none";
  report.tables = {{"Rate, one core", {{"name", ""}, {"rate", "GOP/s", 1}}, {{"a, \"b\"", 0.1}, {std::monostate(), 2.0}}}};
  report.charts = {{LabChart::Kind::lines, "t", "x", "y", {}, {{"s", true, {1, 2}, {3, 4}}}}};
  report.verdicts = {{true, "holds"}, {false, "cannot tell", false}};
  return report;
}

TEST(Lab, UnknownExperimentsNameTheNearest) {
  const auto report = run_experiment("peal");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, Error::Kind::usage);
  EXPECT_THAT(report.error().message, HasSubstr("try 'peak'"));
}

TEST(Lab, WritesJsonAndCsv) {
  const std::filesystem::path out = std::filesystem::path(testing::TempDir()) / "lab-writes";
  ASSERT_TRUE(write_lab_report(small_report(), out).ok());
  EXPECT_EQ(read_file(out / "rate-one-core.csv").value(), "name,rate [GOP/s]\r\n\"a, \"\"b\"\"\",0.1\r\n,2\r\n");
  const auto json = nlohmann::json::parse(read_file(out / "report.json").value());
  EXPECT_EQ(json["tables"][0]["rows"][0][1], 0.1);
  EXPECT_TRUE(json["tables"][0]["rows"][1][0].is_null());
  EXPECT_EQ(json["charts"][0]["series"][0]["published"], true);
  EXPECT_EQ(json["verdicts"][0]["holds"], true);
  EXPECT_TRUE(json["verdicts"][1]["holds"].is_null());
  std::filesystem::remove_all(out);
}

TEST(Lab, SummariesAreQuartiles) {
  const Reading reading = summarize({5, 1, 3, 2, 4});
  EXPECT_EQ(reading.median, 3);
  EXPECT_EQ(reading.low, 2);
  EXPECT_EQ(reading.high, 4);
}

TEST(Lab, MeasuresInterleaved) {
  std::string order;
  const auto readings = measure_interleaved({[&] { order += 'a'; }, [&] { order += 'b'; }}, {1e-7, 3});
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_THAT(order, HasSubstr("ba"));
  EXPECT_GE(readings[0].calls, 1);
}

// The probes are straight-line code for one processor each: that every one this machine has can be run is all there is to check.
TEST(Lab, ProbesRun) {
  for (const RateProbe& probe : rate_probes()) {
    if (probe.operations > 0) probe.call();
    EXPECT_FALSE(probe.format.empty());
  }
}

}  // namespace
}  // namespace soma
