// directories that change → what is served, and why something is not; requests go on meanwhile.
#include "serve/repository.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <limits>
#include <mutex>
#include <thread>

#include "serve/client.h"
#include "soma/model.h"

namespace soma::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// A repository in a directory of its own.
class RepositoryTest : public testing::Test {
 protected:
  RepositoryTest() {
    std::string name = (fs::temp_directory_path() / "soma_repository_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory = name;
  }
  ~RepositoryTest() override { fs::remove_all(directory); }
  void add(const std::string& name, const std::string& version, std::uint64_t seed) const {
    write_small_model(directory / name / version / "model.onnx", seed);
  }
  void spoil(const std::string& name, const std::string& version) const {
    fs::create_directories(directory / name / version);
    std::ofstream(directory / name / version / "model.onnx") << "no model";
  }
  static json index(const TestServer& server) { return server.call("POST", "/v2/repository/index").json(); }

  fs::path directory;
};

TEST_F(RepositoryTest, ServesTheHighestVersionOfEachModel) {
  add("a", "2", 1);
  add("a", "10", 2);
  add("a", "next", 3);
  add("b", "1", 4);
  const TestServer server({.source = directory, .control = true});
  EXPECT_EQ(server.call("GET", "/v2/models/a").json()["versions"], json({"10"}));
  EXPECT_EQ(server.call("GET", "/v2/models/a/versions/2").status, 404);
  EXPECT_EQ(index(server).size(), 2U);
  EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 200);
}

TEST_F(RepositoryTest, ANewVersionTakesOverAndABadOneDoesNot) {
  add("a", "1", 1);
  const TestServer server({.source = directory, .control = true});
  add("a", "2", 2);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load").status, 200);
  EXPECT_EQ(server.call("GET", "/v2/models/a").json()["versions"], json({"2"}));
  spoil("a", "3");
  const Answer refused = server.call("POST", "/v2/repository/models/a/load");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("onnx"), std::string::npos) << refused.body;
  EXPECT_EQ(server.call("GET", "/v2/models/a").json()["versions"], json({"2"}));
  const json lines = index(server);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["state"], "READY");
  EXPECT_EQ(lines[1]["version"], "3");
  EXPECT_EQ(lines[1]["state"], "UNAVAILABLE");
  EXPECT_NE(lines[1]["reason"], "");
  EXPECT_EQ(server.call("POST", "/v2/repository/index", R"({"ready":true})").json().size(), 1U);
  EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 200);
}

TEST_F(RepositoryTest, RefusesAModelWhoseWeightsAreNotFinite) {
  add("a", "1", 1);
  Model model = read_onnx(directory / "a" / "1" / "model.onnx").value();
  model.parameters[0].values[0] = std::numeric_limits<float>::infinity();
  fs::create_directories(directory / "a" / "2");
  ASSERT_TRUE(write_onnx(model, directory / "a" / "2" / "model.onnx").ok());
  fs::remove_all(directory / "a" / "1");  // it would answer in its place
  const auto server = InferenceServer::start({.source = directory, .listen = "127.0.0.1:0"});
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.error().message.find("finite"), std::string::npos) << server.error().message;
}

TEST_F(RepositoryTest, UnloadsAndLoadsAgain) {
  add("a", "1", 1);
  add("b", "1", 2);
  const TestServer server({.source = directory, .control = true});
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/unload").status, 200);
  EXPECT_EQ(server.call("GET", "/v2/models/a/ready").status, 503);
  EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 200);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load").status, 200);
  EXPECT_EQ(server.call("GET", "/v2/models/a/ready").status, 200);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/c/load").status, 404);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/c/unload").status, 404);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load", R"({"parameters":{"config":"{}"}})").status, 501);
}

TEST_F(RepositoryTest, TheModelOfPostStaysTheOneChosenAtTheStart) {
  add("m", "1", 1);
  const TestServer server({.source = directory, .control = true});
  const auto who = [&] { return server.call("POST", "/", std::string(16, '\x7f'), "Accept: application/json\r\n"); };
  EXPECT_EQ(who().json()["model"], "m");
  add("a", "1", 2);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load").status, 200);
  EXPECT_EQ(who().json()["model"], "m");
  EXPECT_EQ(server.call("POST", "/v2/repository/models/m/unload").status, 200);
  EXPECT_EQ(who().status, 503);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/m/load").status, 200);
  EXPECT_EQ(who().json()["model"], "m");
}

TEST_F(RepositoryTest, ABrokenModelCostsItselfOnly) {
  add("a", "1", 1);
  spoil("b", "1");
  fs::create_directories(directory / "empty");
  fs::create_directories(directory / "no name");
  std::mutex mutex;
  std::string told;
  const auto log = [&](std::string_view lines) {
    const std::lock_guard lock(mutex);
    told += lines;
  };
  {
    const TestServer server({.source = directory, .log = log});
    EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 200);
    EXPECT_EQ(server.call("GET", "/v2/models/b/ready").status, 503);
    EXPECT_EQ(server.call("POST", "/", std::string(16, '\x7f')).status, 200);
    const std::string metrics = server.call("GET", "/metrics").body;
    EXPECT_NE(metrics.find("soma_models_well 0\n"), std::string::npos);
    EXPECT_NE(metrics.find("soma_model_load_failures_total 2\n"), std::string::npos);
  }
  EXPECT_NE(told.find("no name"), std::string::npos) << told;
  EXPECT_NE(told.find("onnx"), std::string::npos) << told;
  const TestServer strict({.source = directory, .require_models = {"a", "b"}});
  EXPECT_EQ(strict.call("GET", "/v2/health/ready").status, 503);
}

TEST_F(RepositoryTest, TheNewestGoodVersionAnswersWhereTheNewestIsBroken) {
  add("a", "1", 1);
  add("a", "2", 2);
  spoil("a", "3");
  const TestServer server({.source = directory, .control = true});
  EXPECT_EQ(server.call("GET", "/v2/models/a").json()["versions"], json({"2"}));
  const json lines = index(server);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1]["version"], "3");
  EXPECT_EQ(lines[1]["state"], "UNAVAILABLE");
  EXPECT_NE(server.call("GET", "/metrics").body.find("soma_models_well 0\n"), std::string::npos);
  add("a", "4", 4);
  EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load").status, 200);
  const std::string metrics = server.call("GET", "/metrics").body;
  EXPECT_NE(metrics.find("soma_models_well 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("version=\"4\""), std::string::npos);
  EXPECT_EQ(metrics.find("version=\"2\""), std::string::npos) << "series of a version that is gone";
}

TEST_F(RepositoryTest, RefusesWhatDoesNotFitBesideTheOthersBeforeItIsTaken) {
  add("a", "1", 1);
  std::string told;
  const auto tell = [&](const std::string& line) { told += line + "\n"; };
  const auto size = static_cast<double>(std::filesystem::file_size(directory / "a" / "1" / "model.onnx"));
  for (const double room : {size - 1, size}) {  // by the file alone, and by what it would become
    Repository repository(directory, 1, 32, room, Changed::refuse, {}, {}, tell);
    const auto loaded = repository.load_all();
    ASSERT_FALSE(loaded.ok());
    EXPECT_NE(loaded.error().message.find("left for models"), std::string::npos) << loaded.error().message;
  }
  Repository one(directory, 1, 32, 1e9, Changed::refuse, {}, {}, tell);
  ASSERT_TRUE(one.load_all().ok());
  const double needed = one.table().begin()->second->memory;
  add("b", "1", 2);
  told.clear();
  Repository both(directory, 1, 32, 1.5 * needed, Changed::refuse, {}, {}, tell);
  ASSERT_TRUE(both.load_all().ok());
  EXPECT_TRUE(both.table().contains("a"));
  EXPECT_FALSE(both.table().contains("b"));
  EXPECT_NE(told.find("left for models"), std::string::npos) << told;
}

TEST_F(RepositoryTest, AnswersForAWhileAfterItWasToldToLeave) {
  add("a", "1", 1);
  TestServer server({.source = directory, .drain_delay = std::chrono::milliseconds(400)});
  server.server().drain();
  EXPECT_EQ(server.call("GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(server.call("POST", "/", std::string(16, '\x7f')).status, 200);
  EXPECT_FALSE(server.server().finished());
  for (int i = 0; i < 200 && !server.server().finished(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(server.server().finished());
}

TEST_F(RepositoryTest, DoesNotStartWithNothingToServe) {
  spoil("a", "1");
  EXPECT_NE(InferenceServer::start({.source = directory, .listen = "127.0.0.1:0"}).error().message.find("onnx"),
            std::string::npos);
  fs::remove_all(directory / "a");
  EXPECT_NE(InferenceServer::start({.source = directory, .listen = "127.0.0.1:0"}).error().message.find("found none"),
            std::string::npos);
}

TEST_F(RepositoryTest, SaysWhenThePortIsTaken) {
  add("a", "1", 1);
  const TestServer server({.source = directory, .control = true});
  const std::string where = "127.0.0.1:" + std::to_string(server.port());
  const auto second = InferenceServer::start({.source = directory, .listen = where});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("--share-port"), std::string::npos) << second.error().message;
  EXPECT_TRUE(InferenceServer::start({.source = directory, .listen = where, .share_port = true}).ok());
}

TEST_F(RepositoryTest, LosesNoRequestWhileVersionsChange) {
  add("a", "1", 1);
  const TestServer server({.source = directory, .control = true});
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0}, failed{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i)
    users.emplace_back([&] {
      Client client(server.port());
      while (!stop) {
        client.send(request("POST", "/v2/models/a/infer", std::string(64, '\0'), "Inference-Header-Content-Length: 0\r\n"));
        ++(client.receive().status == 200 ? answered : failed);
      }
    });
  for (int i = 0; i < 20; ++i) {
    add("a", std::to_string(i % 3 + 1), static_cast<std::uint64_t>(i));
    EXPECT_EQ(server.call("POST", "/v2/repository/models/a/load").status, 200);
  }
  stop = true;
  for (std::thread& user : users) user.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(answered, 20);
}

}  // namespace
}  // namespace soma::test
