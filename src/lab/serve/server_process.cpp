// the command of a server → that server, running on one core until it is no longer wanted.
#include "lab/serve/server_process.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "lab/command.h"
#include "lab/serve/load.h"

namespace soma {
namespace {

void stay_on(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<std::size_t>(core), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

bool answers(std::uint16_t port) {
  LoadOptions once;
  once.port = port;
  once.request = "GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
  once.seconds = 0.0005;
  const auto result = generate_load(once);
  return result && result->answers > 0;
}

}  // namespace

std::vector<int> own_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(static_cast<std::size_t>(core), &set)) cores.push_back(core);
  return cores;
}

PinnedTo::PinnedTo(int core) : before_(own_cores()) { stay_on({core}); }
PinnedTo::~PinnedTo() { stay_on(before_); }

Result<std::uint16_t> free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  const bool found = ::bind(socket, name, size) == 0 && ::getsockname(socket, name, &size) == 0;
  ::close(socket);
  if (!found) return Error{Error::Kind::io, fmt::format("lab: wanted a free port, got '{}'", strerror(errno))};
  return ntohs(address.sin_port);
}

Result<ServerProcess> ServerProcess::start(const std::vector<std::string>& command, std::uint16_t port, int core) {
  ServerProcess server;
  const auto began = std::chrono::steady_clock::now();
  {
    const PinnedTo pinned(core);
    auto process = start_command(command);
    if (!process) return process.error();
    server.process_ = *process;
  }
  server.port_ = port;
  while (!answers(port)) {
    server.ready_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    int status = 0;
    const bool gone = ::waitpid(server.process_, &status, WNOHANG) == server.process_;
    if (gone) server.process_ = -1;
    if (gone || server.ready_seconds_ > 10)
      return Error{Error::Kind::io,
                   fmt::format("{}: wanted a server on port {}, got none; try running it by hand", command[0], port)};
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  server.ready_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return server;
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)), port_(other.port_), ready_seconds_(other.ready_seconds_) {}

ServerProcess& ServerProcess::operator=(ServerProcess&& other) noexcept {
  std::swap(process_, other.process_);
  port_ = other.port_;
  ready_seconds_ = other.ready_seconds_;
  return *this;
}

ServerProcess::~ServerProcess() {
  if (process_ < 0) return;
  ::kill(process_, SIGTERM);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
}

double ServerProcess::resident_bytes() const {
  std::ifstream pages(fmt::format("/proc/{}/statm", process_));
  double whole = 0, resident = 0;
  pages >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace soma
