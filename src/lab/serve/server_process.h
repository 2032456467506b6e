// the command of a server → that server, running on one core until it is no longer wanted.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "soma/error.h"

namespace soma {

/// The cores this thread may use, in order.
std::vector<int> own_cores();

/// This thread, and the processes it starts, on one core alone for as long as this lives.
class PinnedTo {
 public:
  explicit PinnedTo(int core);
  ~PinnedTo();
  PinnedTo(const PinnedTo&) = delete;
  PinnedTo& operator=(const PinnedTo&) = delete;

 private:
  std::vector<int> before_;
};

/// A port of 127.0.0.1 that nobody listens on at this moment.
Result<std::uint16_t> free_port();

class ServerProcess {
 public:
  /// Starts `command` on `core` and waits until GET /v2/health/ready on `port` gives 200, ten seconds at most.
  [[nodiscard]] static Result<ServerProcess> start(const std::vector<std::string>& command, std::uint16_t port, int core);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&& other) noexcept;
  ~ServerProcess();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] double ready_seconds() const { return ready_seconds_; }  ///< from its start to its first answer
  [[nodiscard]] double resident_bytes() const;

 private:
  ServerProcess() = default;
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
  double ready_seconds_ = 0;
};

}  // namespace soma
