// what a page and a monitor ask → their answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <sstream>
#include <thread>

#include "serve/client.h"

namespace soma::test {
namespace {

using nlohmann::json;

TEST(Page, SaysHowServerAndMachineFare) {
  const TestServer server;
  const json status = server.call("GET", "/soma/status").json();
  for (const char* key : {"machine", "cores", "target", "version", "uptime_seconds", "cpu_percent", "memory_percent",
                          "memory_total_bytes", "process_memory_bytes", "requests_per_second", "requests_total", "connections"})
    EXPECT_TRUE(status.contains(key)) << key;
  EXPECT_EQ(status["models"][0]["name"], "small");
  EXPECT_EQ(status["models"][0]["input"], json({1, 4, 4}));
  EXPECT_EQ(status["models"][0]["classes"], json({"a", "b", "c"}));
}

TEST(Page, ShowsWhatEachLayerMakesOfASample) {
  const TestServer server;
  const std::string picture(16, '\x7f');
  const json all = server.call("POST", "/soma/models/small/activations", picture).json();
  EXPECT_EQ(all["class"], server.call("POST", "/", picture).body);
  EXPECT_EQ(all["probabilities"].size(), 3U);
  EXPECT_EQ(all["input"]["shape"], json({1, 4, 4}));
  EXPECT_EQ(all["input"]["values"].size(), 16U);
  ASSERT_FALSE(all["layers"].empty());
  EXPECT_EQ(all["layers"].back()["values"].size(), 3U);
  EXPECT_EQ(server.call("POST", "/soma/models/small/activations?layers=0", picture).json()["layers"], json::array());
  EXPECT_EQ(server.call("POST", "/soma/models/small/activations?other=1&layers=1", picture).json()["layers"].size(), 1U);
  for (const char* query : {"layers=", "layers=-1", "layers=1x", "layers=1&layers=2", "layers", "layers=18446744073709551616"})
    EXPECT_EQ(server.call("POST", std::string("/soma/models/small/activations?") + query, picture).status, 400) << query;
  EXPECT_EQ(server.call("POST", "/soma/models/small/activations", "xyz").status, 400);
  EXPECT_EQ(server.call("POST", "/soma/models/other/activations", picture).status, 404);
}

TEST(Page, IsThereForBrowsersOnly) {
  const TestServer server({.token = "secret"});
  const Answer page = server.call("GET", "/", {}, "Accept: text/html,*/*\r\n");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_EQ(server.call("GET", "/web/index.html").body, page.body);
  EXPECT_EQ(server.call("GET", "/web/nothing").status, 404);
  EXPECT_EQ(server.call("GET", "/", {}, "Authorization: Bearer secret\r\n").status, 405);
}

TEST(Metrics, CountRequestsByResult) {
  const TestServer server;
  (void)server.call("POST", "/", std::string(16, '\x7f'));
  (void)server.call("POST", "/", std::string(15, '\x7f'));
  // An answer is counted once it has left, so it may be read before it shows.
  const auto shows = [&](const char* line) {
    for (int i = 0; i < 100; ++i) {
      if (server.call("GET", "/metrics").body.find(line) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  };
  for (const char* line :
       {"soma_requests_total{model=\"small\",version=\"1\",result=\"success\"} 1\n",
        "soma_requests_total{model=\"small\",version=\"1\",result=\"failure\"} 1\n",
        "soma_http_responses_total{code=\"400\"} 1\n", "soma_batch_size_count{model=\"small\",version=\"1\"} 1\n",
        "soma_ready 1\n", "soma_request_duration_seconds_bucket{model=\"small\",version=\"1\",le=\"+Inf\"} 1\n"})
    EXPECT_TRUE(shows(line)) << line;
}

TEST(AccessLog, HasALinePerRequest) {
  std::mutex mutex;
  std::string lines;
  {
    const TestServer server({.access_log = AccessLog::all, .log = [&](std::string_view text) {
                               const std::lock_guard lock(mutex);
                               lines += text;
                             }});
    (void)server.call("POST", "/", std::string(16, '\x7f'));
    (void)server.call("GET", "/nothing\"\xff");
  }
  std::istringstream stream(lines);
  std::vector<json> entries;
  for (std::string line; std::getline(stream, line);) entries.push_back(json::parse(line));
  ASSERT_EQ(entries.size(), 2U) << lines;
  std::sort(entries.begin(), entries.end(), [](const json& a, const json& b) { return a["status"] < b["status"]; });
  EXPECT_EQ(entries[0]["path"], "/");
  EXPECT_EQ(entries[0]["bytes"], 1);
}

TEST(AccessLog, AReaderThatStandsStillHoldsUpNobody) {
  std::mutex gate;
  gate.lock();
  {
    const TestServer server(
        {.threads = 1, .access_log = AccessLog::all, .log = [&](std::string_view) { const std::lock_guard lock(gate); }});
    const std::string path = "/" + std::string(5000, 'x');
    Client client(server.port());
    std::string many;
    for (int i = 0; i < 100; ++i) many += request("GET", path);
    for (int round = 0; round < 30; ++round) {  // 1.7 MB of lines
      client.send(many);
      for (int i = 0; i < 100; ++i) ASSERT_EQ(client.receive().status, 404);
    }
    bool dropped = false;
    for (int i = 0; i < 100 && !dropped; ++i) {
      const std::string metrics = server.call("GET", "/metrics").body;
      dropped = metrics.find("soma_log_lines_dropped_total 0\n") == std::string::npos;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(dropped);
    gate.unlock();
  }
}

TEST(AccessLog, RequestsKeepTheirNames) {
  std::mutex mutex;
  std::string lines;
  {
    const TestServer server({.access_log = AccessLog::all, .log = [&](std::string_view text) {
                               const std::lock_guard lock(mutex);
                               lines += text;
                             }});
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const Answer answer = server.call("GET", "/nothing", {}, "X-Request-Id: a1\r\nTraceparent: " + trace + "\r\n");
    EXPECT_EQ(answer.fields.at("x-request-id"), "a1");
    EXPECT_EQ(answer.fields.at("traceparent"), trace);
  }
  const json entry = json::parse(lines);
  EXPECT_EQ(entry["request_id"], "a1");
  EXPECT_TRUE(entry["traceparent"].get<std::string>().starts_with("00-"));
}

TEST(Page, LoadsNothingFromElsewhereAndStandsInNoFrame) {
  const TestServer server;
  const Answer page = server.call("GET", "/", {}, "Accept: text/html\r\n");
  EXPECT_EQ(page.fields.at("x-frame-options"), "DENY");
  EXPECT_NE(page.fields.at("content-security-policy").find("frame-ancestors 'none'"), std::string::npos);
}

}  // namespace
}  // namespace soma::test
