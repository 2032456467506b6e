// requests that take long → read and written beside the threads that serve, with the answers that short ones get.
#include "serve/aside.h"

#include <gtest/gtest.h>
#include <libdeflate.h>

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "model/zoo.h"
#include "serve/client.h"
#include "serve/http.h"

namespace soma::test {
namespace {

struct Here final : http::Loop {
  std::deque<std::function<void()>> posted;
  std::mutex mutex;
  void post(std::function<void()> action) override {
    const std::lock_guard lock(mutex);
    posted.push_back(std::move(action));
  }
  void defer(void (*)(void*), void*) override {}
  void after(std::chrono::microseconds, void (*)(void*), void*) override {}
};

TEST(Aside, WorksInOrderAndLeavesWhatIsQueuedWhenItStops) {
  http::Budget budget(std::size_t{1} << 30);
  Here loop;
  std::string done;
  {
    http::Aside aside(&budget);
    std::promise<void> begun, may_go_on;
    auto go_on = may_go_on.get_future().share();
    aside.run(
        loop, [&] { done += 'a'; }, [] {});
    aside.run(
        loop,
        [&, go_on] {
          done += 'b';
          begun.set_value();
          go_on.wait();
        },
        [] {});
    aside.run(
        loop, [&] { done += 'c'; }, [] {});
    begun.get_future().wait();
    std::thread stops([&] { aside.stop(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it waits for 'b' by now; if not, 'c' may still be left out
    may_go_on.set_value();
    stops.join();
  }
  EXPECT_EQ(done.substr(0, 2), "ab");
  EXPECT_EQ(loop.posted.size(), done.size());
  EXPECT_EQ(budget.used(), 0U);
}

Model four() {
  Model model = make_model({4}, {{.name = "out", .layer = Linear{.out = 3}}});
  model.name = "four";
  model.class_names = {"x", "y", "z"};
  model.columns = {{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}};
  return model;
}

std::string row(int i) { return std::to_string(i % 7) + "," + std::to_string(i % 5) + "," + std::to_string(i % 11) + ",1"; }

TEST(Aside, ManyRowsAreAnsweredAsFewAre) {
  const TestServer server(four());
  constexpr int kRows = 20000, kDifferent = 7 * 5 * 11;
  std::vector<std::string> classes;
  for (int i = 0; i < kDifferent; ++i) classes.push_back(server.call("POST", "/", row(i)).body);
  std::string csv, json, numbers, want;
  for (int i = 0; i < kRows; ++i) {
    csv += row(i) + "\n";
    json += (i > 0 ? ",[" : "[") + row(i) + "]";
    numbers += (i > 0 ? "," : "") + row(i);
    want += (i > 0 ? "\n" : "") + classes[static_cast<std::size_t>(i % kDifferent)];
  }
  ASSERT_GT(csv.size(), std::size_t{1} << 16);
  EXPECT_EQ(server.call("POST", "/", csv).body, want);
  EXPECT_EQ(server.call("POST", "/", "[" + json + "]").body, want);
  const auto answered = server.call("POST", "/", csv, "Accept: application/json\r\n").json();
  ASSERT_EQ(answered.size(), static_cast<std::size_t>(kRows));
  EXPECT_EQ(answered[kDifferent + 3]["class"], classes[3]);
  const std::string head =
      R"({"inputs":[{"name":"input","datatype":"FP32","shape":[)" + std::to_string(kRows) + R"(,4],"data":[)";
  const auto outputs = server.call("POST", "/v2/models/four/infer", head + numbers + "]}]}").json()["outputs"][0]["data"];
  EXPECT_EQ(outputs.size(), static_cast<std::size_t>(3 * kRows));
  EXPECT_EQ(server.call("POST", "/", csv + "1,2,3\n").status, 400);
  EXPECT_EQ(server.call("POST", "/v2/models/four/infer", head + numbers).status, 400);

  libdeflate_compressor* engine = libdeflate_alloc_compressor(1);
  std::string packed(csv.size() + 1000, '\0');
  packed.resize(libdeflate_gzip_compress(engine, csv.data(), csv.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(engine);
  ASSERT_GT(packed.size(), std::size_t{1} << 13);
  EXPECT_EQ(server.call("POST", "/", packed, "Content-Encoding: gzip\r\n").body, want);
  packed[packed.size() / 2] ^= 1;
  EXPECT_EQ(server.call("POST", "/", packed, "Content-Encoding: gzip\r\n").status, 400);
}

TEST(Aside, WhoLeavesMeanwhileTakesNobodyAlong) {
  std::string csv;
  for (int i = 0; i < 40000; ++i) csv += row(i) + "\n";
  const TestServer server(four());
  for (int i = 0; i < 8; ++i) {
    Client client(server.port());
    client.send(request("POST", "/", csv));
  }
  EXPECT_EQ(server.call("POST", "/", "1,2,3,4").status, 200);
  Client last(server.port());
  last.send(request("POST", "/", csv));  // the server ends with this under way
}

TEST(Aside, ItsMemoryIsInTheBudget) {
  ServeOptions options;
  options.max_memory = std::size_t{3} << 20;
  const TestServer server(options);
  std::string numbers = "[";
  for (int i = 0; i < 400000; ++i) numbers += "1,";
  EXPECT_EQ(server.call("POST", "/", numbers + "1]").status, 503);
  EXPECT_EQ(server.call("GET", "/v2/health/live").status, 200);
}

}  // namespace
}  // namespace soma::test
