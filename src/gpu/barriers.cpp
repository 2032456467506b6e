// dispatches in order → the fewest barriers between them.
#include "gpu/barriers.h"

#include <algorithm>

namespace soma::gpu {
namespace {

bool collide(const Range& a, const Range& b) {
  if (a.weave > 0 && a.weave == b.weave) return false;
  return a.arena == b.arena && (a.writes || b.writes) && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

}  // namespace

bool Barriers::before(const Dispatch& next) {
  const bool waits = std::any_of(next.ranges.begin(), next.ranges.end(), [&](const Range& range) {
    return std::any_of(since_.begin(), since_.end(), [&](const Range& earlier) { return collide(earlier, range); });
  });
  if (waits) since_.clear();
  since_.insert(since_.end(), next.ranges.begin(), next.ranges.end());
  return waits;
}

}  // namespace soma::gpu
