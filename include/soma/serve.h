// a model, or a directory of them → an HTTP server that answers with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/file.h"
#include "soma/kernel.h"
#include "soma/reading.h"

namespace soma {

/// Which requests the access log gets: none; failures and one in a hundred of the others; all.
enum class AccessLog { off, sampled, all };

/// Who answers questions over UDP, in the format of docs/in-kernel.md.
enum class ServeKernel {
  no_port,    ///< nobody
  off,        ///< this process
  automatic,  ///< the kernel for the model of POST / where it can, this process for the rest
  require,    ///< the same, and nothing starts where the kernel cannot
};

struct ServeOptions {
  std::filesystem::path source;           ///< a model.onnx, a directory that holds one, or a repository NAME/VERSION/model.onnx
  std::string listen = "127.0.0.1:8000";  ///< port 0 = any free one
  bool share_port = false;                ///< join a server that listens there already, to take over from it
  int threads = 0;                        ///< 0 = all cores this process may use
  Changed changed = Changed::refuse;      ///< models of soma's that are not what soma wrote
  Reading reading;                        ///< of every model: what their files do not say

  std::int64_t max_batch = 32;               ///< rows that go through a model together
  std::chrono::microseconds max_delay{0};    ///< how long a request may wait for company
  std::size_t max_queue = 4096;              ///< requests that may wait; beyond, 503
  std::chrono::milliseconds timeout{30000};  ///< a request that waited longer gets 504

  std::size_t max_body = std::size_t{64} << 20;  ///< bytes, before and after decompression
  std::size_t max_memory = 0;  ///< bytes for all requests and answers together; 0 = half of what the process may use
  std::size_t max_connections = 16384;
  std::chrono::milliseconds idle_timeout{75000};

  std::string default_model;       ///< the model of POST /; "" = the first by name
  bool control = false;            ///< models may be loaded and unloaded over HTTP
  std::vector<std::string> hosts;  ///< names this server is called by in Host fields, beside those of a loopback address
  std::string token;               ///< when filled: clients must send "Authorization: Bearer TOKEN"
  ServeKernel kernel = ServeKernel::no_port;
  std::string kernel_interface;              ///< where the kernel answers; "" = the interface that has the address of `listen`
  KernelOptions udp;                         ///< port 0 = any free one
  std::string certificate, key;              ///< PEM files for TLS; both or neither
  std::vector<std::string> require_models;   ///< ready only while all of these are served
  std::chrono::milliseconds drain_delay{0};  ///< after drain(), how long everything is answered as before but not ready
  std::chrono::milliseconds drain{30000};    ///< and then how long requests in flight may take
  AccessLog access_log = AccessLog::off;
  /// Where the access log goes, and what whoever runs the server should read; whole lines, called on a thread of its own.
  std::function<void(std::string_view lines)> log;
};

/// A running server. Its functions may be called from any thread.
class InferenceServer {
 public:
  /// Loads and warms up every model, binds, and starts to answer. Fails when nothing can be loaded or the address is taken.
  [[nodiscard]] static Result<InferenceServer> start(const ServeOptions& options);
  InferenceServer(InferenceServer&&) noexcept;
  InferenceServer& operator=(InferenceServer&&) noexcept;
  ~InferenceServer();

  /// "http://127.0.0.1:8000".
  [[nodiscard]] std::string url() const;
  /// What whoever started it should know.
  [[nodiscard]] std::vector<std::string> warnings() const;
  /// One line per model: what is served, or why it is not.
  [[nodiscard]] std::vector<std::string> models() const;

  /// Who answers over UDP, and why: one line; "" = nobody.
  [[nodiscard]] std::string datagrams() const;

  /// Reads the source again in the background; each model changes over when its new version is ready, or stays as it is. The
  /// certificate and its key are read again, too.
  void reload();
  /// From now on this token is wanted; "" for none.
  void use_token(const std::string& token);
  /// Not ready from now on: requests in flight are answered, connections close after their next answer, then finished() holds.
  void drain();
  [[nodiscard]] bool finished() const;

 private:
  struct State;
  explicit InferenceServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
