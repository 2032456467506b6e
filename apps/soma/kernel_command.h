// the subcommands of soma kernel → what they share.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"

namespace soma::app {

using Json = nlohmann::ordered_json;

inline void print_json(const Json& json) { fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace)); }

/// list, stats, swap and unload.
void add_running_kernels(CLI::App& command, Action& action);

}  // namespace soma::app
