// runs and findings → pages that are whole, escape every foreign word, and leave out what is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "model/scratch.h"
#include "report/chart.h"
#include "report/examples.h"

namespace soma {
namespace {

using test::example_findings;
using test::table_run;
using testing::HasSubstr;
using testing::Not;

/// The first tag that is opened and not closed, or closed and not opened; "" when all are in order.
std::string misplaced_tag(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html[at + 1] == '!') continue;
    const bool closes = html[at + 1] == '/';
    const std::size_t first = at + (closes ? 2 : 1), end = html.find_first_of(" >/\n", first), last = html.find('>', at);
    const std::string name = html.substr(first, end - first);
    if (name == "meta" || name == "img" || name == "br" || html[last - 1] == '/') continue;
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> at " + std::to_string(at);
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

/// What every page keeps: it stands alone, and no word from data is markup.
void expect_sound(const std::string& html) {
  EXPECT_EQ(misplaced_tag(html), "");
  EXPECT_THAT(html, testing::StartsWith("<!doctype html>"));
  for (const char* outside :
       {"<script", "<link", "http:", "https:", "url(", "<b>markup", "<em>of", "<green>", "<i>words", "<soma>"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  EXPECT_EQ(html.find("nan"), std::string::npos) << html.substr(html.find("nan") - 40, 80);
  EXPECT_EQ(html.find("inf%"), std::string::npos);
}

TEST(RunPage, ShowsEveryPart) {
  const auto run = table_run(3);
  const std::string html = run_page(run.facts());
  expect_sound(html);
  for (const char* part : {"Learning", "What is taken for what", "The worst mistakes", "What the first layer looks for",
                           "Layers, and where the time goes", "How to do it again", "validation", "87.9\u202f%", "test accuracy",
                           "12\u202f345 times", "length &lt;cm&gt;", "&lt;green&gt;",
                           "the_first_layer_with_a_long_name + relu&lt;i&gt;", "avx512", "[network]"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST(RunPage, LeavesOutWhatIsNotThere) {
  const auto run = table_run(3);
  const TrainReport nothing{};
  const std::string html = run_page({run.config, nothing});
  expect_sound(html);
  for (const char* part : {"Learning<", "What is taken for what", "The worst mistakes", "test accuracy", "Time of one step"})
    EXPECT_THAT(html, Not(HasSubstr(part)));
  EXPECT_THAT(html, HasSubstr("How to do it again"));
}

TEST(RunPage, ManyClassesAreListedNotDrawn) {
  EXPECT_THAT(run_page(table_run(30).facts()), HasSubstr("class=\"confusion\""));
  const std::string many = run_page(table_run(31).facts());
  expect_sound(many);
  EXPECT_THAT(many, Not(HasSubstr("class=\"confusion\"")));
  EXPECT_THAT(many, HasSubstr("class 30 &lt;em&gt;"));
}

TEST(RunPage, PicturesOfMistakesAndFilters) {
  auto run = table_run(3);
  run.config.network = {{1, 4, 4}, {{"flat", Flatten{}, {}, {}}, {"first", Linear{2, true}, {}, {}}}, {}};
  run.train.model.network = run.config.network;
  run.train.model.parameters = {{"first.weight", {2, 16}, std::vector<float>(32, 0.5F)}};
  run.test.shape = {1, 4, 4};
  run.test.floats.clear();
  run.test.bytes.assign(3 * 16, 200);
  const std::string html = run_page(run.facts());
  expect_sound(html);
  std::size_t pictures = 0;
  for (std::size_t at = html.find("data:image/png;base64,iVBOR"); at != std::string::npos;
       at = html.find("data:image/png", at + 1))
    ++pictures;
  EXPECT_EQ(pictures, 3 + 2U);
}

TEST(RunPage, IsWrittenWhereItWasAsked) {
  const Scratch scratch;
  const auto run = table_run(2);
  write_run_page(run.facts(), scratch / "report.html").value();
  expect_sound(read_file(scratch / "report.html").value());
  const auto failed = write_run_page(run.facts(), scratch / "missing/report.html");
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr("missing"));
}

TEST(LabPage, ShowsTablesChartsAndVerdicts) {
  const std::string html = lab_page(example_findings());
  expect_sound(html);
  for (const char* part : {"1 of 2", "claims borne out", "How near does &lt;soma&gt;", "class=\"holds\"", "class=\"fails\"",
                           "class=\"open\"", "that this run cannot judge", "Speed-up", "a quick run", "column 13",
                           "16\u202f049.4", "Left out: &lt;everything&gt; else."})
    EXPECT_THAT(html, HasSubstr(part));
  expect_sound(lab_page({}));
}

TEST(Chart, GapsBreakTheLineAndPublishedFiguresLookDifferent) {
  LabChart chart{LabChart::Kind::lines, "t", "x", "y"};
  const double gap = std::numeric_limits<double>::quiet_NaN();
  chart.series = {{"ours", false, {0, 1, 2, 3}, {0, 1, gap, 1}}, {"theirs", true, {0, 3}, {1, 0}}};
  const std::string html = report::chart(chart);
  EXPECT_THAT(html, HasSubstr("d=\"M0.0 1000.0L333.3 0.0M1000.0 0.0\""));
  EXPECT_THAT(html, HasSubstr("<path class=\"s1 published\""));
  EXPECT_THAT(html, HasSubstr("<li class=\"s1 published\">theirs</li>"));
  chart.series.pop_back();
  EXPECT_THAT(report::chart(chart), Not(HasSubstr("legend"))) << "one line needs none";
}

TEST(Chart, PublishedFiguresShareTheColourOfWhatTheyAreComparedWith) {
  LabChart chart{LabChart::Kind::bars, "t", "", "y"};
  chart.categories = {"a"};
  chart.series = {{"pool (2019)", true, {}, {1}}, {"spawn", false, {}, {1}}, {"pool", false, {}, {1}}, {"other", true, {}, {1}}};
  chart.log_y = true;
  const std::string html = report::chart(chart);
  EXPECT_THAT(html, HasSubstr("<li class=\"s1 published\">pool (2019)</li><li class=\"s0\">spawn</li><li class=\"s1\">pool</li>"
                              "<li class=\"s2 published\">other</li>"));
  EXPECT_THAT(html, HasSubstr("<small>y, logarithmic</small>"));
}

TEST(Chart, BarsAreAsLongAsTheirValues) {
  LabChart chart{LabChart::Kind::bars, "t", "", "y"};
  chart.categories = {"a", "b", "c"};
  chart.series = {{"ours", false, {}, {100, 50}}};
  const std::string html = report::chart(chart);
  EXPECT_THAT(html, HasSubstr("width=\"74.00%\""));
  EXPECT_THAT(html, HasSubstr("width=\"37.00%\""));
  EXPECT_THAT(html, HasSubstr(">–</text>")) << "c has no value";
}

}  // namespace
}  // namespace soma
