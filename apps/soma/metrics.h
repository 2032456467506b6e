// an evaluation → JSON, or a line a person reads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "soma/model.h"

namespace soma::app {

/// samples, loss, every metric by its name, and per_label where there are several.
nlohmann::ordered_json as_json(const Evaluation& evaluation);

/// "accuracy 97.10 % (971 of 1000), loss 0.0912", "r2 0.9312, rmse 12.3, mae 9.87 (96 samples)": the figures of the task.
std::string headline(const Evaluation& evaluation, Task task);

/// A row for each label or value: its metrics.
void print_per_label(const Evaluation& evaluation);

}  // namespace soma::app
