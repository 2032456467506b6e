// a program and its arguments → what it printed, or why it could not.
#include "lab/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace soma {
namespace {

/// `out` becomes the child's standard output; −1 = nowhere.
Result<pid_t> spawn(const std::vector<std::string>& arguments, int out) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (out >= 0)
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  else
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return Error{Error::Kind::unavailable,
                 fmt::format("{}: wanted to run it, got '{}'; try installing it", arguments[0], strerror(failed))};
  return child;
}

}  // namespace

Result<std::string> run_command(const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    return Error{Error::Kind::io, fmt::format("{}: wanted a pipe, got '{}'", arguments[0], strerror(errno))};
  const auto child = spawn(arguments, ends[1]);
  close(ends[1]);
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; child && ((count = read(ends[0], part.data(), part.size())) > 0 || (count < 0 && errno == EINTR));)
    if (count > 0) text.append(part.data(), static_cast<std::size_t>(count));
  close(ends[0]);
  if (!child) return child.error();
  int status = 0;
  while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return Error{WIFEXITED(status) && WEXITSTATUS(status) == 127 ? Error::Kind::unavailable : Error::Kind::io,
                 fmt::format("{}: wanted exit status 0, got {}; try running it by hand", arguments[0],
                             WIFEXITED(status) ? std::to_string(WEXITSTATUS(status)) : "a signal")};
  return text;
}

Result<pid_t> start_command(const std::vector<std::string>& arguments) { return spawn(arguments, -1); }

}  // namespace soma
