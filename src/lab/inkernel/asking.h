// a question → how long its answer takes, of a program in the kernel and of plain servers that compute the same in user space.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "lab/serve/latency_histogram.h"
#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// Runs work on a thread in a network namespace of its own, where the loopback is up and nothing else is. Threads and processes
/// started by it are there too. Fails where this process may not.
[[nodiscard]] Result<void> in_new_network(const std::function<Result<void>()>& work);

struct AskedAnswers {
  LatencyHistogram latency;  ///< from before a question is sent until its answer is there
  std::int64_t answers = 0, wrong = 0, lost = 0;
  double window_seconds = 0;  ///< of one answer, with 32 questions under way
};
/// `questions` times one question to a port of 127.0.0.1, one after the other, then 32 at once. An answer is wrong when it is not
/// `expected` to the byte.
[[nodiscard]] Result<AskedAnswers> ask_port(std::uint16_t port, const std::vector<std::uint8_t>& question,
                                            const std::vector<std::uint8_t>& expected, std::int64_t questions);

/// Answers questions about a model on a thread of its own, in user space, by the executor of soma serve: up to 32 with one
/// recvmmsg and one sendmmsg.
class PlainServer {
 public:
  /// On `core`; spinning it never sleeps.
  [[nodiscard]] static Result<std::unique_ptr<PlainServer>> start(const Model& model, std::uint16_t port, int core,
                                                                  bool spinning);
  ~PlainServer();
  PlainServer(const PlainServer&) = delete;
  PlainServer& operator=(const PlainServer&) = delete;

  /// So far, failed ones too.
  [[nodiscard]] std::int64_t system_calls() const { return calls_; }

 private:
  PlainServer() = default;
  int socket_ = -1;
  std::atomic<bool> done_ = false;
  std::atomic<std::int64_t> calls_ = 0;
  std::thread thread_;
};

}  // namespace soma
