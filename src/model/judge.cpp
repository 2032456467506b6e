// answers one after the other + what is true of their samples → an Evaluation.
#include "model/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "model/metrics.h"
#include "nn/loss.h"
#include "soma/words.h"

namespace soma {
namespace {

bool worse(const Mistake& a, const Mistake& b) { return a.loss != b.loss ? a.loss > b.loss : a.sample < b.sample; }

/// Keeps the `wanted` mistakes of the largest loss, the first of equal ones: a heap whose front is the least of them.
void keep_worst(std::vector<Mistake>& kept, const Mistake& mistake, std::size_t wanted) {
  kept.push_back(mistake);
  std::push_heap(kept.begin(), kept.end(), worse);
  if (kept.size() <= wanted) return;
  std::pop_heap(kept.begin(), kept.end(), worse);
  kept.pop_back();
}

double value_of(const std::vector<Metric>& metrics, std::string_view name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) { return metric.name == name; });
  return found == metrics.end() ? std::numeric_limits<double>::quiet_NaN() : found->value;
}

}  // namespace

std::string targets_problem(const Model& model, const Dataset& known) {
  if (model.task == Task::reconstruct) return "";
  if (known.task != model.task)
    return fmt::format("wanted {}, as the model answers with, got {}; try the data it was trained on", word(model.task),
                       word(known.task));
  if (model.task != Task::classes) {
    if (known.target_names == model.target_names && !known.targets.empty()) return "";
    return fmt::format("wanted the model's targets ({}), got ({}); try the data it was trained on",
                       fmt::join(model.target_names, ", "), fmt::join(known.target_names, ", "));
  }
  if (known.labels.size() != static_cast<std::size_t>(known.count))
    return fmt::format("wanted a label for each of {} samples, got {}; try data with labels", known.count, known.labels.size());
  if (known.class_names != model.class_names)
    return fmt::format("wanted the model's {} classes ({}), got {} ({}); try the data it was trained on",
                       model.class_names.size(), fmt::join(model.class_names, ", "), known.class_names.size(),
                       fmt::join(known.class_names, ", "));
  for (const std::int32_t label : known.labels)
    if (label < 0 || static_cast<std::size_t>(label) >= model.class_names.size())
      return fmt::format("wanted labels below {}, got {}; try data of the same classes", model.class_names.size(), label);
  return "";
}

void Judge::add_class(std::int64_t sample, std::span<const float> y, const Prediction& prediction) {
  const std::int32_t label = known_.labels[static_cast<std::size_t>(sample)];
  const double loss = sample_loss(model_.loss, y, label);
  const bool coded = !model_.loss.codes.empty();
  loss_ += loss;
  given_.push_back(prediction.label);
  if (!coded) answers_.insert(answers_.end(), prediction.probabilities.begin(), prediction.probabilities.end());
  if (prediction.label == label || worst_ == 0) return;
  const auto probability = static_cast<double>(prediction.probabilities[coded ? 0 : static_cast<std::size_t>(prediction.label)]);
  keep_worst(mistakes_, {sample, label, prediction.label, probability, loss}, worst_);
}

void Judge::add(std::int64_t sample, std::span<const float> y, std::span<const float> itself, const Prediction& prediction) {
  switch (model_.task) {
    case Task::classes:
      return add_class(sample, y, prediction);
    case Task::reconstruct:
      loss_ += sample_loss(model_.loss, y, itself);
      answers_.push_back(static_cast<float>(prediction.score));
      return;
    case Task::values:
    case Task::labels: {
      const std::size_t width = model_.target_names.size();
      loss_ += sample_loss(model_.loss, y, std::span(known_.targets).subspan(static_cast<std::size_t>(sample) * width, width));
      const auto& said = model_.task == Task::values ? prediction.values : prediction.probabilities;
      answers_.insert(answers_.end(), said.begin(), said.end());
      return;
    }
  }
}

Evaluation Judge::evaluation() {
  Evaluation result;
  result.samples = known_.count;
  result.loss = loss_ / static_cast<double>(known_.count);
  const std::size_t classes = model_.class_names.size();
  switch (model_.task) {
    case Task::classes: {
      result.confusion.assign(classes, std::vector<std::int64_t>(classes));
      for (std::size_t i = 0; i < given_.size(); ++i)
        ++result.confusion[static_cast<std::size_t>(known_.labels[i])][static_cast<std::size_t>(given_[i])];
      const bool probabilities = model_.loss.kind == LossConfig::Kind::cross_entropy || model_.loss.kind == LossConfig::Kind::nll;
      result.metrics = class_metrics(known_.labels, given_, answers_, classes, probabilities);
      break;
    }
    case Task::values:
      result.metrics = value_metrics(known_.targets, answers_, model_.loss.quantile, model_.target_names, result.per_label);
      break;
    case Task::labels:
      result.metrics = label_metrics(known_.targets, answers_, model_.target_names, result.per_label);
      break;
    case Task::reconstruct:  // of two known classes the second is the one whose scores should be high
      if (known_.labels.size() == answers_.size() && known_.class_names.size() == 2) {
        std::vector<bool> holds;
        for (const std::int32_t label : known_.labels) holds.push_back(label == 1);
        for (const auto& [name, value] :
             {std::pair{"roc_auc", roc_auc(answers_, holds)}, std::pair{"average_precision", average_precision(answers_, holds)}})
          if (value == value) result.metrics.push_back({name, value});
      }
      break;
  }
  result.accuracy = value_of(result.metrics, "accuracy");
  std::sort(mistakes_.begin(), mistakes_.end(), worse);
  result.worst = std::move(mistakes_);
  return result;
}

}  // namespace soma
