// config and position in the run → learning rate (and momentum) of a step.
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace soma {
namespace {

// From `start` at 0 to `end` at 1, half a cosine wave.
double anneal(double start, double end, double fraction) {
  return end + (start - end) / 2 * (std::cos(std::numbers::pi * fraction) + 1);
}

// One value through both phases: low → high over the first `peak_at` of the steps, then high → last.
double cycle(double low, double high, double last, double peak_at, const Position& position) {
  const auto total = static_cast<double>(position.steps_per_epoch * position.epochs);
  const double peak = peak_at * total - 1, end = total - 1, step = std::min(static_cast<double>(position.step), end);
  if (step <= peak) return anneal(low, high, peak > 0 ? step / peak : 1);
  return anneal(high, last, end > peak ? (step - peak) / (end - peak) : 1);
}

double scheduled(const ScheduleConfig& c, double rate, const Position& position, const PlateauState& seen) {
  using enum ScheduleConfig::Kind;
  const std::int64_t epoch = position.step / position.steps_per_epoch;
  switch (c.kind) {
    case constant:
      return rate;
    case step: {
      const std::int64_t drops = epoch / c.every;
      return rate * std::pow(c.gamma, static_cast<double>(drops));
    }
    case exponential:
      return rate * std::pow(c.gamma, static_cast<double>(epoch));
    case cosine: {
      const std::int64_t over = c.over > 0 ? c.over : position.epochs;
      return anneal(rate, c.min_rate, static_cast<double>(std::min(epoch, over)) / static_cast<double>(over));
    }
    case one_cycle: {
      const double first = rate / c.start_divisor;
      return cycle(first, rate, first / c.final_divisor, c.peak_at, position);
    }
    case ScheduleConfig::Kind::plateau:
      break;
  }
  return std::max(rate * std::pow(c.factor, static_cast<double>(seen.reductions)), c.min_rate);
}

}  // namespace

double rate_at(const ScheduleConfig& config, double base_rate, const Position& position, const PlateauState& plateau) {
  const double rate = scheduled(config, base_rate, position, plateau);
  const double warmup = config.warmup_epochs * static_cast<double>(position.steps_per_epoch);
  const auto made = static_cast<double>(position.step + 1);
  return made < warmup ? rate * made / warmup : rate;
}

std::optional<double> momentum_at(const ScheduleConfig& config, const Position& position) {
  if (config.kind != ScheduleConfig::Kind::one_cycle || (config.momentum_low == 0 && config.momentum_high == 0)) return {};
  return cycle(config.momentum_high, config.momentum_low, config.momentum_high, config.peak_at, position);
}

void observe_loss(const ScheduleConfig& config, double loss, PlateauState& plateau) {
  constexpr double kThreshold = 1e-4;
  if (loss < plateau.best * (1 - kThreshold)) {
    plateau.best = loss;
    plateau.bad_epochs = 0;
  } else if (++plateau.bad_epochs > config.patience) {
    ++plateau.reductions;
    plateau.bad_epochs = 0;
  }
}

}  // namespace soma
