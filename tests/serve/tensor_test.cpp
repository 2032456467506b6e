// inference requests as other programs send them → their answers: known cases, foreign names, tables in words.
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/file.h"
#include "model/zoo.h"
#include "serve/client.h"
#include "serve/infer_cases.h"

namespace soma::test {
namespace {

using nlohmann::json;

TEST(Tensors, GivesEachKnownCaseItsAnswer) {
  Model model = make_model({4}, {{.name = "out", .layer = Linear{.out = 3}}});
  model.name = "four";
  model.class_names = {"a", "b", "c"};
  model.columns = {{"p", {}}, {"q", {}}, {"r", {}}, {"s", {}}};
  const TestServer server(model);
  for (const InferCase& each : infer_cases()) {
    const Answer answer = server.call("POST", "/v2/models/four/infer", each.body, each.fields);
    EXPECT_EQ(answer.status, each.status) << each.name << ": " << answer.body;
    if (each.status == 400) {
      EXPECT_TRUE(answer.json()["error"].is_string()) << each.name;
    }
  }
}

TEST(Tensors, KeepsTheNamesOfAForeignFile) {
  Model model = make_model({4}, {{.name = "out", .layer = Linear{.out = 3}}});
  model.name = "four";
  model.class_names = {"a", "b", "c"};
  const auto file = std::filesystem::path(testing::TempDir()) / ("names-" + std::to_string(::getpid()) + ".onnx");
  write_onnx(model, file).value();
  std::string bytes = read_file(file).value();
  // The same file by another hand: its input has another name of the same length, and soma's words no longer fit the graph.
  for (std::size_t at = bytes.find("input"); at != std::string::npos; at = bytes.find("input", at + 5))
    bytes.replace(at, 5, "given");
  write_file(file, bytes).value();
  {
    const TestServer server({.source = file, .changed = Changed::accept});
    const json models = server.call("GET", "/soma/status").json()["models"];
    const std::string path = "/v2/models/" + models[0]["name"].get<std::string>();
    EXPECT_EQ(server.call("GET", path).json()["inputs"][0]["name"], "given");
    const std::string body = R"({"inputs":[{"name":"given","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";
    EXPECT_EQ(server.call("POST", path + "/infer", body).status, 200);
    EXPECT_EQ(
        server.call("POST", path + "/infer", R"({"inputs":[{"name":"input","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})")
            .status,
        400);
  }
  std::filesystem::remove(file);
}

TEST(Tensors, TablesSpeakInWords) {
  Model model = make_model({2}, {{.name = "out", .layer = Linear{.out = 2}}});
  model.name = "table";
  model.class_names = {"low", "high"};
  model.columns = {{"season", {"autumn", "spring"}}, {"temp", {}}};
  const TestServer server(model);
  const json described = server.call("GET", "/v2/models/table").json();
  EXPECT_EQ(
      json::parse(described["inputs"][0]["parameters"]["columns"].get<std::string>()),
      json::parse(R"([{"name":"season","kind":"words","categories":["autumn","spring"]},{"name":"temp","kind":"number"}])"));
  EXPECT_EQ(json::parse(described["outputs"][0]["parameters"]["classes"].get<std::string>()), json({"low", "high"}));
  EXPECT_EQ(server.call("GET", "/soma/status").json()["models"][0]["columns"][0]["categories"][1], "spring");
  const auto ask = [&](const std::string& data, const std::string& shape = "[1,2]", const std::string& type = "BYTES") {
    return server.call(
        "POST", "/v2/models/table/infer",
        R"({"inputs":[{"name":"input","shape":)" + shape + R"(,"datatype":")" + type + R"(","data":)" + data + "}]}");
  };
  const Answer words = ask(R"(["spring","5"])");
  ASSERT_EQ(words.status, 200) << words.body;
  EXPECT_EQ(words.json()["outputs"][0]["data"], ask("[1,5]", "[1,2]", "FP32").json()["outputs"][0]["data"]);
  EXPECT_EQ(ask(R"([["spring","5"],["autumn","1"]])", "[2,2]").status, 200);
  EXPECT_NE(ask(R"(["spring","warm"])").body.find("temp"), std::string::npos);
  EXPECT_EQ(ask(R"(["spring","warm"])").status, 400);
  EXPECT_EQ(ask(R"(["spring"])").status, 400);
  EXPECT_EQ(ask("[1,2]").status, 400);
  EXPECT_EQ(ask("[]", "[0,2]").status, 200);
  EXPECT_EQ(ask("[-1,5]", "[1,2]", "INT64").json()["outputs"], ask(R"(["never","5"])").json()["outputs"]);
  for (const char* type : {"FP32", "INT64", "UINT8"}) EXPECT_EQ(ask("[2,5]", "[1,2]", type).status, 400) << type;
  for (const char* place : {"[1.5,5]", "[-2,5]", "[1e30,5]"}) EXPECT_EQ(ask(place, "[1,2]", "FP32").status, 400) << place;
  EXPECT_NE(ask("[1,5,7,5]", "[2,2]", "FP32").body.find("row 2"), std::string::npos);
  const std::string head =
      R"({"inputs":[{"name":"input","shape":[1,2],"datatype":"BYTES","parameters":{"binary_data_size":15}}],"parameters":{"binary_data_output":false}})";
  const auto binary = [&](const std::string& tensor) {
    return server.call("POST", "/v2/models/table/infer", head + tensor,
                       "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n");
  };
  using namespace std::string_literals;
  EXPECT_EQ(binary("\x06\0\0\0spring\x01\0\0\0"
                   "5"s)
                .json()["outputs"][0]["data"],
            words.json()["outputs"][0]["data"]);
  EXPECT_EQ(binary("\x07\0\0\0spring\x01\0\0\0"
                   "5"s)
                .status,
            400);
  EXPECT_EQ(binary("\xff\xff\xff\xffspring\x01\0\0\0"
                   "5"s)
                .status,
            400);
}

}  // namespace
}  // namespace soma::test
