// bodies of POST / in every form a client may send → the model's class, or the reason why there is none.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "model/zoo.h"
#include "serve/body_cases.h"
#include "serve/client.h"
#include "soma/model.h"

namespace soma::test {
namespace {

using nlohmann::json;

const std::string kPicture = std::string("\x00\x7f\xff\x01", 4) + std::string(12, '\x7f');

std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string type(const std::string& name) { return "Content-Type: " + name + "\r\n"; }

/// A server of a table: four numbers, or a word and a number; classes "low", "high" by the sign of the sum.
TestServer table(bool words) {
  Model model = make_model({words ? 2 : 4}, {{.name = "out", .layer = Linear{.out = 2}}});
  model.name = "table";
  model.class_names = {"low", "high"};
  if (words)
    model.columns = {{"season", {"autumn", "spring"}}, {"temp", {}}};
  else
    model.columns = {{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}};
  const auto inputs = static_cast<std::size_t>(model.input[0]);
  for (Tensor& tensor : model.parameters)
    for (std::size_t i = 0; i < tensor.values.size(); ++i)
      tensor.values[i] = tensor.values.size() == 2 ? 0.0F : (i < inputs ? -1.0F : 1.0F);
  return TestServer(model);
}

TEST(Body, GivesEachKnownCaseItsAnswer) {
  Model picture = make_model({1, 28, 28}, {{.name = "flat", .layer = Flatten{}}, {.name = "out", .layer = Linear{.out = 3}}});
  picture.class_names = {"a", "b", "c"};
  Model row = make_model({4}, {{.name = "out", .layer = Linear{.out = 3}}});
  row.class_names = {"x", "y", "z"};
  row.columns = {{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}};
  const TestServer pictures(picture), rows(row);
  const auto ask = [&](Served served, const std::string& body, const std::string& fields) {
    return (served == Served::picture ? pictures : rows).call("POST", "/", body, "Accept: application/json\r\n" + fields);
  };
  for (const BodyCase& each : body_cases()) {
    const Answer answer = ask(each.served, each.body, each.fields);
    EXPECT_EQ(answer.status, each.status) << each.name << ": " << answer.body;
    if (each.same) {  // all of it: the probabilities, too
      EXPECT_EQ(answer.body, ask(each.served, each.served == Served::picture ? picture_bytes() : table_row(), "").body)
          << each.name;
    }
  }
}

TEST(Body, IsWhatItsTypeSays) {
  const TestServer server;
  const std::string want = server.call("POST", "/", kPicture, type("application/octet-stream")).body;
  ASSERT_EQ(want.size(), 1U);
  for (const char* name : {"application/x-www-form-urlencoded", "text/plain", "whatever", "IMAGE/unknown; x=y"})
    EXPECT_EQ(server.call("POST", "/", kPicture, type(name)).body, want) << name;
  EXPECT_EQ(server.call("POST", "/", kPicture).body, want);
  EXPECT_EQ(server.call("POST", "/", kPicture, type("image/png")).status, 400);
  EXPECT_EQ(server.call("POST", "/", kPicture, type("text/csv")).status, 400);
  EXPECT_EQ(server.call("POST", "/", kPicture, type("application/json")).status, 400);
  std::string numbers;
  for (const char c : kPicture) numbers += (numbers.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(c));
  EXPECT_EQ(server.call("POST", "/", numbers).body, want);
  EXPECT_EQ(server.call("POST", "/", "[[" + numbers + "]]").body, want);
  EXPECT_EQ(server.call("POST", "/", "[" + numbers + "]", type("Application/JSON; charset=utf-8")).body, want);
}

TEST(Body, OfPrintableTextIsNeverTakenForNumbersInMemory) {
  const TestServer server = table(false);
  for (const std::string row : {"6.3,3.3,6.0,2.5\n", "6.3,3.3,6.0,2.5", "6.3,3.3,6.0,2.5\r\n", "6.30,3.30,6.0,2.50\n\n",
                                "\xef\xbb\xbf"
                                "6.3,3.3,6.0,2.5"})
    for (const std::string header : {"", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: text/csv\r\n"})
      EXPECT_EQ(server.call("POST", "/", row, header).body, "high") << row << header;
  EXPECT_EQ(server.call("POST", "/", "-6.3,3.3,-6.,.5\n").body, "low");
  for (const std::string row :
       {"6.3,3.3,6.0,abc\n", "nan,3.5,1.4,0.2\n", "1e39,3.5,1.4,0.2", "1e999,3.5,1.,2\n", "abcdefghijklmnop", "6.3,3.3,6.0\n"}) {
    const Answer answer = server.call("POST", "/", row);
    EXPECT_EQ(answer.status, 400) << row;
    EXPECT_TRUE(answer.json()["error"].get<std::string>().starts_with("request")) << answer.body;
  }
  EXPECT_EQ(server.call("POST", "/", "a,b,c,d\n5.1,3.5,1.4,0.2\n-5,0,0,0\n").body, "high\nlow");
}

TEST(Body, PngIsAPictureWhateverItsLength) {
  const TestServer server;
  std::ifstream file(std::string(SOMA_SOURCE_DIR) + "/examples/seven.png", std::ios::binary);
  const std::string png((std::istreambuf_iterator<char>(file)), {});
  ASSERT_EQ(server.call("POST", "/", png).status, 200);
  EXPECT_EQ(server.call("POST", "/", png, type("image/png")).status, 200);
  EXPECT_EQ(server.call("POST", "/", png, type("application/octet-stream")).status, 200);
  EXPECT_EQ(server.call("POST", "/", png.substr(0, png.size() / 2)).status, 400);
  EXPECT_EQ(server.call("POST", "/", png.substr(0, 16)).status, 400);  // as many bytes as a raw picture has
}

TEST(Body, FormsHoldTheSample) {
  const TestServer pictures;
  const auto form = [](const std::string& parts) { return parts + "--B--\r\n"; };
  const auto part = [](const std::string& fields, const std::string& body) {
    return "--B\r\n" + fields + "\r\n\r\n" + body + "\r\n";
  };
  const std::string kind = type("multipart/form-data; boundary=\"B\""),
                    file = "Content-Disposition: form-data; name=\"f\"; filename=\"a\"";
  const std::string want = pictures.call("POST", "/", kPicture).body;
  EXPECT_EQ(pictures.call("POST", "/", form(part(file, kPicture)), kind).body, want);
  EXPECT_EQ(pictures.call("POST", "/", form(part(file + "\r\nContent-Type: application/octet-stream", kPicture)), kind).body,
            want);
  EXPECT_EQ(pictures.call("POST", "/", "preamble\r\n" + form(part(file, kPicture)) + "epilogue", kind).body, want);
  EXPECT_EQ(pictures.call("POST", "/", form(part(file, kPicture) + part(file, kPicture)), kind).status, 400);
  for (const std::string body :
       {"", "--B", "--B--\r\n", "--B\r\n", "--Bx\r\n\r\nx\r\n--B--", "--B\r\n\r\nx", "--B\r\nx\r\n--B--"})
    EXPECT_EQ(pictures.call("POST", "/", body, kind).status, 400) << body;
  EXPECT_EQ(pictures.call("POST", "/", form(part(file, kPicture)), type("multipart/form-data")).status, 400);
  EXPECT_EQ(
      pictures.call("POST", "/", form(part(file + "\r\nContent-Type: multipart/form-data; boundary=B", kPicture)), kind).status,
      400);

  const TestServer rows = table(true);
  const auto field = [&](const std::string& name, const std::string& value) {
    return part("Content-Disposition: form-data; name=\"" + name + "\"", value);
  };
  EXPECT_EQ(rows.call("POST", "/", form(field("row", "spring,5")), kind).body, "high");
  EXPECT_EQ(rows.call("POST", "/", form(field("temp", "-5") + field("season", "spring")), kind).body, "low");
  EXPECT_EQ(rows.call("POST", "/", form(field("temp", "-5") + field("seasn", "spring")), kind).status, 400);
}

TEST(Body, RowsMayHoldWordsAndNames) {
  const TestServer server = table(true);
  for (const std::string body : {"spring,5\n", "temp,season\n5,spring\n", R"({"season":"spring","temp":5})",
                                 R"([{"temp":5.0,"season":"spring"}])", R"(["spring",5])", R"([["spring",5e0]])"})
    EXPECT_EQ(server.call("POST", "/", body).body, "high") << body;
  EXPECT_EQ(server.call("POST", "/", R"([{"season":"spring","temp":5},{"season":"autumn","temp":-5}])").body, "high\nlow");
  const auto refused = [&](const std::string& body, const std::string& says) {
    const Answer answer = server.call("POST", "/", body, type("application/json"));
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_NE(answer.json()["error"].get<std::string>().find(says), std::string::npos) << answer.body;
  };
  refused(R"({"season":"spring"})", "'temp'");
  refused(R"([{"season":"spring","temp":1},{"season":"spring","temp":null}])", "row 2");
  refused(R"({"season":"spring","temp":"warm"})", "'temp'");
  refused(R"({"seson":"spring","temp":5})", "season");
  refused(R"({"season":"spring","temp":5,"temp":6})", "twice");
  refused(R"({"season":"spring","temp":1e39})", "float32");
  refused(R"({"season":["spring"],"temp":1})", "'season'");
  refused(R"({"season":"spring","temp":true})", "true");
  refused(R"({"season":1,"temp":1})", "'season'");
  refused(R"([1,1])", "'season'");
  refused(R"(["spring"])", "2 values");
  refused(R"([[["spring",5]]])", "nesting");
  refused("5", "alone");
  EXPECT_EQ(server.call("POST", "/", floats({1, 5}), type("application/octet-stream")).body, "high");
  EXPECT_EQ(server.call("POST", "/", floats({1.5F, 5}), type("application/octet-stream")).status, 400);
  EXPECT_EQ(server.call("POST", "/", floats({2, 5}), type("application/octet-stream")).status, 400);
  refused("{", "malformed");
  const std::string lines = server.call("POST", "/", "\"tem\np\",season\n5,spring\n", type("text/csv")).json()["error"];
  EXPECT_EQ(lines.find('\n'), std::string::npos) << lines;
  refused("[]", "request");
  refused(std::string(100000, '['), "nest");
}

TEST(Body, NoClassForWhatIsNotFinite) {
  const TestServer server;
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> values(16, 1);
    values[7] = bad;
    const Answer answer = server.call("POST", "/", floats(values));
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.json()["error"].get<std::string>().find("finite"), std::string::npos);
    const std::string head =
        R"({"inputs":[{"name":"input","shape":[1,16],"datatype":"FP32","parameters":{"binary_data_size":64}}],"outputs":[{"name":"output","parameters":{"classification":1,"binary_data":true}}]})";
    EXPECT_EQ(server
                  .call("POST", "/v2/models/small/infer", head + floats(values),
                        "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n")
                  .status,
              400);
  }
}

TEST(Body, AnswersInJsonWhoAsksForIt) {
  const TestServer server;
  const Answer answer = server.call("POST", "/", kPicture, "Accept: application/json\r\n");
  EXPECT_EQ(answer.fields.at("content-type"), "application/json");
  for (const char* field : {"Accept: text/plain, Application/JSON;q=0.5\r\n", "Accept: application/json; q=\"1\"\r\n"})
    EXPECT_EQ(server.call("POST", "/", kPicture, field).body, answer.body) << field;
  for (const char* field : {"Accept: application/json;q=0\r\n", "Accept: application/json-seq\r\n", "Accept: */*\r\n"})
    EXPECT_EQ(server.call("POST", "/", kPicture, field).body, server.call("POST", "/", kPicture).body) << field;
  const json body = answer.json();
  EXPECT_EQ(body["class"], server.call("POST", "/", kPicture).body);
  EXPECT_EQ(body["model"], "small");
  EXPECT_EQ(body["version"], "1");
  double sum = 0;
  for (const json& each : body["probabilities"]) sum += each.get<double>();
  EXPECT_NEAR(sum, 1, 1e-6);
  const TestServer rows = table(false);
  EXPECT_EQ(rows.call("POST", "/", "1,1,1,1\n-1,0,0,0\n", "Accept: application/json\r\n").json()[1]["class"], "low");
}

/// A word and a number → "low" or "high" by the sign of the sum; gaps become spring and 5.
Model with_gaps() {
  Model model = make_model({2}, {{.name = "out", .layer = Linear{.out = 2}}},
                           {.steps = {{.kind = PreprocessKind::impute, .fill = {1, 5}}}});
  model.name = "gaps";
  model.class_names = {"low", "high"};
  model.columns = {{"season", {"autumn", "spring"}}, {"temp", {}}};
  for (Tensor& tensor : model.parameters)
    for (std::size_t i = 0; i < tensor.values.size(); ++i)
      tensor.values[i] = tensor.values.size() == 2 ? 0.0F : (i < 2 ? -1.0F : 1.0F);
  return model;
}

TEST(Body, GapsGetWhatTheModelFillsThemWith) {
  const TestServer server(with_gaps());
  const auto probabilities = [&](const std::string& body) {
    return server.call("POST", "/", body, "Accept: application/json\r\n").body;
  };
  const std::string want = probabilities("spring,5");
  for (const std::string body : {"spring,", ",5", ",", "season,temp\nspring,NA", R"({"season":"spring"})", R"({"temp":5})", "{}",
                                 R"({"season":null,"temp":null})", R"(["spring",null])"})
    EXPECT_EQ(probabilities(body), want) << body;
  EXPECT_EQ(server.call("POST", "/", "season\nspring").status, 400);  // a header without temp is of another table
  const std::string cells = R"({"inputs":[{"name":"input","shape":[2,2],"datatype":"BYTES","data":["spring","","","-9"]}],)"
                            R"("outputs":[{"name":"output","parameters":{"classification":1}}]})";
  const json outputs = server.call("POST", "/v2/models/gaps/infer", cells).json()["outputs"];
  EXPECT_TRUE(outputs[0]["data"][0].get<std::string>().ends_with(":1:high"));
  EXPECT_TRUE(outputs[0]["data"][1].get<std::string>().ends_with(":0:low"));
}

TEST(Body, ARowThatMayMeanAnotherIsRefused) {
  Model model = make_model({3}, {{.name = "out", .layer = Linear{.out = 2}}});
  model.class_names = {"down", "up"};
  model.label_name = "kind";
  model.columns = {{"alpha", {}}, {"beta", {}}, {"gamma", {}}};
  const TestServer server(model);
  EXPECT_EQ(server.call("POST", "/", "1,2,3\n").status, 200);
  EXPECT_EQ(server.call("POST", "/", "1,2,3,up\n").status, 200);
  EXPECT_EQ(server.call("POST", "/", "gamma,beta,alpha,extra\n3,2,1,0\n").body, server.call("POST", "/", "1,2,3\n").body);
  const auto refused = [&](const std::string& body, const std::string& says) {
    const Answer answer = server.call("POST", "/", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_NE(answer.body.find(says), std::string::npos) << answer.body;
  };
  refused("Gamma,Beta,Alpha\n3,2,1\n", "no column 'alpha'");
  refused("c,b,a\n3,2,1\n", "no column 'alpha'");
  refused("1,000,2,3\n", "label '3'");
  refused("1,2,x\n", "column 'gamma'");
  refused("alpha,beta\n1,2\n", "no column 'gamma'");

  Model words = make_model({2}, {{.name = "out", .layer = Linear{.out = 2}}});
  words.class_names = {"down", "up"};
  words.columns = {{"colour", {"blue", "red"}}, {"size", {"big", "small"}}};
  const TestServer said(words);
  const std::string both = said.call("POST", "/", "red,big").body + "\n" + said.call("POST", "/", "blue,small").body;
  EXPECT_EQ(said.call("POST", "/", "red,big\nblue,small\n").body, both);  // no word comes again: and yet no header
  EXPECT_EQ(said.call("POST", "/", "Colour,Size\nred,big\n").status, 400);
}

TEST(Body, DatesComeAsTheyAreWritten) {
  Model model = make_model({5}, {{.name = "out", .layer = Linear{.out = 2}}});
  model.class_names = {"down", "up"};
  model.columns = {{"when.year", {}, "year"},
                   {"when.month", {}, "month"},
                   {"when.weekday", {}, "weekday"},
                   {"when.hour", {}, "hour"},
                   {"size", {}}};
  const TestServer server(model);
  const std::string want = server.call("POST", "/", "2024-03-31,5\n", "Accept: application/json\r\n").body;
  for (const std::string body : {R"({"when":"2024-03-31","size":5})", R"(["31.03.2024",5])", "size,when\n5,2024-03-31\n"})
    EXPECT_EQ(server.call("POST", "/", body, "Accept: application/json\r\n").body, want) << body;
  EXPECT_EQ(server.call("POST", "/", R"({"when":"soon","size":5})").status, 400);
  const json face = server.call("GET", "/v2/models/made-for-a-test").json();
  EXPECT_EQ(json::parse(face["inputs"][0]["parameters"]["columns"].get<std::string>()),
            json::parse(R"([{"name":"when","kind":"date"},{"name":"size","kind":"number"}])"));
  const std::string cells = R"({"inputs":[{"name":"input","shape":[1,2],"datatype":"BYTES","data":["2024-03-31","5"]}]})";
  EXPECT_EQ(server.call("POST", "/v2/models/made-for-a-test/infer", cells).status, 200);
}

/// Three numbers through a layer that leaves them as they are, or takes two of them.
Model identity(Task task, std::int64_t outputs) {
  Model model = make_model({3}, {{.name = "out", .layer = Linear{.out = outputs}}});
  model.task = task;
  model.class_names = {};
  model.loss.kind = task == Task::labels ? LossConfig::Kind::binary_cross_entropy : LossConfig::Kind::quadratic;
  model.columns = {{"p", {}}, {"q", {}}, {"r", {}}};
  for (Tensor& tensor : model.parameters)
    for (std::size_t i = 0; i < tensor.values.size(); ++i)
      tensor.values[i] = tensor.values.size() > 3 && i % 3 == i / 3 ? 1.0F : 0.0F;
  return model;
}

TEST(Body, ValuesLabelsAndScoresAreSaidByTheirNames) {
  const std::string accept = "Accept: application/json\r\n";
  Model values = identity(Task::values, 2);
  values.target_names = {"price", "rent"};
  const TestServer numbers(values);
  EXPECT_EQ(numbers.call("POST", "/", "1.5,-2,9\n3,4,9\n").body, "price 1.5, rent -2\nprice 3, rent 4");
  EXPECT_EQ(numbers.call("POST", "/", R"({"p":1.5,"q":-2,"r":0})", accept).json(),
            json::parse(R"({"model":"made-for-a-test","version":"1","values":[1.5,-2.0],"names":["price","rent"]})"));

  Model labels = identity(Task::labels, 2);
  labels.target_names = {"heavy", "rare"};
  const TestServer holds(labels);
  EXPECT_EQ(holds.call("POST", "/", "0,-9,0\n-9,-9,0\n").body, "heavy 0.5\nnone");
  const json said = holds.call("POST", "/", "9,9,0\n", accept).json();
  EXPECT_EQ(said["labels"], json({"heavy", "rare"}));
  EXPECT_EQ(said["names"], json({"heavy", "rare"}));
  EXPECT_EQ(said["probabilities"].size(), 2U);

  Model itself = identity(Task::reconstruct, 3);
  itself.preprocess.steps = {{.kind = PreprocessKind::divide, .offset = {0}, .divisor = {2}}};
  for (Tensor& tensor : itself.parameters)
    if (tensor.values.size() == 9) tensor.values[0] = 0;  // what p says is lost
  const TestServer odd(itself);
  EXPECT_EQ(odd.call("POST", "/", "6,1,1\n0,5,5\n").body, "3\n0");
  const json score = odd.call("POST", "/", "6,1,1\n", accept).json();
  EXPECT_EQ(score["score"], 3.0);
  EXPECT_EQ(score["values"], json({0.0, 0.5, 0.5}));
  const json seen = odd.call("POST", "/soma/models/made-for-a-test/activations", "6,1,1\n").json();
  EXPECT_EQ(seen["score"], 3.0);
  EXPECT_EQ(seen["input"]["values"], json({3.0, 0.5, 0.5}));
}

}  // namespace
}  // namespace soma::test
