// a root folder → how many processors' time this process may use there: its container's quota.
#include "core/cpu_limit.h"

#include <algorithm>
#include <limits>

#include "core/control_groups.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

/// Microseconds of processor time in so many of the clock's. "max", as no number, and −1 are no quota.
struct Quota {
  double time = 0, period = 0;
};

Quota quota_of(int version, const fs::path& group) {
  Quota quota;
  if (version == 2) {
    std::ifstream(group / "cpu.max") >> quota.time >> quota.period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota.time;
    std::ifstream(group / "cpu.cfs_period_us") >> quota.period;
  }
  return quota;
}

}  // namespace

int cpu_limit(const fs::path& root) {
  double least = std::numeric_limits<int>::max();
  for_each_control_group(root, "cpu", [&](int version, const fs::path& group) {
    if (const Quota quota = quota_of(version, group); quota.time > 0 && quota.period > 0)
      least = std::min(least, std::max(1.0, quota.time / quota.period));
  });
  return static_cast<int>(least);
}

}  // namespace soma
