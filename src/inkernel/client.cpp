// a sample → a question over UDP → the answer.
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "inkernel/message.h"
#include "soma/kernel.h"

namespace soma {
namespace {

constexpr int kTries = 3;
constexpr std::chrono::milliseconds kPatience{1000};

}  // namespace

KernelClient::KernelClient(int socket, std::string address) : socket_(socket), address_(std::move(address)) {}
KernelClient::KernelClient(KernelClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      address_(std::move(other.address_)),
      asked_(other.asked_),
      streamed_(other.streamed_),
      repeated_(other.repeated_) {}
KernelClient& KernelClient::operator=(KernelClient&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(address_, other.address_);
  std::swap(asked_, other.asked_);
  std::swap(streamed_, other.streamed_);
  std::swap(repeated_, other.repeated_);
  return *this;
}
KernelClient::~KernelClient() {
  if (socket_ >= 0) ::close(socket_);
}

Result<KernelClient> KernelClient::connect(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const bool bracketed = address.starts_with('[') && colon != std::string::npos && colon > 1 && address[colon - 1] == ']';
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size())
    return Error{Error::Kind::usage, fmt::format("kernel: wanted HOST:PORT, got '{}'; try 10.0.0.2:9000", address)};
  const std::string host = bracketed ? address.substr(1, colon - 2) : address.substr(0, colon), port = address.substr(colon + 1);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int status = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); status != 0)
    return Error{Error::Kind::io,
                 fmt::format("kernel: {}: wanted an address, got '{}'; try a number", address, ::gai_strerror(status))};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &::freeaddrinfo);
  KernelClient client(::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), address);
  if (client.socket_ < 0 || ::connect(client.socket_, found->ai_addr, found->ai_addrlen) != 0)
    return Error{Error::Kind::io,
                 fmt::format("kernel: {}: {}; try an address that ip route get finds", address, std::strerror(errno))};
  return client;
}

Result<KernelAnswer> KernelClient::ask(ValueType type, std::span<const std::uint8_t> values, std::int64_t outputs) {
  return exchange(make_question(type, values, ++asked_, outputs));
}

Result<KernelAnswer> KernelClient::ask_next(ValueType type, std::span<const std::uint8_t> window, std::int64_t fresh,
                                            std::int64_t outputs) {
  const std::int64_t count = std::ssize(window) / message::bytes_of(type);
  const auto last = [&](std::int64_t values) {
    return make_question(type, window.last(static_cast<std::size_t>(values * message::bytes_of(type))), ++asked_, outputs,
                         streamed_ - static_cast<std::uint64_t>(values));
  };
  const bool begun = streamed_ > 0 && fresh < count;
  streamed_ += static_cast<std::uint64_t>(begun ? fresh : count);
  const auto answer = exchange(last(begun ? fresh : count));
  if (!answer || !answer->outputs.empty() || !begun) return answer;
  return exchange(last(count));
}

Result<KernelAnswer> KernelClient::exchange(const std::vector<std::uint8_t>& question) {
  std::vector<std::uint8_t> buffer(65536);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt > 0) ++repeated_;
    if (::send(socket_, question.data(), question.size(), 0) < 0 && errno != ECONNREFUSED)
      return Error{Error::Kind::io, fmt::format("kernel: {}: {}; try a smaller sample, or an interface that is up", address_,
                                                std::strerror(errno))};
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (auto left = kPatience; left.count() > 0;
         left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())) {
      pollfd waiting{socket_, POLLIN, 0};
      if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) break;
      const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (size < 0) break;
      const auto answer = read_answer(std::span(buffer).first(static_cast<std::size_t>(size)));
      if (answer && answer->id == asked_) return answer;
    }
  }
  return Error{Error::Kind::io,
               fmt::format("kernel: {}: wanted an answer, got none to {} questions; try soma kernel stats where the "
                           "model is loaded",
                           address_, kTries)};
}

}  // namespace soma
