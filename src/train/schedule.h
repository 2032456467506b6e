// config and position in the run → learning rate (and momentum) of a step.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "soma/config.h"

namespace soma {

/// Where a step stands; everything but plateau is a function of this alone.
struct Position {
  std::int64_t step = 0;  ///< optimizer steps made before this one
  std::int64_t steps_per_epoch = 1;
  std::int64_t epochs = 1;  ///< of the whole run
};

/// What `plateau` remembers; a checkpoint must keep it.
struct PlateauState {
  double best = std::numeric_limits<double>::infinity();
  std::int64_t bad_epochs = 0;  ///< in a row
  std::int64_t reductions = 0;
  bool operator==(const PlateauState&) const = default;
};

/// The learning rate of the step at `position`, base_rate being the optimizer's. cosine stays at min_rate once its epochs are
/// over; one_cycle is torch.optim.lr_scheduler.OneCycleLR (cosine, two phases) over epochs·steps_per_epoch steps. Warm-up
/// multiplies by (step + 1)/(warmup_epochs·steps_per_epoch) until that reaches 1.
double rate_at(const ScheduleConfig& config, double base_rate, const Position& position, const PlateauState& plateau);

/// one_cycle: the momentum (or beta1) of the step; nothing when the config's own stays in force.
std::optional<double> momentum_at(const ScheduleConfig& config, const Position& position);

/// Tells plateau the loss of a finished epoch. As torch.optim.lr_scheduler.ReduceLROnPlateau: better means below
/// best·(1 − 1e-4); more than `patience` epochs in a row without it reduce the rate and start the count again. NaN is no better.
void observe_loss(const ScheduleConfig& config, double loss, PlateauState& plateau);

}  // namespace soma
