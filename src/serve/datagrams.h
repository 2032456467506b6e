// questions over UDP → answers: the kernel's for the model that fits there, this process's for everything else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "serve/repository.h"
#include "soma/error.h"
#include "soma/kernel.h"
#include "soma/serve.h"

namespace soma {

/// A UDP port. A question that names no model is about the one of POST /, and another about the model that it names.
class Datagrams {
 public:
  using Tell = std::function<void(const std::string& line)>;

  /// Takes options.udp.port at `host`; nobody answers before use().
  [[nodiscard]] static Result<std::unique_ptr<Datagrams>> bind(const std::string& host, const ServeOptions& options, Tell tell);
  ~Datagrams();
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  /// Answers with these models from now on; `name` is the model of POST /, "" the only one there is. From the second time on what
  /// has changed is told. Fails where the kernel is required and refuses. One thread at a time.
  [[nodiscard]] Result<void> use(const ServedTable& table, const std::string& name);

  /// Who answers, and why: one line.
  [[nodiscard]] std::string who() const;

 private:
  struct Voices;

  Datagrams(int socket, KernelOptions options, std::string interface, ServeKernel wanted, Tell tell);
  void listen();
  void answer(std::span<std::uint8_t> buffer);
  [[nodiscard]] Result<void> into_kernel(const ServedVersion& version);

  const int socket_, stop_;
  const KernelOptions options_;
  const std::string interface_;  ///< "" = none has the host's address
  const ServeKernel wanted_;
  const Tell tell_;
  std::optional<KernelProgram> kernel_;
  std::string mode_;

  mutable std::mutex mutex_;
  std::shared_ptr<Voices> voices_;
  std::string who_;
  std::thread thread_;
};

}  // namespace soma
