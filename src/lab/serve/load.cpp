// one HTTP request, sent over and over on several connections → how many answers a second, and how late.
#include "lab/serve/load.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

/// An open descriptor.
class Handle {
 public:
  explicit Handle(int number = -1) : number_(number) {}
  Handle(Handle&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Handle() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

struct Connection {
  Handle socket;
  std::string unread;
  Clock::time_point due;  ///< of the request it waits for
};

Result<Handle> connect_to(std::uint16_t port) {
  Handle socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Error{Error::Kind::io, fmt::format("load: wanted a server on port {}, got '{}'", port, strerror(errno))};
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

bool send_all(const Connection& connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

struct Reply {
  bool ok = false;
  std::string_view body;
  std::size_t bytes = 0;  ///< head and body
};

/// The first whole answer in `text`. Both servers measured here always say how long a body is.
std::optional<Reply> whole_reply(std::string_view text) {
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return std::nullopt;
  const std::size_t field = text.find(kLength);
  std::size_t length = 0;
  if (field < head) std::from_chars(text.data() + field + kLength.size(), text.data() + head, length);
  if (text.size() < head + 4 + length) return std::nullopt;
  return Reply{text.starts_with("HTTP/1.1 200"), text.substr(head + 4, length), head + 4 + length};
}

class Load {
 public:
  explicit Load(const LoadOptions& options) : options_(options), poll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  Result<LoadResult> run() {
    for (int i = 0; i < options_.connections; ++i) {
      idle_.push_back(all_.emplace_back(std::make_unique<Connection>()).get());
      if (auto opened = open(*idle_.back()); !opened) return opened.error();
    }
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
    std::int64_t issued = 0;
    const auto next_due = [&] {
      return start + std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(issued) / options_.rate));
    };
    for (auto now = start; now < end; now = Clock::now()) {
      while (!idle_.empty() && (options_.rate == 0 || next_due() <= now)) {
        Connection& connection = *idle_.back();
        idle_.pop_back();
        const auto due = options_.rate == 0 ? Clock::now() : next_due();
        ++issued;
        if (auto sent = ask(connection, due); !sent) return sent.error();
      }
      if (auto taken = take_answers(); !taken) return taken.error();
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return std::move(result_);
  }

 private:
  Result<void> open(Connection& connection) {
    auto socket = connect_to(options_.port);
    if (!socket) return socket.error();
    connection.socket = std::move(*socket);
    connection.unread.clear();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, connection.socket.get(), &event);
    return {};
  }

  Result<void> ask(Connection& connection, Clock::time_point due) {
    connection.due = due;
    return send_all(connection, options_.request) ? Result<void>() : lost(connection);
  }

  Result<void> lost(Connection& connection) {
    ++result_.failures;
    idle_.push_back(&connection);
    return open(connection);
  }

  Result<void> take_answers() {
    std::array<epoll_event, 64> ready{};
    // An open loop has the next request to watch for; its core is its own.
    const int count = ::epoll_wait(poll_.get(), ready.data(), static_cast<int>(ready.size()), options_.rate == 0 ? 10 : 0);
    for (int i = 0; i < count; ++i)
      if (auto taken = take(*static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr)); !taken) return taken;
    return {};
  }

  Result<void> take(Connection& connection) {
    std::array<char, 16384> part;
    const ssize_t got = ::recv(connection.socket.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (got <= 0) return lost(connection);
    connection.unread.append(part.data(), static_cast<std::size_t>(got));
    const auto reply = whole_reply(connection.unread);
    if (!reply) return {};
    result_.latency.add(static_cast<std::uint64_t>(std::chrono::nanoseconds(Clock::now() - connection.due).count()));
    const bool right = reply->ok && (options_.answer.empty() || reply->body == options_.answer);
    ++(right ? result_.answers : result_.failures);
    result_.body.assign(reply->body);
    connection.unread.erase(0, reply->bytes);
    if (options_.rate == 0)
      return ask(connection, Clock::now());  // before others are read, so that the server need not wait for them
    idle_.push_back(&connection);
    return {};
  }

  const LoadOptions& options_;
  Handle poll_;
  std::vector<std::unique_ptr<Connection>> all_;
  std::vector<Connection*> idle_;
  LoadResult result_;
};

}  // namespace

Result<LoadResult> generate_load(const LoadOptions& options) { return Load(options).run(); }

std::string post_request(const std::string& path, const std::string& body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
}

}  // namespace soma
