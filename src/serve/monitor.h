// /proc → how busy this machine and this process are, a reading each second.
#pragma once

#include <cstdint>
#include <mutex>

namespace soma {

struct MachineLoad {
  double cpu_percent = 0, memory_percent = 0;
  std::int64_t memory_total_bytes = 0, process_memory_bytes = 0;
  double requests_per_second = 0;
};

class Monitor {
 public:
  /// Call it often; it reads at most once a second. `requests`: how many there have been.
  void sample(std::int64_t requests);
  [[nodiscard]] MachineLoad load() const;

 private:
  mutable std::mutex mutex_;
  MachineLoad load_;
  std::int64_t last_ms_ = 0, last_requests_ = 0, last_busy_ = 0, last_all_ = 0;
};

}  // namespace soma
