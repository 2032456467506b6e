// a root folder → how much memory this process may use there: the machine's, its container's, its own limit, whatever is least.
#include "core/memory_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

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

/// The least of the limits in `group` and in the folders above it, up to `top`. "max", as no number, is none.
std::uint64_t group_limit(const fs::path& top, std::string_view group, const char* name) {
  std::uint64_t least = kNone;
  for (fs::path at(group);; at = at.parent_path()) {
    std::ifstream file(top / at.relative_path() / name);
    if (std::uint64_t bytes = 0; file >> bytes) least = std::min(least, bytes);
    if (!at.has_relative_path()) return least;
  }
}

}  // namespace

std::uint64_t memory_limit(const fs::path& root) {
  std::uint64_t least = machine_memory(root);
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" of version 2, "7:cpu,memory:/a/b" of version 1
    const std::size_t first = line.find(':'), second = line.find(':', std::min(line.size(), first + 1));
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",", group = line.substr(second + 1);
    if (controllers == ",,") least = std::min(least, group_limit(root / "sys/fs/cgroup", group, "memory.max"));
    if (controllers.find(",memory,") != std::string::npos)
      least = std::min(least, group_limit(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
  }
  rlimit own{};
  if (::getrlimit(RLIMIT_AS, &own) == 0 && own.rlim_cur != RLIM_INFINITY) least = std::min<std::uint64_t>(least, own.rlim_cur);
  return least;
}

}  // namespace soma
