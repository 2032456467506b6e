// argv → one subcommand, run; whatever goes wrong → one line on stderr and an exit status.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "allocations.h"
#include "command.h"
#include "soma/device.h"
#include "terminal.h"

namespace soma::app {
namespace {

/// Without memory of its own, and whatever state the process is in.
void say(std::string_view message) {
  for (const std::string_view part : {std::string_view("soma: "), message, std::string_view("\n")})
    if (std::fwrite(part.data(), 1, part.size(), stderr) != part.size()) return;  // nobody is there to be told
}

int complain(int status, std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  say(message);
  return status;
}

constexpr std::string_view kOutOfMemory = "out of memory; try a smaller batch or data.limit";

/// The exception under way → its line.
int complain_of_exception() {
  try {
    throw;
  } catch (const ContractError& bug) {
    return complain(failed, fmt::format("this is a bug, please report it: {}", bug.what()));
  } catch (const std::bad_alloc&) {
    say(kOutOfMemory);
  } catch (const std::exception& error) {
    return complain(failed, error.what());
  }
  return failed;
}

/// Where an exception can go no further, in a destructor or a thread: a line and a status, and no core dump. What is on the disk
/// is whole at any moment.
[[noreturn]] void end_at_once() {
  try {
    if (std::current_exception()) complain_of_exception();
  } catch (...) {  // no memory even for the line
    say(kOutOfMemory);
  }
  ::_exit(failed);
}

/// A data file that is mapped was cut short while it was read: its bytes are gone, and whoever wants them gets this signal.
extern "C" void on_bus_error(int, siginfo_t* reason, void*) {
  constexpr std::string_view kLine =
      "soma: a data file became shorter, or could not be read, while it was in use; try again when it is whole\n";
  static std::atomic<bool> said{false};
  if (reason->si_code != BUS_ADRERR) std::abort();  // no file: a bug
  while (said.exchange(true)) ::pause();            // another thread has said it, and ends the process
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
  ::_exit(failed);
}

void catch_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

/// A process may be started with any of these closed; the next file that is opened would take its place, and its words.
void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) ::_exit(failed);
}

/// So that nobody who was told 0 misses words: also those that a full disk, or a reader that has gone, refused long ago.
bool all_was_printed() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

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
  for (const auto add : {add_train, add_eval, add_predict, add_run, add_export, add_info, add_verify, add_data, add_serve,
                         add_kernel, add_batch, add_lab, add_devices, add_version})
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

void add_trust(CLI::App& command, Changed& changed) {
  command.add_flag_callback(
      "--trust-changed", [&changed] { changed = Changed::accept; },
      "Take a file of soma's that has been changed since soma wrote it");
}

void add_reading(CLI::App& command, Reading& reading) {
  command
      .add_option(
          "--preprocess", reading.preprocess,
          "A step before those of another tool's file: divide:255, standardise:MEAN,…:DEVIATION,… (one number, or one for "
          "each channel)")
      ->type_name("STEP")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1);
  command
      .add_option("--classes", reading.classes,
                  "What another tool's classes are called: names with commas between them, or a file with one on each line")
      ->type_name("NAMES|FILE");
}

int complain(const Error& error) {
  // A second line is one to paste.
  const std::size_t end = error.message.find('\n');
  const int status = complain(error.kind == Error::Kind::usage ? wrong_usage : failed, error.message.substr(0, end));
  if (end != std::string::npos) show(stderr, error.message.substr(end + 1) + "\n");
  return status;
}

}  // namespace soma::app

int main(int argc, char** argv) {
  using namespace soma::app;
  open_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of write(), with a message
  catch_bus_errors();
  std::set_terminate(end_at_once);
  keep_memory_in_reserve();
  int status = failed;
  try {
    status = run(argc, argv);
  } catch (const std::exception&) {
    status = complain_of_exception();
  }
  if (!all_was_printed() && status == done) return complain(failed, "cannot write to standard output");
  return status;
}
