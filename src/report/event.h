// what happened at a step → the bytes of a TensorBoard Event message.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace soma::report {

/// How finite numbers are spread: `counts[i]` of them in (limits[i − 1], limits[i]].
struct Spread {
  double min = 0, max = 0, sum = 0, sum_squares = 0;
  std::int64_t count = 0;
  std::vector<double> limits, counts;
};

/// At most 64 pieces of equal width. Values that are not finite are left out.
Spread spread_of(std::span<const float> values);

/// One `Event` (tensorflow/core/util/event.proto), built value by value.
class EventMessage {
 public:
  EventMessage(double wall_seconds, std::int64_t step);

  void version();       ///< the first event of a file
  void starts_again();  ///< earlier events of this step and later ones no longer count
  void scalar(std::string_view tag, double value);
  void histogram(std::string_view tag, const Spread& spread);

  [[nodiscard]] std::string bytes() const;

 private:
  std::string head_, summary_;
};

}  // namespace soma::report
