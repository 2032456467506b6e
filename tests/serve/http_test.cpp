// requests, whole and broken → the documented answers: HTTP itself.
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <chrono>
#include <thread>

#include "serve/client.h"
#include "serve/http_cases.h"

namespace soma::test {
namespace {

const std::string kPicture(16, '\x7f');

std::string gzip(const std::string& text) {
  libdeflate_compressor* engine = libdeflate_alloc_compressor(6);
  std::string packed(text.size() + 1000, '\0');
  packed.resize(libdeflate_gzip_compress(engine, text.data(), text.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(engine);
  return packed;
}

TEST(Http, AnswersManyRequestsOnOneConnection) {
  const TestServer server;
  Client client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(request("POST", "/", kPicture));
    EXPECT_EQ(client.receive().status, 200);
  }
}

TEST(Http, AnswersPipelinedRequestsInOrder) {
  const TestServer server;
  Client client(server.port());
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += request("POST", "/", i % 2 == 0 ? kPicture : kPicture.substr(0, static_cast<std::size_t>(i % 16)));
  client.send(all);
  for (int i = 0; i < 100; ++i) {
    const Answer answer = client.receive();
    ASSERT_EQ(answer.status, i % 2 == 0 ? 200 : 400) << i;
    if (i % 2 != 0) {
      EXPECT_EQ(answer.body, "invalid image size " + std::to_string(i % 16));
    }
  }
}

TEST(Http, ReadsRequestsThatArriveByteByByte) {
  const TestServer server;
  Client client(server.port());
  for (const char c : request("POST", "/", kPicture)) {
    client.send({&c, 1});
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Http, SaysContinueWhenAsked) {
  const TestServer server;
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send(kPicture);
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Http, ReadsChunksAndRefusesTooManyOfThem) {
  const TestServer server;
  Client client(server.port());
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  client.send(head + "5\r\n12345\r\nb;name=value\r\n" + std::string(11, '\x7f') + "\r\n0\r\nTrailer: 1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  std::string chunks;
  for (int i = 0; i < 70000; ++i) chunks += "1\r\nx\r\n";
  client.send(head + chunks);
  EXPECT_EQ(client.receive().status, 413);
}

TEST(Http, ReadsLargeChunkedBodies) {
  const TestServer server;
  Client client(server.port());
  std::string text = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) text += "2710\r\n" + std::string(10000, 'x') + "\r\n";
  client.send(text + "0\r\n\r\n" + request("POST", "/", kPicture));
  EXPECT_EQ(client.receive().body, "invalid image size 1000000");
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Http, UnpacksGzipAndDeflateUpToTheLimit) {
  const TestServer server({.max_body = 4096});
  EXPECT_EQ(server.call("POST", "/", gzip(kPicture), "Content-Encoding: gzip\r\n").status, 200);
  EXPECT_EQ(server.call("POST", "/", gzip(kPicture), "Content-Encoding: br\r\n").status, 415);
  EXPECT_EQ(server.call("POST", "/", kPicture, "Content-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(server.call("POST", "/", gzip(kPicture) + "x", "Content-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(server.call("POST", "/", gzip(std::string(4096, 'x')), "Content-Encoding: gzip\r\n").body, "invalid image size 4096");
  EXPECT_EQ(server.call("POST", "/", gzip(std::string(4097, 'x')), "Content-Encoding: gzip\r\n").status, 413);
  EXPECT_EQ(server.call("POST", "/", gzip(std::string(1 << 20, 'x')), "Content-Encoding: gzip\r\n").status, 413);
}

TEST(Http, PacksLongAnswersForWhoAsks) {
  const TestServer server;
  std::string zeros = "0";
  for (int i = 1; i < 1600; ++i) zeros += ",0";
  const std::string body = R"({"inputs":[{"name":"input","shape":[100,16],"datatype":"FP32","data":[)" + zeros + "]}]}";
  const auto coding = [&](const std::string& fields) {
    return server.call("POST", "/v2/models/small/infer", body, fields).fields["content-encoding"];
  };
  EXPECT_EQ(coding("Accept-Encoding: gzip, deflate\r\n"), "gzip");
  EXPECT_EQ(coding("Accept-Encoding: gzip;q=0, deflate\r\n"), "deflate");
  EXPECT_EQ(coding(""), "");
}

class Request : public testing::TestWithParam<HttpCase> {};

TEST_P(Request, GetsItsAnswerAndTheServerGoesOn) {
  const TestServer server;
  Client client(server.port());
  client.send(GetParam().bytes);
  client.half_close();
  for (const int status : GetParam().statuses) {
    Answer answer = client.receive();
    if (answer.status == 100) answer = client.receive();
    EXPECT_EQ(answer.status, status) << answer.body;
    if (status >= 400 && answer.fields["content-type"] == "application/json") {
      EXPECT_TRUE(answer.json()["error"].is_string()) << answer.body;
    }
  }
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(server.call("POST", "/", kPicture).status, 200);
}

INSTANTIATE_TEST_SUITE_P(Http, Request, testing::ValuesIn(http_cases()), [](const auto& test) { return test.param.name; });

TEST(Http, AHeadThatMovesReachesNoOtherPath) {
  const TestServer server;
  for (const HttpCase& each : http_cases()) {
    if (!each.name.starts_with("Moved")) continue;
    Client client(server.port());
    client.send(each.bytes.substr(0, 16384));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    client.send(each.bytes.substr(16384));
    EXPECT_EQ(client.receive().status, 431) << each.name;
    EXPECT_TRUE(client.ended());
  }
  EXPECT_EQ(server.call("GET", "/v2/models/small/ready").status, 200);
}

TEST(Http, ABodyThatNobodyWantsMayComeLater) {
  const TestServer server;
  Client client(server.port());
  client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.receive().status, 404);
  for (const char* piece : {"he", "llo", "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // each is read alone, from a buffer that was given back
    client.send(piece);
  }
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Http, DoesNotAnswerHalfARequest) {
  const TestServer server;
  for (const char* bytes :
       {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\nxx", "POST / HTTP/1.1\r\nContent-Le", ""}) {
    Client client(server.port());
    client.send(bytes);
    client.half_close();
    EXPECT_EQ(client.receive().status, 0) << bytes;
  }
}

TEST(Http, AnswersAHalfClosedClient) {
  const TestServer server;
  Client client(server.port());
  client.send(request("POST", "/", kPicture));
  client.half_close();
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.ended());
}

TEST(Http, ClosesWhenAskedAndForHttp10) {
  const TestServer server;
  Client client(server.port());
  client.send(request("POST", "/", kPicture, "Connection: close\r\n"));
  EXPECT_EQ(client.receive().fields["connection"], "close");
  EXPECT_TRUE(client.ended());
  Client old(server.port());
  old.send("GET /v2/health/live HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive().status, 200);
  EXPECT_TRUE(old.ended());
}

TEST(Http, TurnsAwayWhoIsTooMany) {
  const TestServer server({.max_connections = 2});
  Client first(server.port()), second(server.port());
  first.send(request("POST", "/", kPicture));
  second.send(request("POST", "/", kPicture));
  EXPECT_EQ(first.receive().status, 200);
  EXPECT_EQ(second.receive().status, 200);
  Client third(server.port());
  EXPECT_EQ(third.receive().status, 503);
  EXPECT_TRUE(third.ended());
}

TEST(Http, ClosesIdleConnections) {
  const TestServer server({.idle_timeout = std::chrono::milliseconds(100)});
  Client client(server.port());
  client.send(request("POST", "/", kPicture));
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.ended());
}

TEST(Http, DrainsWithoutLosingARequest) {
  TestServer server;
  Client busy(server.port()), idle(server.port());
  busy.send(request("POST", "/", kPicture));
  EXPECT_EQ(busy.receive().status, 200);
  server.server().drain();
  busy.send(request("GET", "/v2/health/ready"));
  const Answer answer = busy.receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_TRUE(idle.ended());
  for (int i = 0; i < 100 && !server.server().finished(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(server.server().finished());
}

}  // namespace
}  // namespace soma::test
