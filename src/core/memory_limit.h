// a root folder → how much memory this process may use there: the machine's, its container's, its own limit, whatever is least.
#pragma once

#include <cstdint>
#include <filesystem>

namespace soma {

/// Bytes: what /proc/meminfo says of the machine, the limits of the control groups (version 1 and 2) this process is in and those
/// above them, and RLIMIT_AS. `root` stands for / , so that a test can make up a machine.
std::uint64_t memory_limit(const std::filesystem::path& root = "/");

}  // namespace soma
