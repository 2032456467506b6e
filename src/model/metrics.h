// what a model said of samples + what is true → the figures that judge it, as scikit-learn works them out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soma/model.h"

namespace soma {

// Sources: scikit-learn 1.5, sklearn.metrics, at its defaults; calibration error of Guo, Pleiss, Sun, Weinberger 2017 with 15
// bins. A metric that the samples leave undefined (a class that never occurs, …) is left out.

/// Classes: labels [n], given [n], scores [n, classes] or empty. With `probabilities` the scores are such.
std::vector<Metric> class_metrics(std::span<const std::int32_t> labels, std::span<const std::int32_t> given,
                                  std::span<const float> scores, std::size_t classes, bool probabilities);

/// Several labels: truth and probabilities [n, labels]; a label holds from 0.5 on. Also those of each label, into `each`.
std::vector<Metric> label_metrics(std::span<const float> truth, std::span<const float> probabilities,
                                  const std::vector<std::string>& names, std::vector<LabelMetrics>& each);

/// Values: truth and answers [n, values]; means over the values, and those of each into `each` where there are several.
/// `quantile`: of the pinball loss.
std::vector<Metric> value_metrics(std::span<const float> truth, std::span<const float> answers, double quantile,
                                  const std::vector<std::string>& names, std::vector<LabelMetrics>& each);

/// How well scores [n] tell what holds [n] from what does not: area under the ROC curve and average precision; NaN where all hold
/// or none.
double roc_auc(std::span<const float> scores, const std::vector<bool>& holds);
double average_precision(std::span<const float> scores, const std::vector<bool>& holds);

}  // namespace soma
