// /proc → how busy this machine and this process are, a reading each second.
#include "serve/monitor.h"

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>

namespace soma {
namespace {

constexpr std::int64_t kPeriodMs = 1000;

/// Ticks since the start: all, and those of them in which a processor did something.
struct Ticks {
  std::int64_t all = 0, busy = 0;
};

Ticks processor_ticks() {
  std::ifstream file("/proc/stat");
  std::string word;
  file >> word;
  Ticks ticks;
  // user nice system idle iowait irq softirq steal; what follows is counted in user already
  for (int column = 0; column < 8; ++column) {
    std::int64_t value = 0;
    if (!(file >> value)) break;
    ticks.all += value;
    if (column != 3 && column != 4) ticks.busy += value;
  }
  return ticks;
}

void read_memory(MachineLoad& load) {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  std::int64_t value = 0, available = 0;
  while (file >> name >> value >> unit) {
    if (name == "MemTotal:") load.memory_total_bytes = value * 1024;
    if (name != "MemAvailable:") continue;
    available = value * 1024;
    break;
  }
  if (load.memory_total_bytes > 0)
    load.memory_percent =
        100.0 * static_cast<double>(load.memory_total_bytes - available) / static_cast<double>(load.memory_total_bytes);
  std::int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  load.process_memory_bytes = resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

void Monitor::sample(std::int64_t requests) {
  using namespace std::chrono;
  const std::int64_t now = duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
  const std::lock_guard lock(mutex_);
  if (now - last_ms_ < kPeriodMs) return;
  const Ticks ticks = processor_ticks();
  read_memory(load_);
  if (last_ms_ > 0) {
    if (ticks.all > last_all_)
      load_.cpu_percent = 100.0 * static_cast<double>(ticks.busy - last_busy_) / static_cast<double>(ticks.all - last_all_);
    load_.requests_per_second = 1000.0 * static_cast<double>(requests - last_requests_) / static_cast<double>(now - last_ms_);
  }
  last_ms_ = now;
  last_requests_ = requests;
  last_busy_ = ticks.busy;
  last_all_ = ticks.all;
}

MachineLoad Monitor::load() const {
  const std::lock_guard lock(mutex_);
  return load_;
}

}  // namespace soma
