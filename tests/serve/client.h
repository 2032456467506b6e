// bytes → a running server → what it answers: a client that also sends what no client should.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "soma/model.h"
#include "soma/serve.h"

namespace soma::test {

struct Answer {
  int status = 0;                             ///< 0: the connection ended without one
  std::map<std::string, std::string> fields;  ///< names in lower case
  std::string body;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body); }
};

/// One TCP connection.
class Client {
 public:
  explicit Client(int port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes);
  void half_close();
  /// The next answer; waits for it. `head_only`: it has no body, whatever its length field says.
  [[nodiscard]] Answer receive(bool head_only = false);
  /// True when the server has closed.
  [[nodiscard]] bool ended();

 private:
  bool fill();
  int socket_ = -1;
  std::string unread_;
};

/// "POST /x HTTP/1.1 …" with a length and whatever other lines are wanted.
std::string request(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view fields = {});

/// A server on a free port with a small model: {1, 4, 4} gray → 3 classes "a" "b" "c".
class TestServer {
 public:
  explicit TestServer(ServeOptions options = {});
  /// Of this model in place of the small one.
  explicit TestServer(const Model& model);
  ~TestServer();
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] InferenceServer& server() { return *server_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  /// One request on a connection of its own.
  [[nodiscard]] Answer call(std::string_view method, std::string_view target, std::string_view body = {},
                            std::string_view fields = {}) const;

 private:
  void start(ServeOptions options);
  std::filesystem::path directory_;
  std::optional<InferenceServer> server_;
  int port_ = 0;
};

/// The model of TestServer; another seed, other weights.
void write_small_model(const std::filesystem::path& file, std::uint64_t seed);

}  // namespace soma::test
