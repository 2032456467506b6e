// a root folder → how much memory this process may use there: the machine's, its container's, its own limit, whatever is least.
#include "core/memory_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "core/control_groups.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

std::uint64_t machine_memory(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::string name;
  for (std::uint64_t kilobytes = 0; file >> name >> kilobytes; file.ignore(80, '\n'))
    if (name == "MemTotal:") return kilobytes * 1024;
  return kNone;
}

}  // namespace

std::uint64_t memory_limit(const fs::path& root) {
  std::uint64_t least = machine_memory(root);
  for_each_control_group(root, "memory", [&](int version, const fs::path& group) {
    std::ifstream file(group / (version == 2 ? "memory.max" : "memory.limit_in_bytes"));
    if (std::uint64_t bytes = 0; file >> bytes) least = std::min(least, bytes);  // "max", as no number, is no limit
  });
  rlimit own{};
  if (::getrlimit(RLIMIT_AS, &own) == 0 && own.rlim_cur != RLIM_INFINITY) least = std::min<std::uint64_t>(least, own.rlim_cur);
  return least;
}

}  // namespace soma
