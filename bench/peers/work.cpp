// one pass of one layer → its arithmetic in numbers and its random operands.
#include "work.h"

#include <cmath>
#include <limits>

#include "core/random.h"

namespace soma::bench {
namespace {

Block<float> random_block(std::int64_t count, std::uint64_t seed, double scale) {
  Block<float> block(count);
  for (std::int64_t i = 0; i < count; ++i)
    block.data()[i] = static_cast<float>(scale * (random_unit(seed, 0, static_cast<std::uint64_t>(i)) - 0.5));
  return block;
}

}  // namespace

double Work::flops() const {
  const std::int64_t positions = is_convolution() ? height() * width() : 1;
  const int products = pass == Pass::gradients && !first ? 2 : 1;
  return 2.0 * products * static_cast<double>(batch * positions * weights());
}

Operands::Operands(const Work& work)
    : x(random_block(work.batch * elements(work.input), 1, 2)),
      w(random_block(work.weights(), 2, 1)),
      bias(random_block(work.out, 3, 1)),
      dy(random_block(work.batch * work.output_size(), 4, 1)) {}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    apart += difference * difference;
    size += static_cast<double>(b[i]) * b[i];
  }
  return std::sqrt(apart / size);
}

}  // namespace soma::bench
