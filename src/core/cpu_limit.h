// a root folder → how many processors' time this process may use there: its container's quota.
#pragma once

#include <filesystem>

namespace soma {

/// Whole processors, at least 1: the least quota of the control groups (version 1 and 2) this process is in and those above them,
/// rounded down, since a team whose members take turns waits for the last one. Without a quota the largest int. `root` stands for
/// /, so that a test can make up a machine.
int cpu_limit(const std::filesystem::path& root = "/");

}  // namespace soma
