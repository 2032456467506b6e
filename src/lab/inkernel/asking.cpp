// a question → how long its answer takes, of a program in the kernel and of plain servers that compute the same in user space.
#include "lab/inkernel/asking.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "inkernel/message.h"
#include "integer/executor.h"
#include "lab/serve/server_process.h"
#include "model/check.h"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWindow = 32;
constexpr std::size_t kLongest = 2048;

Error failed(const char* what) {
  return {Error::Kind::io, fmt::format("lab: wanted to {}, got '{}'", what, std::strerror(errno))};
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Result<void> raise_loopback() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = socket >= 0 && ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  const auto error = failed("raise the loopback");
  if (socket >= 0) ::close(socket);
  if (!up) return error;
  return {};
}

/// So many messages with buffers of their own.
struct Messages {
  Messages() {
    for (std::size_t i = 0; i < kWindow; ++i) {
      parts[i] = {buffers[i].data(), kLongest};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = &peers[i];
    }
  }
  void ready() {
    for (std::size_t i = 0; i < kWindow; ++i) {
      parts[i].iov_len = kLongest;
      headers[i].msg_hdr.msg_namelen = sizeof(peers[i]);
    }
  }
  std::array<std::array<std::uint8_t, kLongest>, kWindow> buffers;
  std::array<sockaddr_in, kWindow> peers{};
  std::array<iovec, kWindow> parts{};
  std::array<mmsghdr, kWindow> headers{};
};

/// A question about bytes → its answer, in place.
std::size_t answer_in_place(std::uint8_t* bytes, std::size_t size, IntegerExecutor& executor, std::uint32_t tag,
                            std::vector<float>& x, KernelAnswer& answer) {
  const auto question = message::read_question({bytes, size});
  if (!question || question->type != ValueType::byte || question->count != executor.input_size()) return 0;
  std::copy(question->values.begin(), question->values.end(), x.begin());
  executor.forward(x.data(), answer.outputs.data(), 1);
  answer.id = question->id;
  answer.model = tag;
  answer.label =
      static_cast<std::int32_t>(std::max_element(answer.outputs.begin(), answer.outputs.end()) - answer.outputs.begin());
  const auto made = message::make_answer(answer);
  std::copy(made.begin(), made.end(), bytes);
  return made.size();
}

}  // namespace

Result<void> in_new_network(const std::function<Result<void>()>& work) {
  Result<void> result;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0)
      result = Error{Error::Kind::unavailable,
                     fmt::format("lab: wanted a network namespace, got '{}'; try root", std::strerror(errno))};
    else if (auto up = raise_loopback(); !up)
      result = up.error();
    else
      result = work();
  }).join();
  return result;
}

Result<AskedAnswers> ask_port(std::uint16_t port, const std::vector<std::uint8_t>& question,
                              const std::vector<std::uint8_t>& expected, std::int64_t questions) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::unique_ptr<const int, void (*)(const int*)> closed(&socket, [](const int* fd) { ::close(*fd); });
  const sockaddr_in address = loopback(port);
  const timeval second{1, 0};
  if (socket < 0 || ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) != 0)
    return failed("ask a port");
  AskedAnswers asked;
  const auto take = [&](const std::uint8_t* bytes, ssize_t size) {
    if (size < 0) return void(++asked.lost);
    ++asked.answers;
    const auto length = static_cast<std::size_t>(size);
    if (length != expected.size() || std::memcmp(bytes, expected.data(), length) != 0) ++asked.wrong;
  };
  std::array<std::uint8_t, kLongest> buffer;
  for (std::int64_t i = 0; i < questions; ++i) {
    const auto begin = Clock::now();
    if (::send(socket, question.data(), question.size(), 0) < 0) return failed("send a question");
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    asked.latency.add(static_cast<std::uint64_t>(std::chrono::nanoseconds(Clock::now() - begin).count()));
    take(buffer.data(), size);
  }
  const auto out = std::make_unique<Messages>(), in = std::make_unique<Messages>();
  for (std::size_t i = 0; i < kWindow; ++i) {
    std::copy(question.begin(), question.end(), out->buffers[i].begin());
    out->parts[i].iov_len = question.size();
    out->headers[i].msg_hdr.msg_name = nullptr;
    in->headers[i].msg_hdr.msg_name = nullptr;
  }
  std::int64_t windowed = 0;
  const auto begin = Clock::now();
  while (windowed < questions && asked.lost == 0) {
    if (::sendmmsg(socket, out->headers.data(), kWindow, 0) != kWindow) return failed("send questions");
    for (int got = 0; got < kWindow;) {
      const int count = ::recvmmsg(socket, in->headers.data(), static_cast<unsigned>(kWindow - got), MSG_WAITFORONE, nullptr);
      if (count <= 0) {
        asked.lost += kWindow - got;
        break;
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) take(in->buffers[i].data(), in->headers[i].msg_len);
      got += count;
    }
    windowed += kWindow;
  }
  asked.window_seconds = std::chrono::duration<double>(Clock::now() - begin).count() / static_cast<double>(windowed);
  return asked;
}

Result<std::unique_ptr<PlainServer>> PlainServer::start(const Model& model, std::uint16_t port, int core, bool spinning) {
  auto program = integer_program(model);
  if (!program) return program.error();
  auto made = IntegerExecutor::create(std::move(*program), {.max_batch = 1, .threads = 1});
  if (!made) return made.error();
  const auto tag = kernel_model_tag(model);
  if (!tag) return tag.error();
  std::unique_ptr<PlainServer> server(new PlainServer);
  server->socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const timeval soon{0, 50'000};
  if (server->socket_ < 0 || ::bind(server->socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::setsockopt(server->socket_, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) != 0)
    return failed("answer a port");
  server->thread_ = std::thread([self = server.get(), executor = std::move(*made), tag = *tag, core, spinning]() mutable {
    const PinnedTo pinned(core);
    std::vector<float> x(static_cast<std::size_t>(executor.input_size()));
    KernelAnswer answer;
    answer.outputs.resize(static_cast<std::size_t>(executor.output_size()));
    const auto messages = std::make_unique<Messages>();
    while (!self->done_) {
      messages->ready();
      const int count =
          ::recvmmsg(self->socket_, messages->headers.data(), kWindow, spinning ? MSG_DONTWAIT : MSG_WAITFORONE, nullptr);
      self->calls_.fetch_add(1, std::memory_order_relaxed);
      if (count <= 0) continue;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
        messages->parts[i].iov_len =
            answer_in_place(messages->buffers[i].data(), messages->headers[i].msg_len, executor, tag, x, answer);
      ::sendmmsg(self->socket_, messages->headers.data(), static_cast<unsigned>(count), 0);
      self->calls_.fetch_add(1, std::memory_order_relaxed);
    }
  });
  return server;
}

PlainServer::~PlainServer() {
  done_ = true;
  if (thread_.joinable()) thread_.join();
  if (socket_ >= 0) ::close(socket_);
}

}  // namespace soma
