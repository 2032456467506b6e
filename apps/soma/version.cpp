// soma version → what was built, and what it runs on.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "soma/device.h"

namespace soma::app {
namespace {

int print_version(bool json) {
  const Result<std::string> chosen = target();
  if (!chosen) return complain({Error::Kind::usage, chosen.error().message});
  if (json) {
    const nlohmann::ordered_json object = {{"version", version()},           {"target", *chosen},
                                           {"targets", targets()},           {"machine", machine()},
                                           {"threads", available_threads()}, {"compiler", compiler()}};
    fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return done;
  }
  fmt::print("soma {}\n", version());
  fmt::print("target    {} (usable: {})\n", *chosen, fmt::join(targets(), ", "));
  fmt::print("machine   {}\n", machine());
  fmt::print("threads   {}\n", available_threads());
  fmt::print("compiler  {}\n", compiler());
  return done;
}

}  // namespace

void add_version(CLI::App& program, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand("version", "Show the version, the machine and what is used of it");
  command->add_flag("--json", *json, "Print one JSON object as the last line of stdout");
  command->callback([json, &action] { action = [json] { return print_version(*json); }; });
}

}  // namespace soma::app
