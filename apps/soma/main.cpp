// argv → one subcommand, run; whatever goes wrong → one line on stderr and an exit status.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "command.h"
#include "soma/device.h"
#include "terminal.h"

namespace soma::app {
namespace {

int complain(int status, std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "soma: {}\n", message);
  return status;
}

std::string names(const CLI::App& command) {
  std::string text;
  for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; }))
    text += (text.empty() ? "" : ", ") + each->get_name();
  return text;
}

/// The deepest subcommand named on the command line: where its help is.
const CLI::App& chosen(const CLI::App& program) {
  const auto inner = program.get_subcommands();
  return inner.empty() ? program : chosen(*inner.front());
}

int usage_error(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& command = chosen(program);
  std::string path = command.get_name();
  for (const CLI::App* parent = command.get_parent(); parent != nullptr; parent = parent->get_parent())
    path.insert(0, parent->get_name() + " ");
  const bool has_commands = !names(command).empty();
  if (const auto extras = command.remaining(); has_commands && !extras.empty())
    return complain(wrong_usage, fmt::format("unknown command '{}'; known: {}", extras.front(), names(command)));
  if (has_commands) return complain(wrong_usage, fmt::format("wanted a command: {}; try {} --help", names(command), path));
  return complain(wrong_usage, fmt::format("{}; try {} --help", error.what(), path));
}

int run(int argc, char** argv) {
  CLI::App program("soma: trains, evaluates and uses small neural networks", "soma");
  program.require_subcommand(1);
  program.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // a script may append its own
  program.set_version_flag("--version", fmt::format("soma {}", version()));
  Action action;
  for (const auto add :
       {add_train, add_eval, add_predict, add_export, add_info, add_data, add_serve, add_batch, add_lab, add_version})
    add(program, action);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    return usage_error(program, error);
  }
  return action();
}

}  // namespace

int complain(const Error& error) { return complain(error.kind == Error::Kind::usage ? wrong_usage : failed, error.message); }

}  // namespace soma::app

int main(int argc, char** argv) {
  using namespace soma::app;
  try {
    const int status = run(argc, argv);
    if (std::fflush(stdout) != 0) return complain(soma::Error{soma::Error::Kind::io, "cannot write to standard output"});
    return status;
  } catch (const soma::ContractError& bug) {
    fmt::print(stderr, "soma: this is a bug, please report it: {}\n", bug.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "soma: out of memory; try a smaller batch or data.limit\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "soma: {}\n", error.what());
  }
  return failed;
}
