// TensorFile ↔ bytes: exact round trips, and every lie a header can tell.
#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/file.h"
#include "model/scratch.h"

namespace soma {
namespace {

using testing::HasSubstr;

std::string file_of(std::string_view header, std::size_t data_bytes = 0) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += header;
  return bytes + std::string(data_bytes, '\0');
}

std::string problem(const std::string& bytes) {
  const auto result = parse_safetensors(bytes, "x.safetensors", Changed::accept);
  EXPECT_FALSE(result.ok()) << bytes;
  return result.ok() ? "" : result.error().message;
}

void expect_equal(const TensorFile& a, const TensorFile& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].name, b.tensors[i].name);
    EXPECT_EQ(a.tensors[i].shape, b.tensors[i].shape);
    const auto& x = a.tensors[i].values;
    const auto& y = b.tensors[i].values;
    ASSERT_EQ(x.size(), y.size());
    EXPECT_TRUE(x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
  }
}

TEST(Safetensors, RoundTripKeepsOrderShapesBitsAndWords) {
  const Scratch scratch;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorFile file{{{"conv2d1.weight", {1, 2, 1, 2}, {1.5F, -0.0F, nan, INFINITY}},
                         {"empty", {0, 3}, {}},
                         {"scalar", {}, {1e-45F}},
                         {"a", {3}, {1, 2, 3}}},
                        {{"step", "12"}, {"über", "\"quoted\"\n日本"}, {"", ""}}};
  ASSERT_TRUE(write_safetensors(file, scratch / "a.safetensors").ok());
  const auto back = read_safetensors(scratch / "a.safetensors");
  ASSERT_TRUE(back.ok()) << back.error().message;
  expect_equal(file, *back);
  ASSERT_TRUE(write_safetensors(*back, scratch / "b.safetensors").ok());
  EXPECT_EQ(read_file(scratch / "a.safetensors").value(), read_file(scratch / "b.safetensors").value());
}

TEST(Safetensors, HeaderIsPaddedSoThatDataIsAligned) {
  const Scratch scratch;
  for (std::size_t n = 1; n < 10; ++n) {
    ASSERT_TRUE(write_safetensors({{{std::string(n, 'x'), {1}, {1}}}, {}}, scratch / "a").ok());
    const std::string bytes = read_file(scratch / "a").value();
    EXPECT_EQ((bytes.size() - sizeof(float)) % 8, 0U);
    EXPECT_EQ(bytes[8], '{');
  }
}

RC_GTEST_PROP(Safetensors, AnyContentsComeBack, ()) {
  TensorFile file;
  const auto names =
      *rc::gen::unique<std::vector<std::string>>(rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7f)));
  for (const auto& name : names) {
    if (name == "__metadata__") continue;
    const auto shape = *rc::gen::resize(3, rc::gen::container<Shape>(rc::gen::inRange<std::int64_t>(0, 4)));
    file.tensors.push_back(
        {name, shape,
         *rc::gen::container<std::vector<float>>(static_cast<std::size_t>(elements(shape)), rc::gen::arbitrary<float>())});
    file.metadata.emplace_back(name, name + "!");
  }
  const Scratch scratch;
  RC_ASSERT(write_safetensors(file, scratch / "a").ok());
  expect_equal(file, read_safetensors(scratch / "a").value());
}

// No prefix of a file, and no single changed header byte, may crash or be mistaken for more than it is.
TEST(Safetensors, TruncatedFilesAreRefused) {
  const Scratch scratch;
  ASSERT_TRUE(write_safetensors({{{"a", {2, 2}, {1, 2, 3, 4}}}, {{"k", "v"}}}, scratch / "a").ok());
  const std::string bytes = read_file(scratch / "a").value();
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_safetensors(bytes.substr(0, n), "x").ok()) << n;
  EXPECT_THAT(problem(bytes + "x"), HasSubstr("hold 16 bytes, the file has 17"));
}

TEST(Safetensors, LyingHeadersAreRefused) {
  EXPECT_EQ(problem("1234"), "x.safetensors: no safetensors file: wanted at least 8 bytes, got 4; try another file");
  EXPECT_THAT(problem(std::string(8, '\xff')), HasSubstr("does not fit the file of 8"));
  std::string large;
  large.resize(100'000'100, ' ');
  const std::uint64_t length = 100'000'001;
  std::memcpy(large.data(), &length, sizeof length);
  EXPECT_THAT(problem(large), HasSubstr("header of 100000001 bytes does not fit"));
  EXPECT_THAT(problem(file_of("")), HasSubstr("does not begin with {"));
  EXPECT_THAT(problem(file_of("[]")), HasSubstr("does not begin with {"));
  EXPECT_THAT(problem(file_of("\xEF\xBB\xBF{}")), HasSubstr("does not begin with {"));
  EXPECT_THAT(problem(file_of(std::string("{}\0", 3))), HasSubstr("zero byte"));
  EXPECT_THAT(problem(file_of("{")), HasSubstr("no JSON"));
  EXPECT_THAT(problem(file_of("{}{}")), HasSubstr("no JSON"));
  EXPECT_THAT(problem(file_of("{} //x")), HasSubstr("no JSON"));
  EXPECT_THAT(problem(file_of("{\"\xff\":{}}")), HasSubstr("no JSON"));
  EXPECT_THAT(problem(file_of(std::string(100'000, '{'))), HasSubstr("no JSON"));
  EXPECT_THAT(problem(file_of("{\"a\":" + std::string(100'000, '['))), HasSubstr("an array does not belong at 'a'"));
  EXPECT_TRUE(parse_safetensors(file_of(" {} "), "x").ok());
}

TEST(Safetensors, OtherTypesBecomeFloats) {
  const auto values = [](const std::string& dtype, std::size_t count, const std::string& data) {
    std::string bytes = file_of("{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + std::to_string(count) +
                                "],\"data_offsets\":[0," + std::to_string(data.size()) + "]}}");
    const auto file = parse_safetensors(bytes + data, "x");
    EXPECT_TRUE(file.ok()) << file.error().message;
    return file ? file->tensors[0].values : std::vector<float>();
  };
  const auto raw = [](const auto& numbers) { return std::string(reinterpret_cast<const char*>(numbers.data()), sizeof numbers); };
  EXPECT_THAT(values("F16", 2, raw(std::array<std::uint16_t, 2>{0x3C00, 0xC100})), testing::ElementsAre(1, -2.5));
  EXPECT_THAT(values("BF16", 2, raw(std::array<std::uint16_t, 2>{0x3F80, 0xC020})), testing::ElementsAre(1, -2.5));
  EXPECT_THAT(values("F64", 2, raw(std::array{0.5, -3.0})), testing::ElementsAre(0.5, -3));
  EXPECT_THAT(values("I64", 2, raw(std::array<std::int64_t, 2>{16777216, -1})), testing::ElementsAre(16777216, -1));
  EXPECT_THAT(values("U8", 2, "\x01\xff"), testing::ElementsAre(1, 255));
  const std::string odd = raw(std::array<std::int64_t, 1>{16777217});
  EXPECT_THAT(problem(file_of(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})") + odd), HasSubstr("no float32 is"));
}

TEST(Safetensors, LyingEntriesAreRefused) {
  const auto entry = [](std::string_view text, std::size_t data = 4) {
    return problem(file_of("{\"a\":" + std::string(text) + "}", data));
  };
  EXPECT_THAT(entry("1"), HasSubstr("a number does not belong at 'a'"));
  EXPECT_THAT(entry("null"), HasSubstr("null does not belong"));
  EXPECT_THAT(entry("true"), HasSubstr("a boolean does not belong"));
  EXPECT_THAT(entry("\"F32\""), HasSubstr("a string does not belong"));
  EXPECT_THAT(entry("{}"), HasSubstr("wants dtype, shape and data_offsets, got 0 of them"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1]})"), HasSubstr("got 2 of them"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})"), HasSubstr("unknown key 'x'"));
  EXPECT_THAT(entry(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"), HasSubstr("two keys 'dtype'"));
  EXPECT_THAT(entry(R"({"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]})"),
              HasSubstr("of 8 to 64 bits, got dtype 'F8_E4M3'"));
  EXPECT_THAT(entry(R"({"dtype":"F16","shape":[1],"data_offsets":[0,4]})"), HasSubstr("wants 2 bytes"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"), HasSubstr("a negative number does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"), HasSubstr("the number 1.0 does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]})"), HasSubstr("does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[[1]],"data_offsets":[0,4]})"), HasSubstr("an array does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[{}],"data_offsets":[0,4]})"), HasSubstr("an object does not belong"));
  EXPECT_THAT(entry(R"({"dtype":["F32"],"shape":[1],"data_offsets":[0,4]})"), HasSubstr("an array does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})"), HasSubstr("a number does not belong"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})"), HasSubstr("wants 2 data_offsets, got 1"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,4]})"), HasSubstr("wants 2 data_offsets, got 3"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"), HasSubstr("wants 4 bytes, its offsets say 4 to 0"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), HasSubstr("wants 8 bytes"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8),
              HasSubstr("begins at 4, the one before it ends at 0"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})"), HasSubstr("too large"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[9223372036854775807,0],"data_offsets":[0,0]})", 0), HasSubstr("too large"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 3), HasSubstr("hold 4 bytes, the file has 3"));
}

TEST(Safetensors, DuplicatesOverlapsAndHolesAreRefused) {
  const std::string one = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_THAT(problem(file_of("{\"a\":" + one + ",\"a\":" + one + "}", 4)), HasSubstr("tensor 'a' is there twice"));
  EXPECT_THAT(problem(file_of("{\"a\":" + one + ",\"b\":" + one + "}", 4)),
              HasSubstr("begins at 0, the one before it ends at 4"));
  EXPECT_THAT(problem(file_of("{\"b\":" + one + R"(,"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", 12)),
              HasSubstr("'a' begins at 8, the one before it ends at 4"));
  EXPECT_THAT(problem(file_of(R"({"__metadata__":{"k":"v","k":"w"}})")), HasSubstr("metadata 'k' is there twice"));
  EXPECT_THAT(problem(file_of(R"({"__metadata__":{},"__metadata__":{}})")), HasSubstr("is there twice"));
  EXPECT_THAT(problem(file_of(R"({"__metadata__":{"k":1}})")), HasSubstr("a number does not belong at 'k'"));
  EXPECT_THAT(problem(file_of(R"({"__metadata__":{"k":{}}})")), HasSubstr("an object does not belong at 'k'"));
  EXPECT_THAT(problem(file_of(R"({"__metadata__":[]})")), HasSubstr("an array does not belong"));
}

TEST(Safetensors, TheSystemsRefusalsAreTold) {
  EXPECT_THAT(read_safetensors("/nonexistent/a").error().message, HasSubstr("/nonexistent/a: cannot open"));
  EXPECT_THAT(write_safetensors({}, "/nonexistent/a").error().message, HasSubstr("/nonexistent/a: cannot write"));
  const Scratch scratch;
  EXPECT_THAT(write_safetensors({{}, {{"k", "\xff"}}}, scratch / "a").error().message,
              HasSubstr("wanted names and words in UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "a"));
}

TEST(Safetensors, MisuseIsABrokenContract) {
  const Scratch scratch;
  EXPECT_THROW((void)write_safetensors({{{"a", {2}, {1}}}, {}}, scratch / "a"), ContractError);
  EXPECT_THROW((void)write_safetensors({{{"a", {1}, {1}}, {"a", {1}, {1}}}, {}}, scratch / "a"), ContractError);
  EXPECT_THROW((void)write_safetensors({{{"__metadata__", {1}, {1}}}, {}}, scratch / "a"), ContractError);
  EXPECT_THROW((void)write_safetensors({{}, {{"k", "v"}, {"k", "w"}}}, scratch / "a"), ContractError);
}

}  // namespace
}  // namespace soma
