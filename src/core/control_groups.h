// a root folder → the control groups this process is in, and those above them: where a container's limits stand.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace soma {

/// visit(version, folder) for each control group of `controller` ("memory", "cpu") that holds this process, from its own up to
/// the top: version 1 or 2, as /proc/self/cgroup says. `root` stands for /, so that a test can make up a machine. A folder need
/// not exist: a container may see a name that only the machine around it can open.
template <class Visit>
void for_each_control_group(const std::filesystem::path& root, std::string_view controller, Visit&& visit) {
  namespace fs = std::filesystem;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" of version 2, "7:cpu,memory:/a/b" of version 1
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find("," + std::string(controller) + ",") == std::string::npos) continue;
    const fs::path top = unified ? root / "sys/fs/cgroup" : root / "sys/fs/cgroup" / controller;
    for (fs::path at(line.substr(second + 1));; at = at.parent_path()) {
      visit(unified ? 2 : 1, top / at.relative_path());
      if (!at.has_relative_path()) break;
    }
  }
}

}  // namespace soma
