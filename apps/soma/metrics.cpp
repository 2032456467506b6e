// an evaluation → JSON, or a line a person reads.
#include "metrics.h"

#include <fmt/format.h>

#include <cmath>

#include "table.h"

namespace soma::app {

nlohmann::ordered_json as_json(const Evaluation& evaluation) {
  nlohmann::ordered_json json;
  json["samples"] = evaluation.samples;
  json["loss"] = evaluation.loss;
  for (const Metric& metric : evaluation.metrics) json[metric.name] = metric.value;
  for (const LabelMetrics& label : evaluation.per_label) {
    nlohmann::ordered_json entry = {{"label", label.label}};
    for (const Metric& metric : label.metrics) entry[metric.name] = metric.value;
    json["per_label"].push_back(std::move(entry));
  }
  return json;
}

std::string headline(const Evaluation& evaluation, Task task) {
  if (task == Task::classes)
    return fmt::format("accuracy {} ({} of {}), loss {:.4f}", percent(evaluation.accuracy),
                       std::llround(evaluation.accuracy * static_cast<double>(evaluation.samples)), evaluation.samples,
                       evaluation.loss);
  std::string text;
  for (const Metric& metric : evaluation.metrics)
    if (metric.name != "pinball" && metric.name != "calibration_error")
      text += fmt::format("{} {:.4g}, ", metric.name, metric.value);
  return fmt::format("{}loss {:.4g} ({} samples)", text, evaluation.loss, evaluation.samples);
}

void print_per_label(const Evaluation& evaluation) {
  if (evaluation.per_label.empty()) return;
  Row head = {"target"};
  std::string align = "l";
  for (const Metric& metric : evaluation.per_label.front().metrics) {
    head.push_back(metric.name);
    align += 'r';
  }
  std::vector<Row> rows;
  for (const LabelMetrics& label : evaluation.per_label) {
    Row row = {label.label};
    for (std::size_t i = 1; i < head.size(); ++i) {
      std::string cell = "–";
      for (const Metric& metric : label.metrics)
        if (metric.name == head[i]) cell = fmt::format("{:.4g}", metric.value);
      row.push_back(std::move(cell));
    }
    rows.push_back(std::move(row));
  }
  print_table(stdout, head, rows, align);
}

}  // namespace soma::app
