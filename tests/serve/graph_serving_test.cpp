// inference requests for a graph of several tensors → its answers by the file's own names, or what was wrong in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "model/foreign.h"
#include "serve/client.h"

namespace soma::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Type = onnx::TensorProto;

constexpr const char* kInfer = "/v2/models/model/infer";

void declare(onnx::ValueInfoProto& value, const std::string& name, Type::DataType type, const Shape& extents) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  for (const std::int64_t extent : extents) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    extent < 0 ? dim.set_dim_param("n") : dim.set_dim_value(extent);
  }
}

/// x float32 [n, 2], k int64 [n, 1], words [n] → y = x · k, twice = 2 · k, same = words, ratio = x / x.
Foreign several() {
  Foreign f({2});
  auto& graph = *f.proto.mutable_graph();
  declare(*graph.add_input(), "k", Type::INT64, {-1, 1});
  declare(*graph.add_input(), "words", Type::STRING, {-1});
  set_attribute(f.graph.add("Cast", {"k"}, "f"), "to", std::int64_t{Type::FLOAT});
  f.graph.add("Mul", {"x", "f"}, "y");
  f.graph.add("Add", {"k", "k"}, "twice");
  f.graph.add("Identity", {"words"}, "same");
  f.graph.add("Div", {"x", "x"}, "ratio");
  graph.clear_output();
  declare(*graph.add_output(), "y", Type::FLOAT, {-1, 2});
  declare(*graph.add_output(), "twice", Type::INT64, {-1, 1});
  declare(*graph.add_output(), "same", Type::STRING, {-1});
  declare(*graph.add_output(), "ratio", Type::FLOAT, {-1, 2});
  return f;
}

class GraphServer {
 public:
  explicit GraphServer(const Foreign& f)
      : file_(std::filesystem::path(testing::TempDir()) / ("served-" + std::to_string(::getpid())) / "model.onnx"), server_([&] {
          std::filesystem::create_directories(file_.parent_path());
          std::ofstream(file_, std::ios::binary) << f.proto.SerializeAsString();
          ServeOptions options;
          options.source = file_;
          return options;
        }()) {}
  [[nodiscard]] Answer call(std::string_view method, std::string_view target, std::string_view body = {},
                            std::string_view fields = {}) const {
    return server_.call(method, target, body, fields);
  }

 private:
  std::filesystem::path file_;
  TestServer server_;
};

json request() {
  return json::parse(R"({"inputs":[
      {"name":"words","datatype":"BYTES","shape":[2],"data":["a","über"]},
      {"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2.5],[3,4]]},
      {"name":"k","datatype":"INT64","shape":[2,1],"data":[3,-9007199254740992]}]})");
}

TEST(ServedGraph, AnswersSeveralTensorsByTheFilesOwnNames) {
  const GraphServer server(several());
  const Answer answer = server.call("POST", kInfer, request().dump());
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json outputs = answer.json()["outputs"];
  EXPECT_EQ(outputs[0],
            json::parse(R"({"name":"y","datatype":"FP32","shape":[2,2],"data":[3,7.5,-2.7021598e16,-3.6028797e16]})"));
  EXPECT_EQ(outputs[1], json::parse(R"({"name":"twice","datatype":"INT64","shape":[2,1],"data":[6,-18014398509481984]})"));
  EXPECT_EQ(outputs[2], json::parse(R"({"name":"same","datatype":"BYTES","shape":[2],"data":["a","über"]})"));
  json asked = request();
  asked["outputs"] = json::parse(R"([{"name":"same"},{"name":"twice"}])");
  const json chosen = server.call("POST", kInfer, asked.dump()).json()["outputs"];
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0]["name"], "same");
  EXPECT_EQ(chosen[1]["name"], "twice");
}

TEST(ServedGraph, ARequestMayHaveLessTimeThanOthers) {
  const GraphServer server(several());
  json asked = request();
  asked["parameters"]["timeout"] = 1;  // microsecond: over before anything of it was read
  EXPECT_EQ(server.call("POST", kInfer, asked.dump()).status, 504);
  asked["parameters"]["timeout"] = 60000000;
  EXPECT_EQ(server.call("POST", kInfer, asked.dump()).status, 200);
}

TEST(ServedGraph, BinaryTensorsFollowEachOtherInAndOut) {
  const GraphServer server(several());
  const std::int64_t k[] = {1, 9007199254740993};
  const std::string words("\1\0\0\0a\0\0\0\0", 9), numbers(reinterpret_cast<const char*>(k), sizeof k);
  json asked = request();
  asked["inputs"][0].erase("data");
  asked["inputs"][0]["parameters"]["binary_data_size"] = words.size();
  asked["inputs"][2].erase("data");
  asked["inputs"][2]["parameters"]["binary_data_size"] = numbers.size();
  asked["outputs"] = json::parse(R"([{"name":"twice","parameters":{"binary_data":true}},{"name":"y"},
                                     {"name":"same","parameters":{"binary_data":true}}])");
  const std::string text = asked.dump(), length = "Inference-Header-Content-Length: " + std::to_string(text.size()) + "\r\n";
  const Answer answer = server.call("POST", kInfer, text + words + numbers, length);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::size_t split = std::stoul(answer.fields.at("inference-header-content-length"));
  const std::int64_t twice[] = {2, 18014398509481986};
  EXPECT_EQ(answer.body.substr(split), std::string(reinterpret_cast<const char*>(twice), sizeof twice) + words);
  const json outputs = json::parse(answer.body.substr(0, split))["outputs"];
  EXPECT_EQ(outputs[0]["parameters"]["binary_data_size"], 16);
  EXPECT_EQ(outputs[1]["data"].size(), 4U);
  EXPECT_EQ(server.call("POST", kInfer, text + words + numbers + "x", length).status, 400);
  EXPECT_EQ(server.call("POST", kInfer, text + words + numbers.substr(1), length).status, 400);
}

TEST(ServedGraph, WhatDoesNotFitIsRefusedByName) {
  const GraphServer server(several());
  struct Wrong {
    const char* pointer;
    json value;
    const char* why;
  };
  const Wrong wrong[] = {{"/inputs/1/name", "z", "no input 'z'; inputs are 'x', 'k', 'words'"},
                         {"/inputs/2/name", "x", "'x' once"},
                         {"/inputs/2/datatype", "INT32", "wanted INT64 for 'k'"},
                         {"/inputs/1/shape", {2, 3}, "wanted shape [-1,2] for 'x'"},
                         {"/inputs/1/shape", {4}, "wanted shape [-1,2] for 'x'"},
                         {"/inputs/1/shape", {3, 2}, "wanted 6 values"},
                         {"/inputs/1/data", {{1}, {2}, {3}, {4}}, "nested as shape [2,2]"},
                         {"/inputs/1/data", {1, 2, 3, 1e39}, "FP32 can hold"},
                         {"/inputs/1/data", {1, 2, 3, "4"}, "wanted numbers"},
                         {"/inputs/2/data", {1, 1.5}, "whole numbers"},
                         {"/inputs/2/data", {1, 9007199254740993}, "2^53"},
                         {"/inputs/0/data", {1, 2}, "wanted strings"},
                         {"/inputs/2/shape", {1, 1}, "wanted 1 values"},
                         {"/outputs", {{{"name", "q"}}}, "no output 'q'; outputs are 'y', 'twice', 'same', 'ratio'"},
                         {"/outputs", {{{"name", "y"}}, {{"name", "y"}}}, "'y' once"},
                         {"/outputs", {{{"name", "y"}, {"parameters", {{"classification", 1}}}}}, "classification"},
                         {"/inputs", json::array(), "wanted input 'x'"},
                         {"/inputs", json::array_t(65, json::object()), "at most 64 inputs"}};
  for (const Wrong& each : wrong) {
    json asked = request();
    asked[json::json_pointer(each.pointer)] = each.value;
    const Answer answer = server.call("POST", kInfer, asked.dump());
    EXPECT_EQ(answer.status, 400) << each.pointer << each.value;
    EXPECT_THAT(answer.body, HasSubstr(each.why)) << each.pointer << each.value;
  }
  json rows = request();  // what each input may be, and both together may not
  rows["inputs"][2]["shape"] = {3, 1};
  rows["inputs"][2]["data"] = {1, 2, 3};
  EXPECT_EQ(server.call("POST", kInfer, rows.dump()).status, 400);
  json zero = request();  // 0 / 0
  zero["inputs"][1]["data"] = {0, 1, 2, 3};
  EXPECT_THAT(server.call("POST", kInfer, zero.dump()).body, HasSubstr("output 'ratio' holds a number that is not finite"));
  EXPECT_EQ(server.call("POST", kInfer, request().dump()).status, 200);
}

TEST(ServedGraph, SaysWhatItTakes) {
  const GraphServer server(several());
  const json model = server.call("GET", "/v2/models/model").json();
  EXPECT_EQ(model["inputs"][1], json::parse(R"({"name":"k","datatype":"INT64","shape":[-1,1]})"));
  EXPECT_EQ(model["outputs"][2], json::parse(R"({"name":"same","datatype":"BYTES","shape":[-1]})"));
  EXPECT_EQ(server.call("GET", "/v2/models/model/config").json()["input"][2]["data_type"], "TYPE_STRING");
  const Answer plain = server.call("POST", "/", "1,2");
  EXPECT_EQ(plain.status, 400);
  EXPECT_THAT(plain.body, HasSubstr("POST /v2/models/model/infer"));
  EXPECT_EQ(server.call("POST", "/soma/models/model/activations", "1,2").status, 400);
  EXPECT_EQ(server.call("GET", "/soma/status").json()["models"][0]["inputs"].size(), 3U);
}

TEST(ServedGraph, ARequestThatWantsMoreMemoryThanThereIsCostsItsAnswerOnly) {
  Foreign f({2});
  declare(*f.proto.mutable_graph()->add_input(), "to", Type::INT64, {2});
  f.graph.add("Expand", {"x", "to"}, "y");
  declare(*(f.proto.mutable_graph()->clear_output(), f.proto.mutable_graph()->add_output()), "y", Type::FLOAT, {-1, 2});
  const GraphServer server(f);
  const auto ask = [&](std::int64_t rows) {
    return server.call("POST", kInfer,
                       json{{"inputs",
                             {{{"name", "x"}, {"datatype", "FP32"}, {"shape", {1, 2}}, {"data", {1, 2}}},
                              {{"name", "to"}, {"datatype", "INT64"}, {"shape", {2}}, {"data", {rows, 2}}}}}}
                           .dump());
  };
  EXPECT_EQ(ask(std::int64_t{1} << 40).status, 400);
  EXPECT_EQ(ask(std::int64_t{1} << 28).status, 400);  // 2 GiB
  EXPECT_EQ(ask(2).json()["outputs"][0]["data"], json({1, 2, 1, 2}));
}

}  // namespace
}  // namespace soma::test
