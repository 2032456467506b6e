// bytes → a running server → what it answers: a client that also sends what no client should.
#include "serve/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "model/zoo.h"

namespace soma::test {

Client::Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience = {20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ADD_FAILURE() << "cannot connect";
}

Client::~Client() { ::close(socket_); }

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server may have had enough
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Client::half_close() { ::shutdown(socket_, SHUT_WR); }

bool Client::fill() {
  char buffer[65536];
  const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  unread_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

Answer Client::receive(bool head_only) {
  Answer answer;
  std::size_t end = 0;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return answer;
  const std::string head = unread_.substr(0, end + 2);
  unread_.erase(0, end + 4);
  answer.status = std::atoi(head.c_str() + 9);
  for (std::size_t line = head.find("\r\n") + 2; line < head.size(); line = head.find("\r\n", line) + 2) {
    const std::string text = head.substr(line, head.find("\r\n", line) - line);
    std::string name = text.substr(0, text.find(':'));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    answer.fields[name] = text.substr(text.find(':') + 2);
  }
  if (answer.status == 100 || head_only) return answer;
  const auto length = static_cast<std::size_t>(std::stoul(answer.fields["content-length"]));
  while (unread_.size() < length)
    if (!fill()) return {};
  answer.body = unread_.substr(0, length);
  unread_.erase(0, length);
  return answer;
}

bool Client::ended() {
  while (fill()) {
  }
  return unread_.empty();
}

std::string request(std::string_view method, std::string_view target, std::string_view body, std::string_view fields) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields);
  if (method == "POST" || !body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

void write_small_model(const std::filesystem::path& file, std::uint64_t seed) {
  Model model = make_model({1, 4, 4}, {{.name = "flat", .layer = Flatten{}}, {.name = "out", .layer = Linear{.out = 3}}},
                           {.steps = {{.kind = PreprocessKind::divide, .offset = {0}, .divisor = {255}}}}, seed);
  model.name = "small";
  model.class_names = {"a", "b", "c"};
  std::filesystem::create_directories(file.parent_path());
  write_onnx(model, file).value();
}

namespace {

std::filesystem::path new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "soma_serve_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

}  // namespace

TestServer::TestServer(ServeOptions options) : directory_(new_directory()) {
  if (options.source.empty()) {
    write_small_model(directory_ / "model.onnx", 1);
    options.source = directory_;
  }
  start(std::move(options));
}

TestServer::TestServer(const Model& model) : directory_(new_directory()) {
  write_onnx(model, directory_ / "model.onnx").value();
  start({.source = directory_});
}

void TestServer::start(ServeOptions options) {
  options.listen = "127.0.0.1:0";
  if (options.threads == 0) options.threads = 2;
  server_ = InferenceServer::start(options).value();
  port_ = std::atoi(server_->url().substr(server_->url().rfind(':') + 1).c_str());
}

TestServer::~TestServer() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Answer TestServer::call(std::string_view method, std::string_view target, std::string_view body, std::string_view fields) const {
  Client client(port_);
  client.send(request(method, target, body, fields));
  return client.receive(method == "HEAD");
}

}  // namespace soma::test
