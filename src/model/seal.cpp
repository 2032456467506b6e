// bytes of a file that soma writes ↔ its seal: a SHA-256 of every other byte, in the file's own metadata.
#include "model/seal.h"

#include <fmt/format.h>

#include <array>

#include "core/file.h"
#include "core/sha256.h"
#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/safetensors.h"
#include "soma/device.h"

namespace soma {
namespace {

// A StringStringEntryProto in field 14 of ModelProto: tags and lengths around key and digits. Only the operator set is behind it.
constexpr std::string_view kOnnxSeal = "\x72\x4f\x0a\x0bsoma.sha256\x12\x40";
constexpr std::size_t kHeaderAt = 8;  // of a safetensors file

}  // namespace

std::string onnx_end() {
  onnx::ModelProto end;
  auto& operators = *end.add_opset_import();
  operators.set_domain("");
  operators.set_version(kOpset);
  return end.SerializeAsString();
}

std::string sealed_version() { return fmt::format("{}+sealed", version()); }

std::optional<std::size_t> onnx_seal(std::string_view bytes) {
  const std::string end = onnx_end();
  if (bytes.size() < kOnnxSeal.size() + kSha256Digits + end.size() || !bytes.ends_with(end)) return std::nullopt;
  const std::size_t digits = bytes.size() - end.size() - kSha256Digits;
  return bytes.substr(0, digits).ends_with(kOnnxSeal) ? std::optional(digits) : std::nullopt;
}

std::optional<std::size_t> safetensors_seal(std::string_view bytes) {
  const std::size_t digits = kHeaderAt + kSafetensorsSeal.size();
  const bool there = bytes.size() >= digits + kSha256Digits && bytes.substr(kHeaderAt).starts_with(kSafetensorsSeal);
  return there ? std::optional(digits) : std::nullopt;
}

std::string seal_of(std::string_view bytes, std::size_t seal) {
  const auto view = std::as_bytes(std::span(bytes));
  const std::array others = {view.first(seal), view.subspan(seal + kSha256Digits)};
  return sha256(others);
}

Result<void> hold_seal(std::string_view bytes, std::size_t seal, std::string_view who) {
  const std::string wanted(bytes.substr(seal, kSha256Digits)), got = seal_of(bytes, seal);
  if (got == wanted) return {};
  return Error{Error::Kind::data,
               fmt::format("{}: changed since soma wrote it (its SHA-256 is {}…, not the one it carries); try an "
                           "older copy, or --trust-changed",
                           who, got.substr(0, 12))};
}

Error seal_is_gone(std::string_view who) {
  return {Error::Kind::data,
          fmt::format("{}: changed since soma wrote it (its SHA-256 is gone or has moved); try an older copy, or "
                      "--trust-changed",
                      who)};
}

Result<Seal> check_seal(const std::filesystem::path& file) {
  const auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  const bool safetensors = bytes->size() > kHeaderAt && (*bytes)[kHeaderAt] == '{';
  if (safetensors) {
    const auto contents = parse_safetensors(*bytes, file.string());
    if (!contents) return contents.error();
    return safetensors_seal(*bytes) ? Seal::whole : Seal::none;
  }
  const auto model = parse_onnx(*bytes, file.string());
  if (!model) return model.error();
  return onnx_seal(*bytes) ? Seal::whole : Seal::none;
}

}  // namespace soma
