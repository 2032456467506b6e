// inference requests, whole and broken → the documented answers: the Open Inference Protocol and POST /.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "serve/client.h"
#include "soma/model.h"

namespace soma::test {
namespace {

using nlohmann::json;

std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<float> pictures(int rows) {
  std::vector<float> values;
  for (int i = 0; i < rows * 16; ++i) values.push_back(static_cast<float>((i * 37) % 256));
  return values;
}

/// What the model says without a server.
std::vector<float> expected(const TestServer& server, const std::vector<float>& values) {
  const Model model = read_onnx(server.directory() / "model.onnx").value();
  Dataset samples;
  samples.shape = {1, 4, 4};
  samples.count = static_cast<std::int64_t>(values.size()) / 16;
  samples.floats = values;
  return Predictor::create(model, {.threads = 1}).value().outputs(samples).value();
}

json input(int rows, const std::vector<float>& values) {
  return {{"name", "input"}, {"shape", {rows, 1, 4, 4}}, {"datatype", "FP32"}, {"data", values}};
}

constexpr const char* kInfer = "/v2/models/small/infer";

TEST(Protocol, InfersFromJson) {
  const TestServer server;
  const std::vector<float> values = pictures(3);
  const Answer answer = server.call("POST", kInfer, json{{"id", "a\"b"}, {"inputs", {input(3, values)}}}.dump());
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json body = answer.json();
  EXPECT_EQ(body["id"], "a\"b");
  EXPECT_EQ(body["model_name"], "small");
  EXPECT_EQ(body["outputs"][0]["shape"], json({3, 3}));
  EXPECT_EQ(body["outputs"][0]["data"].get<std::vector<float>>(), expected(server, values));
}

TEST(Protocol, TakesNestedDataAndKeysInAnyOrder) {
  const TestServer server;
  const std::vector<float> values = pictures(1);
  json nested = json::array();
  for (int i = 0; i < 4; ++i) nested.push_back(std::vector<float>(values.begin() + i * 4, values.begin() + i * 4 + 4));
  const std::string text = R"({"zzz":[{"a":[1]}],"inputs":[{"data":[[)" + nested.dump() +
                           R"(]],"parameters":{"x":{"y":[1,2]}},"datatype":"FP32","shape":[1,16],"name":"input"}],"outputs":[]})";
  const Answer answer = server.call("POST", kInfer, text);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["outputs"][0]["data"].get<std::vector<float>>(), expected(server, values));
}

TEST(Protocol, InfersFromBinaryTensorsOfEveryType) {
  const TestServer server;
  const std::vector<float> values = pictures(2);
  const std::vector<float> want = expected(server, values);
  const auto call = [&](const std::string& type, const std::string& bytes) {
    const json head = {{"inputs",
                        {{{"name", "input"},
                          {"shape", {2, 1, 4, 4}},
                          {"datatype", type},
                          {"parameters", {{"binary_data_size", bytes.size()}}}}}},
                       {"parameters", {{"binary_data_output", true}}}};
    const std::string text = head.dump();
    const Answer answer =
        server.call("POST", kInfer, text + bytes, "Inference-Header-Content-Length: " + std::to_string(text.size()) + "\r\n");
    ASSERT_EQ(answer.status, 200) << type << answer.body;
    const std::size_t split = std::stoul(answer.fields.at("inference-header-content-length"));
    EXPECT_EQ(json::parse(answer.body.substr(0, split))["outputs"][0]["parameters"]["binary_data_size"], 24);
    EXPECT_EQ(answer.body.substr(split), floats(want)) << type;
  };
  const auto as = [&](auto zero) {
    std::string bytes;
    for (const float value : values) {
      const auto element = static_cast<decltype(zero)>(value);
      bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
    }
    return bytes;
  };
  call("FP32", floats(values));
  call("FP64", as(0.0));
  call("UINT8", as(std::uint8_t{}));
  call("UINT16", as(std::uint16_t{}));
  call("INT32", as(std::int32_t{}));
  call("UINT64", as(std::uint64_t{}));
  call("INT64", as(std::int64_t{}));
}

TEST(Protocol, InfersFromOneRawTensor) {
  const TestServer server;
  const std::vector<float> values = pictures(2);
  const Answer answer = server.call("POST", kInfer, floats(values), "Inference-Header-Content-Length: 0\r\n");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.substr(std::stoul(answer.fields.at("inference-header-content-length"))),
            floats(expected(server, values)));
}

TEST(Protocol, CutsLargeRequestsIntoBatches) {
  const TestServer server({.max_batch = 4});
  const std::vector<float> values = pictures(1001);
  const Answer answer = server.call("POST", kInfer, floats(values), "Inference-Header-Content-Length: 0\r\n");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.substr(std::stoul(answer.fields.at("inference-header-content-length"))),
            floats(expected(server, values)));
  const json stats = server.call("GET", "/v2/models/small/stats").json()["model_stats"][0];
  EXPECT_EQ(stats["inference_count"], 1001);
  EXPECT_EQ(stats["execution_count"], 251);
}

TEST(Protocol, NamesTheHighestClasses) {
  const TestServer server;
  const std::vector<float> values = pictures(1);
  const json head = {{"inputs", {input(1, values)}},
                     {"outputs", {{{"name", "output"}, {"parameters", {{"classification", 9}}}}}}};
  const json output = server.call("POST", kInfer, head.dump()).json()["outputs"][0];
  EXPECT_EQ(output["datatype"], "BYTES");
  EXPECT_EQ(output["shape"], json({1, 3}));
  const std::vector<float> want = expected(server, values);
  const auto best = static_cast<std::size_t>(std::max_element(want.begin(), want.end()) - want.begin());
  EXPECT_TRUE(output["data"][0].get<std::string>().ends_with(":" + std::to_string(best) + ":" +
                                                             std::string(1, static_cast<char>('a' + best))));
}

TEST(Protocol, WholeNumbersMayBeWrittenAsFractionsAndDataNestedAsRows) {
  const TestServer server;
  const std::vector<float> values = pictures(1);
  json whole = input(1, values);
  whole["datatype"] = "INT16";
  EXPECT_EQ(server.call("POST", kInfer, json{{"inputs", {whole}}}.dump()).status, 200);
  json rows = input(2, {});
  rows["data"] = {values, values};
  EXPECT_EQ(server.call("POST", kInfer, json{{"inputs", {rows}}}.dump()).status, 200);
  rows["shape"] = {2, 16};
  EXPECT_EQ(server.call("POST", kInfer, json{{"inputs", {rows}}}.dump()).status, 200);
}

TEST(Protocol, ClassesComeWithTheirProbabilities) {
  const TestServer server;
  const std::string request =
      R"({"inputs":[{"name":"input","shape":[1,16],"datatype":"FP32","data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}],)"
      R"("outputs":[{"name":"output","parameters":{"classification":3}}]})";
  const json data = server.call("POST", kInfer, request).json()["outputs"][0]["data"];
  double sum = 0, last = 1;
  for (const json& each : data) {
    const double probability = std::stod(each.get<std::string>());
    EXPECT_LE(probability, last);
    sum += last = probability;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Protocol, AnswersNoRowsWithNoRows) {
  const TestServer server;
  const json answer = server.call("POST", kInfer, json{{"inputs", {input(0, {})}}}.dump()).json();
  EXPECT_EQ(answer["outputs"][0]["shape"], json({0, 3}));
  EXPECT_EQ(answer["outputs"][0]["data"], json::array());
}

TEST(Protocol, NotANumberPassesInBinaryAndIsRefusedInJson) {
  const TestServer server;
  std::vector<float> values = pictures(1);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  const Answer binary = server.call("POST", kInfer, floats(values), "Inference-Header-Content-Length: 0\r\n");
  EXPECT_EQ(binary.status, 200);
  const std::string head =
      json{
          {"inputs", {{{"name", "input"}, {"shape", {1, 16}}, {"datatype", "FP32"}, {"parameters", {{"binary_data_size", 64}}}}}}}
          .dump();
  const Answer text = server.call("POST", kInfer, head + floats(values),
                                  "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n");
  EXPECT_EQ(text.status, 400);
  EXPECT_NE(text.body.find("finite numbers"), std::string::npos);
}

struct Refused {
  std::string name, body, fields, says;
};

class RefusedRequest : public testing::TestWithParam<Refused> {};

TEST_P(RefusedRequest, SaysWhy) {
  const TestServer server;
  const Answer answer = server.call("POST", kInfer, GetParam().body, GetParam().fields);
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.json()["error"].get<std::string>().find(GetParam().says), std::string::npos) << answer.body;
}

std::string with(const std::string& tensor) { return R"({"inputs":[{"name":"input",)" + tensor + "}]}"; }
std::string length(std::size_t n) { return "Inference-Header-Content-Length: " + std::to_string(n) + "\r\n"; }
const std::string kBinary = with(R"("shape":[1,16],"datatype":"FP32","parameters":{"binary_data_size":64})");

INSTANTIATE_TEST_SUITE_P(
    Protocol, RefusedRequest,
    testing::Values(
        Refused{"Empty", "", "", "malformed JSON"}, Refused{"Array", "[]", "", "wanted a JSON object"},
        Refused{"Cut", R"({"inputs":[)", "", "malformed"}, Refused{"NotUtf8", "{\"id\":\"\xff\"}", "", "malformed"},
        Refused{"Trailing", R"({"inputs":[]} x)", "", "malformed"},
        Refused{"DeepArrays", std::string(100000, '['), "", "wanted a JSON object"},
        Refused{"DeepData", with(R"("shape":[1,16],"datatype":"FP32","data":)" + std::string(100000, '[')), "",
                "nested at most 64"},
        Refused{"DeepParameters",
                R"({"parameters":)" +
                    [] {
                      std::string s;
                      for (int i = 0; i < 1000; ++i) s += R"({"a":)";
                      return s;
                    }(),
                "", "nested"},
        Refused{"NoInputs", "{}", "", "wanted one input"}, Refused{"InputsNoArray", R"({"inputs":5})", "", "'inputs'"},
        Refused{"InputsOfNumbers", R"({"inputs":[5]})", "", "wanted another kind"},
        Refused{"IdNoString", R"({"id":5,"inputs":[]})", "", "'id'"},
        Refused{"TwoInputs", R"({"inputs":[{"name":"input"},{"name":"input"}]})", "", "wanted one input"},
        Refused{"OtherInput", R"({"inputs":[{"name":"x"}]})", "", "no input 'x'"},
        Refused{"OtherOutput", R"({"inputs":[],"outputs":[{"name":"x"}]})", "", "no output 'x'"},
        Refused{"NoShape", with(R"("datatype":"FP32","data":[1])"), "", "'shape'"},
        Refused{"NegativeShape", with(R"("shape":[-1,16],"datatype":"FP32","data":[1])"), "", "got -1"},
        Refused{"FractionShape", with(R"("shape":[1.5,16],"datatype":"FP32","data":[1])"), "", "whole extents"},
        Refused{"OverflowedShape", with(R"("shape":[1152921504606846976,16],"datatype":"FP32","data":[1])"), "", "at most"},
        Refused{"HugeShape", with(R"("shape":[18446744073709551616,16],"datatype":"FP32","data":[1])"), "", "shape"},
        Refused{"LongShape", with(R"("shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"datatype":"FP32","data":[1])"), "",
                "16 extents"},
        Refused{"OtherShape", with(R"("shape":[1,4,4],"datatype":"FP32","data":[1])"), "", "wanted shape [rows,1,4,4]"},
        Refused{"NestedShape", with(R"("shape":[[1,16]],"datatype":"FP32","data":[1])"), "", "'shape'"},
        Refused{"OtherType", with(R"("shape":[1,16],"datatype":"BYTES","data":["x"])"), "", "FP32"},
        Refused{"TypeNoString", with(R"("shape":[1,16],"datatype":1,"data":[1])"), "", "'datatype'"},
        Refused{"FewValues", with(R"("shape":[1,16],"datatype":"FP32","data":[1,2])"), "", "wanted 16 values"},
        Refused{"Words", with(R"("shape":[1,16],"datatype":"FP32","data":["1","2"])"), "", "another kind"},
        Refused{"Null", with(R"("shape":[1,16],"datatype":"FP32","data":[null])"), "", "null"},
        Refused{"ObjectInData", with(R"("shape":[1,16],"datatype":"FP32","data":[{}])"), "", "object"},
        Refused{"NoData", with(R"("shape":[1,16],"datatype":"FP32")"), "", "'data'"},
        Refused{"NumberBeyondFloat", with(R"("shape":[1,16],"datatype":"FP32","data":[1e39,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "float32"},
        Refused{"DoubleBeyondFloat", with(R"("shape":[1,16],"datatype":"FP64","data":[-1e308,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"),
                "", "float32"},
        Refused{"JustBeyondInt64",
                with(R"("shape":[1,16],"datatype":"INT64","data":[9223372036854775808,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "INT64"},
        Refused{"JustBelowInt64",
                with(R"("shape":[1,16],"datatype":"INT64","data":[-9223372036854775809,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "INT64"},
        Refused{"BeyondUint64",
                with(R"("shape":[1,16],"datatype":"UINT64","data":[18446744073709551616,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "UINT64"},
        Refused{"NegativeUnsigned", with(R"("shape":[1,16],"datatype":"UINT64","data":[-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "UINT64"},
        Refused{"BooleanOfTwo", with(R"("shape":[1,16],"datatype":"BOOL","data":[2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "", "BOOL"},
        Refused{"BooleanOfHalf", with(R"("shape":[1,16],"datatype":"BOOL","data":[0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "BOOL"},
        Refused{"Fraction", with(R"("shape":[1,16],"datatype":"INT32","data":[3.7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "", "INT32"},
        Refused{"Ragged", with(R"("shape":[1,16],"datatype":"FP32","data":[[0,0,0,0],[0,0,0,0],[0,0,0,0,0],[0,0,0]])"), "",
                "one depth"},
        Refused{"MixedDepth", with(R"("shape":[1,16],"datatype":"FP32","data":[[0],0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "one depth"},
        Refused{"ListBesideValues", with(R"("shape":[1,16],"datatype":"FP32","data":[0,[0],0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "one depth"},
        Refused{"EmptyListFirst", with(R"("shape":[1,16],"datatype":"FP32","data":[[],[0]])"), "", "one depth"},
        Refused{
            "Transposed",
            with(
                R"("shape":[2,16],"datatype":"FP32","data":[[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0],[0,0]])"),
            "", "nested"},
        Refused{"TwiceInputs", R"({"inputs":[],"inputs":[]})", "", "twice"},
        Refused{"TwiceShape", with(R"("shape":[9,9],"shape":[1,16],"datatype":"FP32","data":[1])"), "", "twice"},
        Refused{"TwiceName", R"({"inputs":[{"name":"x","name":"input","shape":[1,16],"datatype":"FP32","data":[1]}]})", "",
                "twice"},
        Refused{"SizeOfFraction", with(R"("shape":[1,16],"datatype":"FP32","parameters":{"binary_data_size":64.0})"), "",
                "binary_data_size"},
        Refused{"SizeNegative", with(R"("shape":[1,16],"datatype":"FP32","parameters":{"binary_data_size":-1})"), "",
                "binary_data_size"},
        Refused{"SizeWord", with(R"("shape":[1,16],"datatype":"FP32","parameters":{"binary_data_size":"64"})"), "",
                "binary_data_size"},
        Refused{"TimeoutNegative", R"({"parameters":{"timeout":-1},"inputs":[]})", "", "timeout"},
        Refused{"TimeoutFraction", R"({"parameters":{"timeout":1.5},"inputs":[]})", "", "timeout"},
        Refused{"TimeoutBeyond", R"({"parameters":{"timeout":18446744073709551616},"inputs":[]})", "", "timeout"},
        Refused{"TimeoutWord", R"({"parameters":{"timeout":"5"},"inputs":[]})", "", "timeout"},
        Refused{"TimeoutNull", R"({"parameters":{"timeout":null},"inputs":[]})", "", "timeout"},
        Refused{"TimeoutObject", R"({"parameters":{"timeout":{}},"inputs":[]})", "", "timeout"},
        Refused{"BinaryOfNumber", R"({"parameters":{"binary_data_output":1},"inputs":[]})", "", "binary_data_output"},
        Refused{"ClassificationTrue", R"({"outputs":[{"name":"output","parameters":{"classification":true}}],"inputs":[]})", "",
                "classification"},
        Refused{"ClassificationWord", R"({"outputs":[{"name":"output","parameters":{"classification":"2"}}],"inputs":[]})", "",
                "classification"},
        Refused{"ClassificationNegative", R"({"outputs":[{"name":"output","parameters":{"classification":-1}}],"inputs":[]})", "",
                "classification"},
        Refused{"ParametersWord", R"({"parameters":"x","inputs":[]})", "", "'parameters'"},
        Refused{"ParametersNull", R"({"parameters":null,"inputs":[]})", "", "'parameters'"},
        Refused{"Sequence", R"({"parameters":{"sequence_id":5},"inputs":[]})", "", "sequences"},
        Refused{"ManyInputs", R"({"inputs":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]})", "", "got 17"},
        Refused{"TwiceData", with(R"("shape":[1,16],"datatype":"FP32","data":[1],"data":[1])"), "", "twice"},
        Refused{"OutOfRange", with(R"("shape":[1,16],"datatype":"UINT8","data":[256,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "UINT8"},
        Refused{"HalfInJson", with(R"("shape":[1,16],"datatype":"FP16","data":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])"), "",
                "no JSON form"},
        Refused{"InfinityInJson", with(R"("shape":[1,16],"datatype":"FP32","data":[1e999])"), "", "malformed"},
        Refused{"ShortTensor", kBinary + std::string(63, 'x'), length(kBinary.size()), "unexpected size"},
        Refused{"LongTensor", kBinary + std::string(65, 'x'), length(kBinary.size()), "unexpected additional"},
        Refused{"NoTensor", kBinary, length(kBinary.size()), "unexpected size"},
        Refused{"LyingSize", with(R"("shape":[2,16],"datatype":"FP32","parameters":{"binary_data_size":64})"), "",
                "unexpected size"},
        Refused{"BothData", with(R"("shape":[1,16],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":64})"), "",
                "got both"},
        Refused{"HeaderBeyondBody", kBinary, length(kBinary.size() + 1), "Inference-Header"},
        Refused{"HeaderNegative", kBinary, "Inference-Header-Content-Length: -1\r\n", "Inference-Header"},
        Refused{"HeaderHuge", kBinary, "Inference-Header-Content-Length: 99999999999999999999\r\n", "Inference-Header"},
        Refused{"HeaderWord", kBinary, "Inference-Header-Content-Length: 12x\r\n", "Inference-Header"},
        Refused{"RawShort", "xyz", "Inference-Header-Content-Length: 0\r\n", "multiple of 64"},
        Refused{"RawEmpty", "", "Inference-Header-Content-Length: 0\r\n", "multiple of 64"},
        Refused{"SharedMemory", with(R"("shape":[1,16],"datatype":"FP32","parameters":{"shared_memory_region":"r"})"), "",
                "shared memory"}),
    [](const auto& test) { return test.param.name; });

TEST(Protocol, DescribesServerAndModel) {
  const TestServer server;
  EXPECT_EQ(server.call("GET", "/v2").json()["name"], "soma");
  EXPECT_EQ(server.call("GET", "/v2/health/live").json(), json({{"live", true}}));
  EXPECT_EQ(server.call("GET", "/v2/health/ready").json()["ready"], true);
  EXPECT_EQ(server.call("GET", "/v2/models/small/ready").json(), json({{"name", "small"}, {"ready", true}}));
  const json model = server.call("GET", "/v2/models/small/versions/1").json();
  EXPECT_EQ(model["inputs"][0]["shape"], json({-1, 1, 4, 4}));
  EXPECT_EQ(model["outputs"][0]["shape"], json({-1, 3}));
  EXPECT_EQ(server.call("GET", "/v2/models/small/config").json()["input"][0]["data_type"], "TYPE_FP32");
  EXPECT_EQ(server.call("HEAD", "/v2").status, 200);
}

TEST(Protocol, RefusesOtherPathsAndMethods) {
  const TestServer server;
  for (const char* path :
       {"/nothing", "/v2/nothing", "/v2/models/other", "/v2/models/small/versions/2", "/v2/models/small/versions",
        "/v2/models/small/nothing", "/v2/models/small/infer/more", "/v2/models", "/v2/health", "/v2/repository/nothing"}) {
    const Answer answer = server.call("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_TRUE(answer.json()["error"].is_string());
  }
  const Answer infer = server.call("GET", kInfer);
  EXPECT_EQ(infer.status, 405);
  EXPECT_NE(infer.fields.at("allow").find("POST"), std::string::npos);
  EXPECT_EQ(server.call("POST", "/v2").status, 405);
  EXPECT_EQ(server.call("GET", "/v2/models/%zz").status, 400);
  EXPECT_EQ(server.call("GET", "/v2/models/sm%61ll").status, 200);
}

TEST(Protocol, ServesTheOriginalService) {
  const TestServer server;
  const Answer digit = server.call("POST", "/", std::string(16, '\x01'));
  EXPECT_EQ(digit.status, 200);
  EXPECT_EQ(digit.body.size(), 1U);
  const Answer wrong = server.call("POST", "/", "xyz");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "invalid image size 3");
  for (const char* method : {"GET", "PUT", "DELETE", "PATCH"}) EXPECT_EQ(server.call(method, "/").status, 405) << method;
  const Answer options = server.call("OPTIONS", "/");
  EXPECT_EQ(options.status, 200);
  EXPECT_EQ(options.fields.at("access-control-allow-methods"), "OPTIONS, POST");
  EXPECT_EQ(options.fields.at("access-control-allow-origin"), "*");
  const std::vector<float> values = pictures(1);
  std::string bytes;
  for (const float value : values) bytes += static_cast<char>(static_cast<std::uint8_t>(value));
  EXPECT_EQ(server.call("POST", "/", bytes).body, server.call("POST", "/", floats(values)).body);
  EXPECT_EQ(server.call("POST", "/", "\x89PNG garbage").status, 400);
}

TEST(Protocol, AsksForTheToken) {
  const TestServer server({.token = "secret"});
  EXPECT_EQ(server.call("POST", "/", std::string(16, '\x7f')).status, 401);
  EXPECT_EQ(server.call("POST", "/", std::string(16, '\x7f'), "Authorization: Bearer secreT\r\n").status, 401);
  EXPECT_EQ(server.call("POST", "/", std::string(16, '\x7f'), "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(server.call("GET", "/v2").status, 401);
  EXPECT_EQ(server.call("GET", "/v2/health/live").status, 200);
}

}  // namespace
}  // namespace soma::test
