// files with any byte changed → refused, unless told to trust them; files of others and of soma 0.1.0 → read as ever.
#include "model/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/random.h"
#include "core/sha256.h"
#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/safetensors.h"
#include "model/scratch.h"
#include "model/zoo.h"

namespace soma {
namespace {

using ::testing::HasSubstr;

std::string model_bytes() { return to_onnx(zoo().front().model, "m").value(); }

std::string tensor_bytes(const Scratch& scratch) {
  TensorFile file;
  file.tensors.push_back({"w", {2, 2}, {1, 2, 3, 4}});
  file.metadata = {{"config", "x = 1"}};
  write_safetensors(file, scratch / "a").value();
  return read_file(scratch / "a").value();
}

TEST(Seal, IsTheDigestOfEveryOtherByte) {
  const Scratch scratch;
  for (const std::string& bytes : {model_bytes(), tensor_bytes(scratch)}) {
    const auto onnx = onnx_seal(bytes), safetensors = safetensors_seal(bytes);
    ASSERT_NE(onnx.has_value(), safetensors.has_value());
    const std::size_t at = onnx ? *onnx : *safetensors;
    EXPECT_EQ(bytes.substr(at, kSha256Digits), sha256(bytes.substr(0, at) + bytes.substr(at + kSha256Digits)));
  }
}

/// The i-th of endlessly many damages: a bit flipped, a byte set, bytes cut out, doubled, moved or zeroed, the end cut off.
std::string damaged(std::string bytes, std::uint64_t i) {
  const auto any = [&](std::uint64_t below, std::uint64_t which) {
    return random_below(below, 7, stream(Stream::test), 8 * i + which);
  };
  const std::size_t at = any(bytes.size(), 0), length = std::min<std::size_t>(1 + any(64, 1), bytes.size() - at);
  switch (any(8, 2)) {
    case 0:
      return bytes.erase(at, length);
    case 1:
      return bytes.insert(at, bytes.substr(at, length));
    case 2:
      return bytes.replace(at, length, std::string(length, '\0'));
    case 3:
      return bytes.substr(0, at);
    case 4:
      std::rotate(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + length / 2),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
      return bytes;
    case 5:
      bytes[at] = static_cast<char>(any(256, 3));
      return bytes;
    default:
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << any(8, 3));
      return bytes;
  }
}

// scripts/test faults asks for 100000.
TEST(Seal, HoldsAgainstEveryDamage) {
  const char* asked = std::getenv("SOMA_MUTATIONS");
  const std::uint64_t count = asked == nullptr ? 10000 : std::strtoull(asked, nullptr, 10);
  const Scratch scratch;
  const std::string model = model_bytes(), tensors = tensor_bytes(scratch);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string one = damaged(model, 2 * i), other = damaged(tensors, 2 * i + 1);
    EXPECT_TRUE(one == model || !parse_onnx(one, "m").ok()) << i;
    EXPECT_TRUE(other == tensors || !parse_safetensors(other, "t").ok()) << i;
  }
}

TEST(Seal, SaysWhatToDoAboutAChangedFile) {
  const Scratch scratch;
  std::string model = model_bytes(), tensors = tensor_bytes(scratch);
  for (char* c : {&model[model.find("weight") + 40], &tensors.back()}) *c = static_cast<char>(*c ^ 1);
  EXPECT_THAT(parse_onnx(model, "m.onnx").error().message, HasSubstr("m.onnx: changed since soma wrote it"));
  EXPECT_THAT(parse_onnx(model, "m.onnx").error().message, HasSubstr("--trust-changed"));
  EXPECT_THAT(parse_safetensors(tensors, "t").error().message, HasSubstr("t: changed since soma wrote it"));
  EXPECT_TRUE(parse_safetensors(tensors, "t", Changed::accept).ok());
  write_file(scratch / "m", model).value();
  EXPECT_THAT(check_seal(scratch / "m").error().message, HasSubstr("changed since soma wrote it"));
}

TEST(Seal, IsMissedInFilesOfSomaOnly) {
  onnx::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromString(model_bytes()));
  proto.mutable_metadata_props()->RemoveLast();
  EXPECT_THAT(parse_onnx(proto.SerializeAsString(), "m").error().message, HasSubstr("its SHA-256 is gone"));
  EXPECT_TRUE(parse_onnx(proto.SerializeAsString(), "m", Changed::accept).ok());
  proto.clear_metadata_props();
  EXPECT_TRUE(parse_onnx(proto.SerializeAsString(), "m").ok()) << "another program dropped the words: read by its operators";
}

TEST(Seal, IsMissedWhereverAFileIsCut) {
  const std::string bytes = model_bytes();
  for (std::size_t left = 0; left < bytes.size(); ++left) ASSERT_FALSE(parse_onnx(bytes.substr(0, left), "m").ok()) << left;
}

TEST(Seal, WasUnknownToSoma010) {
  onnx::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromString(model_bytes()));
  proto.mutable_metadata_props()->RemoveLast();
  proto.set_producer_version("0.1.0");
  EXPECT_TRUE(parse_onnx(proto.SerializeAsString(), "m").ok());
  const Scratch scratch;
  write_file(scratch / "m", proto.SerializeAsString()).value();
  EXPECT_EQ(check_seal(scratch / "m").value(), Seal::none);
  write_file(scratch / "n", model_bytes()).value();
  EXPECT_EQ(check_seal(scratch / "n").value(), Seal::whole);
}

TEST(Seal, IsNoBusinessOfItsReaders) {
  const Scratch scratch;
  const TensorFile file = parse_safetensors(tensor_bytes(scratch), "t").value();
  EXPECT_EQ(file.metadata, (std::vector<std::pair<std::string, std::string>>{{"config", "x = 1"}}));
}

}  // namespace
}  // namespace soma
