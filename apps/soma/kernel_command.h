// the subcommands of soma kernel → what they share.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"

namespace soma::app {

using Json = nlohmann::ordered_json;

inline void print_json(const Json& json) { fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace)); }

struct ClassifyOptions {
  std::string model, at, interface;
  std::vector<std::string> drop, mark;
  std::int64_t process = 0, max_products = 0;
  std::uint16_t port = 0;
};
/// soma kernel load --at tc, tc-egress or socket.
int load_classifier(const ClassifyOptions& options);
/// soma kernel features.
void add_features(CLI::App& command, Action& action);

/// list, stats, swap and unload.
void add_running_kernels(CLI::App& command, Action& action);

}  // namespace soma::app
