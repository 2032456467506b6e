// requests, cut anywhere and behind any other → the same parse: heads and bodies as a connection finds them.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>

#include "serve/http_cases.h"
#include "serve/http_connection.h"

namespace soma::test {
namespace {

using http::Exchange;

/// Writes down what it is asked, and answers with nothing.
struct Recorder final : http::Application {
  std::vector<std::string> seen;
  bool on_head(Exchange&) override { return true; }
  void on_request(Exchange& exchange) override {
    const http::Head& head = exchange.head;
    std::string all;
    for (const std::string_view part :
         {head.method_text, head.target, head.host, head.origin, head.accept, head.accept_encoding, head.authorization,
          head.content_encoding, head.content_type, head.inference_header_length})
      all.append(part).append("|");
    all += head.keep_alive ? "keep|" : "close|";
    seen.push_back(all + std::string(reinterpret_cast<const char*>(exchange.body.data()), exchange.body.size()));
    exchange.send(200, "");
  }
  void on_answered(const Exchange&, int status) override { seen.push_back(std::to_string(status)); }
  void on_tick() override {}
};

/// One connection, its loop turned by hand.
class ByHand {
 public:
  ByHand() {
    thread_.application = &recorder;
    thread_.total = &total_;
    int ends[2];
    const int room = 1 << 20;  // the system gives at least some of it
    SOMA_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    server_ = ends[0];
    client_ = ends[1];
    http::TcpSocket socket(context_);
    socket.assign(boost::asio::ip::tcp::v4(), ends[0]);
    connection_ = new http::Connection(thread_, std::move(socket), nullptr);  // deletes itself
    connection_->start();
  }
  ~ByHand() {
    if (open()) connection_->abort();
    turn();
    ::close(client_);
  }
  ByHand(const ByHand&) = delete;
  ByHand& operator=(const ByHand&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty() && open()) {
      const ssize_t sent = ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      turn();
    }
  }
  /// As much as the other end has room for, and nobody reads yet.
  std::size_t fill(std::string_view bytes) {
    const ssize_t sent = ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
  /// The connection has one turn, if it wants one. How many bytes it has left unread.
  int one_turn() {
    context_.restart();
    context_.poll_one();
    int unread = 0;
    ::ioctl(server_, FIONREAD, &unread);
    return unread;
  }
  void turn() {
    context_.restart();
    context_.poll();
    char answer[65536];
    while (::recv(client_, answer, sizeof answer, 0) > 0) {
    }
  }
  void tick(std::chrono::seconds later) {
    if (open()) connection_->tick(http::Clock::now() + later);
    turn();
  }
  [[nodiscard]] bool open() const { return thread_.connections != nullptr; }

  Recorder recorder;

 private:
  boost::asio::io_context context_{1};
  std::atomic<std::size_t> total_{0};
  http::Thread thread_;
  int client_ = -1, server_ = -1;
  http::Connection* connection_ = nullptr;
};

/// What one connection makes of `pieces`, each of them read before the next is sent.
std::vector<std::string> read(const std::vector<std::string_view>& pieces) {
  ByHand connection;
  for (const std::string_view piece : pieces) connection.send(piece);
  return connection.recorder.seen;
}

TEST(Connection, JudgesABodyByItsLastSeconds) {
  ByHand connection;
  connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + std::string(10000000, 'x'));
  connection.tick(std::chrono::seconds(11));  // much came in these
  EXPECT_TRUE(connection.recorder.seen.empty());
  connection.send(std::string(39000, 'x'));
  connection.tick(std::chrono::seconds(22));  // 4 KiB a second would be more
  EXPECT_EQ(connection.recorder.seen, std::vector<std::string>{"408"});

  ByHand steady;
  steady.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n");
  for (int i = 1; i <= 20; ++i) {
    steady.send(std::string(42000, 'x'));
    steady.tick(std::chrono::seconds(11 * i));
  }
  EXPECT_TRUE(steady.recorder.seen.empty());
}

TEST(Connection, GivesWayToOthersHoweverMuchThereIsToDo) {
  const std::string live = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::string many;
  for (int i = 0; i < 200; ++i) many += live;
  ByHand pipelined;
  ASSERT_EQ(pipelined.fill(many), many.size());
  pipelined.one_turn();
  EXPECT_GT(pipelined.recorder.seen.size(), 2U);
  EXPECT_LT(pipelined.recorder.seen.size(), 2U * 100);
  pipelined.turn();
  EXPECT_EQ(pipelined.recorder.seen.size(), 2U * 200);

  // A body that is taken, and one that nobody wants: as much as fits between them, in more than one turn.
  for (const std::string head : {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n", "nonsense\r\n\r\n"}) {
    ByHand connection;
    connection.send(head);
    const auto sent = static_cast<int>(connection.fill(std::string(1 << 20, 'x')));
    ASSERT_GT(sent, 1 << 18);
    EXPECT_EQ(connection.one_turn(), sent - (1 << 18)) << head;
    EXPECT_EQ(connection.one_turn(), std::max(0, sent - (2 << 18))) << head;
  }
}

class Parse : public testing::TestWithParam<HttpCase> {};

TEST_P(Parse, IsTheSameHoweverTheBytesArrive) {
  const std::string_view bytes = GetParam().bytes;
  const std::vector<std::string> whole = read({bytes});
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    const bool near_the_limit = i > 16374 && i < 16394;
    if (i < 200 || i + 100 > bytes.size() || near_the_limit || i % 997 == 0) cuts.push_back(i);
  }
  for (const std::size_t cut : cuts) ASSERT_EQ(read({bytes.substr(0, cut), bytes.substr(cut)}), whole) << "cut at " << cut;
  if (bytes.size() > 2000) return;
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
  ASSERT_EQ(read(single), whole);
}

TEST_P(Parse, IsTheSameWhateverStoodBeforeItInTheBuffer) {
  const std::string& bytes = GetParam().bytes;
  const std::vector<std::string> whole = read({bytes});
  for (const std::size_t fill :
       std::initializer_list<std::size_t>{0, 1, 100, 5000, 8192, 15000, 16000, 16200, 16250, 16283, 16284, 20000, 32700}) {
    const std::string size = std::to_string(fill);
    const std::string before =
        "POST /before HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + std::string(fill, 'b');
    const std::string all = before + bytes;
    for (const std::size_t cut : {before.size() - 1, before.size(), before.size() + 1, before.size() + 20, std::size_t{16384}}) {
      if (cut >= all.size()) continue;
      std::vector<std::string> got = read({std::string_view(all).substr(0, cut), std::string_view(all).substr(cut)});
      ASSERT_GE(got.size(), 2U);
      got.erase(got.begin(), got.begin() + 2);
      ASSERT_EQ(got, whole) << "behind a body of " << fill << ", cut at " << cut;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Http, Parse, testing::ValuesIn(http_cases()), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace soma::test
