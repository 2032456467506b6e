// the values a chart has to show → an axis: where it begins and ends, and which places on it are named.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace soma::report {

/// A named place on an axis.
struct Tick {
  double at = 0;  ///< share of the axis, 0 = its beginning
  std::string label;
};

struct AxisNeeds {
  bool log = false;        ///< only values above 0 count
  bool from_zero = false;  ///< linear: the axis begins at 0 when all values are positive
  bool whole = false;      ///< ticks at whole numbers only
  bool tight = false;      ///< begins and ends with the values themselves, not with a tick
  int ticks = 5;           ///< at most about so many
};

/// Linear or logarithmic. Always spans more than nothing, whatever the values: also for none, one, equal ones, and NaN.
class Axis {
 public:
  Axis(std::span<const double> values, const AxisNeeds& needs);

  /// Share of the axis, in [0, 1]; NaN for what the axis cannot show.
  [[nodiscard]] double place(double x) const;
  [[nodiscard]] const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  void choose_linear(const AxisNeeds& needs);
  void choose_log(std::span<const double> values, const AxisNeeds& needs);

  bool log_ = false;
  double first_ = 0, last_ = 1;  // of a logarithmic axis: the logarithms
  std::vector<Tick> ticks_;
};

}  // namespace soma::report
