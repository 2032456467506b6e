// a training run → its page: what came out, how it got there, where it goes wrong, what it costs.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "core/file.h"
#include "report/chart.h"
#include "report/page.h"
#include "report/run_parts.h"
#include "report/words.h"

namespace soma {
namespace report {

std::string learning_curves(const RunFacts& facts) {
  const auto& history = facts.train.history;
  if (history.empty()) return "";
  const auto curve = [&](std::string name, auto&& value) {
    LabChart::Series series{std::move(name)};
    for (const EpochRecord& record : history) {
      series.x.push_back(static_cast<double>(record.epoch));
      series.y.push_back(value(record));
    }
    return series;
  };
  const auto lines = [](std::string title, std::string unit, std::vector<LabChart::Series> series) {
    LabChart chart{LabChart::Kind::lines, std::move(title), "epoch", std::move(unit)};
    chart.series = std::move(series);
    return report::chart(chart);
  };
  const auto number = [](const std::optional<double>& x, double factor) { return x ? factor * *x : std::nan(""); };
  std::vector<LabChart::Series> loss = {curve("training", [](const EpochRecord& r) { return r.loss; })};
  std::vector<LabChart::Series> accuracy = {curve("training", [](const EpochRecord& r) { return 100 * r.accuracy; })};
  if (history.front().validation_loss) {
    loss.push_back(curve("validation", [&](const EpochRecord& r) { return number(r.validation_loss, 1); }));
    accuracy.push_back(curve("validation", [&](const EpochRecord& r) { return number(r.validation_accuracy, 100); }));
  }
  const bool judged = !std::isnan(history.front().accuracy);  // some tasks know no right and wrong
  return "<div class=\"charts\">\n" + lines("Loss", "lower is better", std::move(loss)) +
         (judged ? lines("Accuracy", "%", std::move(accuracy)) : "") +
         lines("Learning rate", "at the end of the epoch", {curve("rate", [](const EpochRecord& r) { return r.rate; })}) +
         fmt::format("</div>\n<p class=\"note\">Training loss{} seen while the weights still changed, before each step.</p>\n",
                     judged ? " and accuracy are those" : " is that");
}

namespace {

std::string headline(const RunFacts& facts) {
  const TrainReport& run = facts.train;
  const auto epochs = static_cast<std::int64_t>(run.history.size());
  std::vector<std::pair<std::string, std::string>> values;
  if (facts.evaluation != nullptr) {
    if (!std::isnan(facts.evaluation->accuracy)) values.emplace_back(percent(facts.evaluation->accuracy), "test accuracy");
    for (const Metric& metric : facts.evaluation->metrics)
      if (metric.name == "r2" || metric.name == "rmse" || metric.name == "macro_f1" || metric.name == "roc_auc")
        values.emplace_back(brief(metric.value), "test " + metric.name);
    values.emplace_back(brief(facts.evaluation->loss), "test loss");
  }
  if (!run.history.empty() && !std::isnan(run.history.back().accuracy))
    values.emplace_back(percent(run.history.back().accuracy), "training accuracy");
  values.emplace_back(duration(run.train_seconds), epochs == 1 ? "to train 1 epoch" : fmt::format("to train {} epochs", epochs));
  const double seen = static_cast<double>(run.samples) * static_cast<double>(epochs);
  if (run.train_seconds > 0 && seen > 0) {
    values.emplace_back(with_prefix(seen / run.train_seconds), "samples per second");
    values.emplace_back(with_prefix(seen * static_cast<double>(run.flops_per_sample) / run.train_seconds),
                        "FLOP/s, densely counted");
  }
  values.emplace_back(grouped(run.parameters), "parameters");
  const std::string name = facts.config.name.empty() ? "Training run" : facts.config.name;
  std::string words = fmt::format("Trained on {} samples of <b>{}</b>", grouped(run.samples), escaped(facts.config.data.train));
  if (facts.evaluation != nullptr) words += fmt::format(", judged by {} others", grouped(facts.evaluation->samples));
  words += run.stopped_early ? ". Stopped early: the validation loss no longer got better, and the best model was kept." : ".";
  return fmt::format("<header>\n<p class=\"kind\">Training run</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{}</header>\n",
                     escaped(name), words, figures(values));
}

}  // namespace
}  // namespace report

std::string run_page(const RunFacts& facts) {
  using namespace report;
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string name = facts.config.name.empty() ? "Training run" : facts.config.name;
  return page(
      name, headline(facts) + section("Learning", learning_curves(facts)) + section("What is taken for what", confusion(facts)) +
                section("The worst mistakes", mistakes(facts)) + section("What the first layer looks for", first_layer(facts)) +
                section("Layers, and where the time goes", layers(facts)) + section("How to do it again", settings(facts)) +
                fmt::format("<footer>Written by soma on {:%Y-%m-%d} at {:%H:%M} UTC.</footer>\n", now, now));
}

Result<void> write_run_page(const RunFacts& facts, const std::filesystem::path& file) {
  return write_file(file, run_page(facts));
}

}  // namespace soma
