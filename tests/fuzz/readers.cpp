// any bytes → a value or an Error, never a crash: one libFuzzer program for each reader, SOMA_READER names it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data/gzip.h"
#include "model/onnx_bytes.h"
#include "model/safetensors.h"
#include "soma/soma.h"

namespace {

// A failure that a person cannot read is a bug too: one line that begins with who complains.
template <class T>
void check(const soma::Result<T>& result) {
  if (result) return;
  const std::string& message = result.error().message;
  SOMA_REQUIRE(message.starts_with("fuzz") && message.find('\n') == std::string::npos);
}

using Reader = void (*)(std::string_view bytes);
[[maybe_unused]] constexpr Reader read_gzip = [](std::string_view bytes) { check(soma::gunzip(bytes, "fuzz", 1 << 24)); };
[[maybe_unused]] constexpr Reader read_safetensors = [](std::string_view bytes) {
  check(soma::parse_safetensors(bytes, "fuzz", soma::Changed::accept));
};
[[maybe_unused]] constexpr Reader read_onnx = [](std::string_view bytes) {
  check(soma::parse_onnx(bytes, "fuzz", soma::Changed::accept));
};

// What can be read can be written, and reads back as the same.
[[maybe_unused]] constexpr Reader read_config = [](std::string_view bytes) {
  const auto first = soma::parse_config(bytes, "fuzz");
  check(first);
  if (!first) return;
  const auto second = soma::parse_config(soma::to_toml(*first), "fuzz");
  SOMA_REQUIRE(second.ok() && *second == *first);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SOMA_READER(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
