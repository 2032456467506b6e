// a histogram and a load generator against servers that do as they are told → counts and percentiles that cannot be otherwise.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "lab/serve/load.h"
#include "lab/serve/server_process.h"

namespace soma {
namespace {

TEST(LatencyHistogram, IsWithinOneInSixtyFour) {
  for (std::uint64_t value = 0; value < std::uint64_t{1} << 62; value += value / 8 + 1) {
    LatencyHistogram histogram;
    histogram.add(value);
    const auto exact = static_cast<double>(value) * 1e-9;
    EXPECT_NEAR(histogram.percentile(0.5), exact, exact / 64) << value;
  }
}

TEST(LatencyHistogram, PercentilesAreWhatThatShareDoesNotExceed) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0);
  for (std::uint64_t i = 1; i <= 100; ++i) histogram.add(i);
  EXPECT_NEAR(histogram.percentile(0.01), 1e-9, 1e-15);
  EXPECT_NEAR(histogram.percentile(0.5), 50e-9, 1e-15);
  EXPECT_NEAR(histogram.percentile(0.99), 99e-9, 1e-15);
  EXPECT_NEAR(histogram.percentile(1), 100e-9, 1e-15);
}

/// Answers one connection at a time, byte for byte what `answer` gives for the request's number.
class ObedientServer {
 public:
  explicit ObedientServer(std::size_t request_bytes, std::function<std::string(int)> answer) : port_(free_port().value()) {
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::listen(listening_, 8);
    thread_ = std::thread([this, request_bytes, answer = std::move(answer)] {
      for (int number = 0, connection = 0; (connection = ::accept(listening_, nullptr, nullptr)) >= 0; ::close(connection)) {
        std::string request(request_bytes, '\0');
        while (::recv(connection, request.data(), request.size(), MSG_WAITALL) == static_cast<ssize_t>(request.size())) {
          const std::string text = answer(number++);
          answered_ = number;
          if (text.empty() || ::send(connection, text.data(), text.size(), MSG_NOSIGNAL) < 0) break;
        }
      }
    });
  }
  ~ObedientServer() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int answered() const { return answered_; }

 private:
  std::uint16_t port_;
  int listening_ = -1;
  std::atomic<int> answered_ = 0;
  std::thread thread_;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

LoadOptions load_on(std::uint16_t port, const std::string& request) {
  LoadOptions options;
  options.port = port;
  options.request = request;
  options.seconds = 0.1;
  return options;
}

TEST(Load, CountsWhatWasAnswered) {
  const std::string request = post_request("/", "abc");
  const ObedientServer server(request.size(), [](int) { return ok("seven"); });
  const auto result = generate_load(load_on(server.port(), request));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_GT(result->answers, 0);
  EXPECT_GE(server.answered(), result->answers);
  EXPECT_EQ(result->failures, 0);
  EXPECT_EQ(result->latency.count(), static_cast<std::uint64_t>(result->answers));
  EXPECT_EQ(result->body, "seven");
}

TEST(Load, OtherStatusesAndLostConnectionsAreFailures) {
  const std::string request = post_request("/", "abc");
  const ObedientServer server(request.size(), [](int number) -> std::string {
    if (number % 3 == 0) return "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
    return number % 3 == 1 ? "" : ok("seven");
  });
  const auto result = generate_load(load_on(server.port(), request));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_GT(result->answers, 0);
  EXPECT_GE(result->failures, 2 * result->answers - 2);
}

TEST(Load, AnotherBodyThanTheOneWantedIsAFailure) {
  const std::string request = post_request("/", "abc");
  const ObedientServer server(request.size(), [](int number) { return ok(number == 2 ? "eight" : "seven"); });
  LoadOptions options = load_on(server.port(), request);
  options.answer = "seven";
  const auto result = generate_load(options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->failures, 1);
  EXPECT_GT(result->answers, 2);
}

TEST(Load, AnOpenLoopCountsTheWaitForASlowServer) {
  const std::string request = post_request("/", "abc");
  const ObedientServer server(request.size(), [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ok("7");
  });
  LoadOptions options = load_on(server.port(), request);
  options.rate = 1000;  // five times what it can do: request k falls due at k ms and is answered after 5·(k + 1) ms at best
  const auto result = generate_load(options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  const auto last = static_cast<double>(result->answers - 1);
  EXPECT_GE(result->latency.percentile(1), (5 * (last + 1) - last) * 1e-3 * 63 / 64);
}

TEST(Load, NobodyListeningIsSaid) {
  const auto result = generate_load(load_on(free_port().value(), "x"));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, Error::Kind::io);
}

TEST(ServerProcess, OneThatEndsIsNoServer) {
  const auto server = ServerProcess::start({"true"}, free_port().value(), own_cores().front());
  ASSERT_FALSE(server.ok());
}

TEST(PinnedTo, GivesTheCoresBack) {
  const auto before = own_cores();
  {
    const PinnedTo pinned(before.back());
    EXPECT_EQ(own_cores(), std::vector<int>{before.back()});
  }
  EXPECT_EQ(own_cores(), before);
}

}  // namespace
}  // namespace soma
