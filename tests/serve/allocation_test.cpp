// a warm server under load → no request asks for memory.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocations.h"
#include "serve/client.h"

namespace soma::test {
namespace {

TEST(Allocation, OfAWarmRequestIsNone) {
  const TestServer server({.threads = 1});
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string text = request("POST", "/", std::string(16, '\x7f'));
  char answer[1024];
  const auto ask = [&](int times) {
    for (int i = 0; i < times; ++i)
      if (::send(client, text.data(), text.size(), 0) <= 0 || ::recv(client, answer, sizeof answer, 0) <= 0) return false;
    return true;
  };
  ASSERT_TRUE(ask(200));
  const AllocationCounter counter;
  ASSERT_TRUE(ask(5000));
  EXPECT_LT(counter.count(), 500);  // the tick reads /proc and renews the date; 5000 requests would show
  ::close(client);
}

}  // namespace
}  // namespace soma::test
