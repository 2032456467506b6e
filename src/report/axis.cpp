// the values a chart has to show → an axis: where it begins and ends, and which places on it are named.
#include "report/axis.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/words.h"

namespace soma::report {
namespace {

/// The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is at least `x`.
double nice_above(double x, bool whole) {
  const double power = std::pow(10, std::floor(std::log10(x)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0})
    if (factor * power >= x * (1 - 1e-9) && (!whole || std::floor(factor * power) == factor * power))
      return whole ? std::max(1.0, factor * power) : factor * power;
  return whole ? std::max(1.0, 10 * power) : 10 * power;
}

int decimals_of(double step) {
  int decimals = 0;
  for (double x = step; decimals < 9 && std::abs(x - std::round(x)) > 1e-6 * std::abs(x); x *= 10) ++decimals;
  return decimals;
}

std::string linear_label(double x, double step) {
  const double size = std::max(std::abs(x), step);
  return size >= 1e7 || size < 1e-4 ? brief(x) : size >= 1e5 ? with_prefix(x) : fixed(x, decimals_of(step));
}

}  // namespace

Axis::Axis(std::span<const double> values, const AxisNeeds& needs) : log_(needs.log) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double x : values)
    if (std::isfinite(x) && (!needs.log || x > 0)) {
      low = std::min(low, x);
      high = std::max(high, x);
    }
  if (low > high) low = high = needs.log ? 1 : 0;
  first_ = needs.log ? std::log10(low) : low;
  last_ = needs.log ? std::log10(high) : high;
  if (needs.log)
    choose_log(values, needs);
  else
    choose_linear(needs);
}

void Axis::choose_linear(const AxisNeeds& needs) {
  if (needs.from_zero && first_ > 0) first_ = 0;
  if (!(last_ - first_ > 1e-12 * std::max(std::abs(first_), std::abs(last_)))) {
    const double room = first_ == 0 ? 1 : std::abs(first_) * 0.1;
    last_ += needs.whole ? 1 : room;
    if (!needs.tight && first_ != 0) first_ -= room;
  }
  const double step = nice_above((last_ - first_) / needs.ticks, needs.whole);
  const double begin = std::floor(first_ / step + 1e-9), end = std::ceil(last_ / step - 1e-9);
  if (!needs.tight) {
    first_ = begin * step;
    last_ = end * step;
  }
  for (double i = begin; i <= end; ++i)
    if (const double at = place(i * step); i * step >= first_ - step * 1e-9 && i * step <= last_ + step * 1e-9)
      ticks_.push_back({at, linear_label(i * step, step)});
}

void Axis::choose_log(std::span<const double> values, const AxisNeeds& needs) {
  // Few values that stand apart (1, 2, 4, 8 workers) name themselves.
  std::vector<double> own;
  for (const double x : values)
    if (std::isfinite(x) && x > 0) own.push_back(x);
  std::sort(own.begin(), own.end());
  own.erase(std::unique(own.begin(), own.end()), own.end());
  if (last_ - first_ < 1e-9) {
    first_ -= 0.5;
    last_ += 0.5;
  }
  const auto apart = [&] {
    for (std::size_t i = 1; i < own.size(); ++i)
      if (std::log10(own[i] / own[i - 1]) < 0.08 * (last_ - first_)) return false;
    return true;
  };
  if (needs.tight && !own.empty() && own.size() <= 8 && apart()) {
    for (const double x : own) ticks_.push_back({place(x), brief(x)});
    return;
  }
  if (!needs.tight) {
    first_ = std::floor(first_ + 1e-9);
    last_ = std::ceil(last_ - 1e-9);
  }
  const double every = std::max(1.0, std::ceil((last_ - first_) / needs.ticks));
  for (double power = std::ceil(first_ - 1e-9); power <= last_ + 1e-9; power += every)
    ticks_.push_back({(power - first_) / (last_ - first_), brief(std::pow(10, power))});
  if (ticks_.size() > 1) return;
  ticks_ = {{0, brief(std::pow(10, first_))}, {1, brief(std::pow(10, last_))}};
}

double Axis::place(double x) const {
  if (!std::isfinite(x) || (log_ && x <= 0)) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp(((log_ ? std::log10(x) : x) - first_) / (last_ - first_), 0.0, 1.0);
}

}  // namespace soma::report
