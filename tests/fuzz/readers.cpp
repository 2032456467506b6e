// any bytes → a value or an Error, never a crash: one libFuzzer program for each reader, SOMA_READER names it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data/gzip.h"
#include "data/npz.h"
#include "graph/array.h"
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
[[maybe_unused]] constexpr Reader read_npz = [](std::string_view bytes) { check(soma::load_npz("fuzz", bytes, {})); };
[[maybe_unused]] constexpr Reader read_safetensors = [](std::string_view bytes) {
  check(soma::parse_safetensors(bytes, "fuzz", soma::Changed::accept));
};
[[maybe_unused]] constexpr Reader read_onnx = [](std::string_view bytes) {
  check(soma::parse_onnx(bytes, "fuzz", soma::Changed::accept));
};

[[maybe_unused]] constexpr Reader read_array = [](std::string_view bytes) { check(soma::parse_array(bytes, "fuzz")); };

// What can be read can be run, on zeros, or says why not.
[[maybe_unused]] constexpr Reader read_graph = [](std::string_view bytes) {
  auto graph = soma::Graph::parse(bytes, "fuzz");
  check(graph);
  if (!graph) return;
  std::vector<soma::TypedArray> inputs;
  for (const soma::GraphPort& port : graph->inputs()) {
    soma::TypedArray zeros{port.type, port.extents, {}, {}};
    for (std::int64_t& extent : zeros.extents) extent = extent < 0 ? 2 : extent;
    if (soma::elements(zeros.extents) > 4096) return;
    const auto count = static_cast<std::size_t>(soma::elements(zeros.extents));
    if (port.type == soma::ElementType::string)
      zeros.strings.resize(count);
    else
      zeros.bytes.resize(count * soma::element_bytes(port.type));
    inputs.push_back(std::move(zeros));
  }
  check(graph->run(inputs));
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
