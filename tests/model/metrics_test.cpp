// answers and truth → metrics, as scikit-learn has them: tests/golden/metrics.json.
#include "model/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace soma {
namespace {

TEST(Metrics, AreThoseOfScikitLearn) {
  std::ifstream file(SOMA_SOURCE_DIR "/tests/golden/metrics.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 7U);
  for (const auto& c : cases) {
    const auto width = c["width"].get<std::size_t>();
    const auto scores = c["scores"].get<std::vector<float>>();
    std::vector<std::string> names(width, "x");
    std::vector<LabelMetrics> each;
    std::vector<Metric> metrics;
    if (c["task"] == "classes") {
      const auto labels = c["labels"].get<std::vector<std::int32_t>>();
      std::vector<std::int32_t> given;
      for (std::size_t row = 0; row < scores.size(); row += width) {
        const auto begin = scores.begin() + static_cast<std::ptrdiff_t>(row);
        given.push_back(static_cast<std::int32_t>(std::max_element(begin, begin + static_cast<std::ptrdiff_t>(width)) - begin));
      }
      metrics = class_metrics(labels, given, scores, width, true);
    } else {
      const auto truth = c["truth"].get<std::vector<float>>();
      metrics =
          c["task"] == "labels" ? label_metrics(truth, scores, names, each) : value_metrics(truth, scores, 0.3, names, each);
    }
    for (const auto& [name, wanted] : c["want"].items()) {
      const auto found =
          std::find_if(metrics.begin(), metrics.end(), [&name = name](const Metric& metric) { return metric.name == name; });
      ASSERT_NE(found, metrics.end()) << name;
      EXPECT_NEAR(found->value, wanted.get<double>(), 1e-6 * std::max(1.0, std::abs(wanted.get<double>())))
          << c["task"] << " " << name;
    }
  }
}

TEST(Metrics, WhatIsUndefinedIsLeftOut) {
  std::vector<LabelMetrics> each;
  const std::vector<float> same = {2, 2, 2}, said = {1, 2, 3};
  for (const Metric& metric : value_metrics(same, said, 0.5, {"v"}, each)) EXPECT_NE(metric.name, "r2");
  const std::vector<std::int32_t> one = {1, 1};
  for (const Metric& metric : class_metrics(one, one, std::vector<float>{0.1F, 0.9F, 0.2F, 0.8F}, 2, true))
    EXPECT_NE(metric.name, "roc_auc");
}

// Confidences of 0.95 and 0.55 that are right half the time: |0.5 − 0.95|·½ + |0.5 − 0.55|·½.
TEST(Metrics, CalibrationError) {
  const std::vector<std::int32_t> labels = {0, 1, 0, 1}, given = {0, 0, 0, 0};
  const std::vector<float> scores = {0.95F, 0.05F, 0.95F, 0.05F, 0.55F, 0.45F, 0.55F, 0.45F};
  for (const Metric& metric : class_metrics(labels, given, scores, 2, true))
    if (metric.name == "calibration_error") {
      EXPECT_NEAR(metric.value, 0.25, 1e-6);
    }
}

}  // namespace
}  // namespace soma
