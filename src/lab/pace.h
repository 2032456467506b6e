// a config + data + a device → how long a row takes there, trained and predicted.
#pragma once

#include <optional>

#include "lab/measure.h"
#include "soma/device.h"
#include "soma/train.h"

namespace soma {

/// The GPU an experiment looks at: the first that is no software; else software, which its report then calls by that name.
/// Nothing, with the reason in `why`, where there is none.
std::optional<Gpu> gpu_to_measure(std::string& why);

/// Seconds a row, and rows in all readings.
struct Pace {
  Reading row;
  double rows = 0;
};

/// Training steps of the config, wherever its train.device says.
[[nodiscard]] Result<Pace> training_pace(Config config, const RunData& data, const Effort& effort);

/// Forward passes over batches of train.batch rows of the data, one after the other. On a GPU the loss is worked out behind each
/// and the answers stay there.
[[nodiscard]] Result<Pace> prediction_pace(const Config& config, const RunData& data, const Effort& effort);

}  // namespace soma
