// who asks, for what, with how much behind it → refused before a byte of the body counts, and the server lives on.
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <chrono>
#include <optional>
#include <thread>

#include "serve/client.h"

namespace soma::test {
namespace {

using nlohmann::json;

const std::string kPicture(16, '\x7f');

std::string gzip(const std::string& text) {
  libdeflate_compressor* engine = libdeflate_alloc_compressor(6);
  std::string packed(libdeflate_gzip_compress_bound(engine, text.size()), '\0');
  packed.resize(libdeflate_gzip_compress(engine, text.data(), text.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(engine);
  return packed;
}

/// The status of a head that announces a body which never comes.
int status_of_head(const TestServer& server, const std::string& path, const std::string& fields) {
  Client client(server.port());
  client.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
  return client.receive().status;
}

TEST(Door, AsksWhoItIsBeforeItTakesTheBody) {
  const TestServer server({.token = "secret"});
  const std::string large = "Expect: 100-continue\r\nContent-Length: 60000000\r\n", token = "Authorization: bearer  secret\r\n";
  EXPECT_EQ(status_of_head(server, "/", large), 401);
  EXPECT_EQ(status_of_head(server, "/nothing", large), 401);
  EXPECT_EQ(status_of_head(server, "/", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"), 401);
  EXPECT_EQ(status_of_head(server, "/nothing", large + token), 404);
  EXPECT_EQ(status_of_head(server, "/v2", large + token), 405);
  EXPECT_EQ(status_of_head(server, "/v2/models/other/infer", large + token), 404);
  EXPECT_EQ(status_of_head(server, "/v2/repository/index", large + token), 413);
  EXPECT_EQ(status_of_head(server, "/", "Content-Length: 67108865\r\nExpect: 100-continue\r\n" + token), 413);
  EXPECT_EQ(status_of_head(server, "/", "Content-Encoding: br\r\n" + large + token), 415);
  EXPECT_EQ(status_of_head(server, "/", large + token), 100);
}

TEST(Door, ChecksInTheOrderThatIsPromised) {
  const TestServer server({.hosts = {"models.example"}, .token = "secret"});
  const auto status = [&](const std::string& host, const std::string& fields, const std::string& path) {
    Client client(server.port());
    client.send("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
    return client.receive().status;
  };
  const std::string token = "Authorization: Bearer secret\r\n", large = "Content-Length: 60000000000\r\n",
                    coded = "Content-Encoding: br\r\n", unload = "/v2/repository/models/small/unload";
  EXPECT_EQ(status("evil", large + coded, "/nothing"), 421);
  EXPECT_EQ(status("localhost", large + coded, "/nothing"), 401);
  EXPECT_EQ(status("localhost", token + large + coded, "/nothing"), 404);
  EXPECT_EQ(status("localhost", token + large + coded, "/v2"), 405);
  EXPECT_EQ(status("localhost", token + large + coded, unload), 403);
  EXPECT_EQ(status("localhost", token + large + coded, "/v2/models/other/infer"), 404);
  EXPECT_EQ(status("localhost", token + large + coded, "/v2/models/small/infer"), 413);
  EXPECT_EQ(status("localhost", token + "Content-Length: 5\r\n" + coded, "/v2/models/small/infer"), 415);
}

TEST(Door, SaysWhenAnybodyMayAsk) {
  const TestServer place;
  const auto start = [&](ServeOptions options) {
    options.source = place.directory();
    options.threads = 1;
    return InferenceServer::start(options).value();
  };
  EXPECT_TRUE(start({.listen = "127.0.0.1:0"}).warnings().empty());
  EXPECT_TRUE(start({.listen = "0.0.0.0:0", .token = "secret"}).warnings().empty());
  const InferenceServer open = start({.listen = "0.0.0.0:0", .control = true});
  ASSERT_EQ(open.warnings().size(), 1U);
  EXPECT_NE(open.warnings()[0].find("change what is served"), std::string::npos) << open.warnings()[0];
  Client client(std::stoi(open.url().substr(open.url().rfind(':') + 1)));
  client.send("GET /v2/health/live HTTP/1.1\r\nHost: whatever.example\r\n\r\n");  // no --host: nobody looks
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Door, OpensForProbesAndThePageOnly) {
  const TestServer server({.token = "secret"});
  EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 200);
  EXPECT_EQ(server.call("GET", "/v2/%68ealth/ready").status, 200);
  EXPECT_EQ(server.call("GET", "/web/style.css").status, 200);
  for (const char* path :
       {"/v2/health/../models/small", "/v2/health/other", "/web/../metrics", "/web/a/b", "/metrics", "/soma/status"})
    EXPECT_EQ(server.call("GET", path).status, 401) << path;
}

TEST(Door, ControlIsForWhomItWasGivenTo) {
  const TestServer closed;
  const Answer refused = closed.call("POST", "/v2/repository/models/small/unload");
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.json()["error"].get<std::string>().find("--control"), std::string::npos);
  EXPECT_EQ(closed.call("POST", "/v2/repository/models/small/load").status, 403);
  EXPECT_EQ(closed.call("POST", "/v2/repository/index").status, 200);

  const TestServer open({.control = true});
  const auto unload = [&](const std::string& fields) {
    return open.call("POST", "/v2/repository/models/small/unload", {}, fields).status;
  };
  EXPECT_EQ(unload("Origin: http://evil.example\r\n"), 403);
  EXPECT_EQ(unload("Origin: null\r\n"), 403);
  EXPECT_EQ(unload("Origin: http://localhost:1\r\n"), 403);
  EXPECT_EQ(unload("Origin: http://LOCALHOST:80\r\n"), 200);
  EXPECT_EQ(open.call("POST", "/v2/repository/models/small/load").status, 200);

  const TestServer guarded({.control = true, .token = "secret"});
  EXPECT_EQ(guarded.call("POST", "/v2/repository/models/small/unload").status, 401);
  EXPECT_EQ(guarded.call("POST", "/v2/repository/models/small/unload", {}, "Authorization: Bearer secret\r\n").status, 200);
}

TEST(Door, AnswersToItsNamesOnly) {
  const TestServer server({.hosts = {"models.example"}});
  Client client(server.port());
  client.send("GET /v2/health/live HTTP/1.1\r\nHost: Models.Example:8000\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  client.send("GET /v2/health/live HTTP/1.1\r\nHost: models.example.evil\r\n\r\n");
  EXPECT_EQ(client.receive().status, 421);
}

TEST(Door, PagesOfOtherOriginsReadAnswersAndErrors) {
  const TestServer server({.token = "secret"});
  const auto origin = [](Answer answer) { return answer.fields["access-control-allow-origin"]; };
  const std::string token = "Authorization: Bearer secret\r\n";
  EXPECT_EQ(origin(server.call("POST", "/", kPicture)), "*");  // 401
  EXPECT_EQ(origin(server.call("POST", "/", "xyz", token)), "*");
  EXPECT_EQ(origin(server.call("POST", "/", kPicture, token)), "*");
  EXPECT_EQ(origin(server.call("POST", "/v2/models/small/infer", "{", token)), "*");
  EXPECT_EQ(origin(server.call("POST", "/v2/models/other/infer", "{", token)), "*");
  EXPECT_EQ(origin(server.call("POST", "/", kPicture, token + "Content-Encoding: br\r\n")), "*");
  EXPECT_EQ(origin(server.call("GET", "/v2", "", token)), "");
  const auto options = [&](const std::string& path, const std::string& field) {
    return server.call("OPTIONS", path).fields[field];
  };
  EXPECT_EQ(options("/", "allow"), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(options("/v2", "allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(options("/v2", "access-control-allow-methods"), "");
  EXPECT_EQ(options("/v2/models/small/infer", "allow"), "OPTIONS, POST");
  EXPECT_EQ(options("/v2/models/small/infer", "access-control-allow-methods"), "OPTIONS, POST");
  EXPECT_EQ(options("/v2/repository/models/small/unload", "access-control-allow-origin"), "");
  EXPECT_EQ(server.call("OPTIONS", "/nothing").status, 401);
}

TEST(Door, BodiesShareOneBudget) {
  const TestServer server({.threads = 1, .max_memory = 4 << 20});
  const auto upload = [] {
    return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" + std::string(1000, 'x');
  };
  std::optional<Client> first(server.port());
  first->send(upload());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  Client second(server.port());
  second.send(upload());
  const Answer refused = second.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.json()["error"].get<std::string>().find("memory"), std::string::npos);
  EXPECT_TRUE(refused.fields.contains("retry-after"));
  EXPECT_EQ(server.call("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(server.call("POST", "/", kPicture).status, 200);
  first.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(server.call("POST", "/", std::string(3000000, 'x')).status, 400);
}

TEST(Door, WhatIsUnpackedOrReadCountsInTheBudget) {
  const TestServer server({.threads = 1, .max_memory = 4 << 20});
  std::string rows;
  while (rows.size() < 1 << 20) rows += "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n";
  EXPECT_EQ(server.call("POST", "/", gzip(std::string(8 << 20, '1')), "Content-Encoding: gzip\r\n").status, 503);
  EXPECT_EQ(server.call("POST", "/", gzip(rows), "Content-Encoding: gzip\r\n").status, 503);
  std::string values = R"({"inputs":[{"name":"input","shape":[100000,16],"datatype":"FP32","data":[0)";
  for (int i = 1; i < 1600000; ++i) values += ",0";
  EXPECT_EQ(server.call("POST", "/v2/models/small/infer", values + "]}]}").status, 503);
  EXPECT_EQ(server.call("POST", "/", kPicture).status, 200);
}

}  // namespace
}  // namespace soma::test
