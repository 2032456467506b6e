// arguments → what the built program prints, writes and exits with.
#include "cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace soma::test {
namespace {

// Captured output lies beside the directory the program runs in, so that tests may count the files it wrote.
std::filesystem::path captured(const std::filesystem::path& directory, const char* stream) { return directory.string() + stream; }

std::string slurp(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream contents;
  contents << in.rdbuf();
  return contents.str();
}

void redirect(const std::filesystem::path& file, int descriptor) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::dup2(fd, descriptor) < 0) ::_exit(99);
}

}  // namespace

Scratch::Scratch() {
  std::string name = (std::filesystem::temp_directory_path() / "soma_cli_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  directory_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
  for (const char* stream : {".out", ".err"}) std::filesystem::remove(captured(directory_, stream), ignored);
}

pid_t Scratch::start(const std::vector<std::string>& arguments, const Setting& setting) const {
  std::vector<std::string> words = {"soma"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = {"HOME=" + directory_.string(), "PATH=/usr/bin:/bin"};
  environment.insert(environment.end(), setting.environment.begin(), setting.environment.end());
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& entry : environment) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  const pid_t child = ::fork();
  if (child != 0) return child;
  redirect("/dev/null", 0);
  redirect(setting.out.empty() ? captured(directory_, ".out") : std::filesystem::path(setting.out), 1);
  redirect(captured(directory_, ".err"), 2);
  if (::chdir(directory_.c_str()) != 0) ::_exit(99);
  if (setting.file_limit >= 0) {
    const rlimit limit = {static_cast<rlim_t>(setting.file_limit), static_cast<rlim_t>(setting.file_limit)};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (setting.data_limit >= 0) {
    const rlimit limit = {static_cast<rlim_t>(setting.data_limit), static_cast<rlim_t>(setting.data_limit)};
    ::setrlimit(RLIMIT_DATA, &limit);
  }
  if (setting.ignores_hangup) std::signal(SIGHUP, SIG_IGN);
  for (const int descriptor : setting.closed) ::close(descriptor);
  ::execve(SOMA_PROGRAM, argv.data(), envp.data());
  ::_exit(99);
}

Outcome Scratch::wait(pid_t child) const {
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  const int status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return {status, slurp(captured(directory_, ".out")), slurp(captured(directory_, ".err"))};
}

Outcome Scratch::soma(const std::vector<std::string>& arguments, const Setting& setting) const {
  return wait(start(arguments, setting));
}

void Scratch::write(const std::string& name, const std::string& contents) const {
  std::filesystem::create_directories((directory_ / name).parent_path());
  std::ofstream(directory_ / name, std::ios::binary) << contents;
}

std::string Scratch::read(const std::string& name) const { return slurp(directory_ / name); }

}  // namespace soma::test
