// a directory → NAME.onnx for each model of the zoo, NAME.int8.onnx where it has that form, and beside each NAME.safetensors with
// raw samples and what soma makes of them.
#include <cstdio>
#include <filesystem>
#include <optional>

#include "model/zoo.h"

namespace soma {
namespace {

/// Samples as the graph's input wants them: floats, channels first.
Tensor graph_input(const Dataset& samples) {
  Tensor x{"input", {samples.count}, {}};
  x.shape.insert(x.shape.end(), samples.shape.begin(), samples.shape.end());
  const std::size_t size = static_cast<std::size_t>(samples.sample_size());
  const std::size_t channels = samples.is_image() ? static_cast<std::size_t>(samples.shape[0]) : 1, area = size / channels;
  for (std::size_t n = 0; n < static_cast<std::size_t>(samples.count); ++n)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < area; ++p) {
        const std::size_t at = n * size + p * channels + c;
        x.values.push_back(samples.bytes.empty() ? samples.floats[at] : static_cast<float>(samples.bytes[at]));
      }
  return x;
}

Result<void> write(const ZooModel& each, const std::filesystem::path& directory) {
  if (const auto written = write_onnx(each.model, directory / (each.name + ".onnx")); !written) return written;
  const auto back = read_onnx(directory / (each.name + ".onnx"));
  if (!back) return back.error();
  auto predictor = Predictor::create(*back, {3, 2, 1});
  if (!predictor) return predictor.error();
  auto outputs = predictor->outputs(each.samples);
  if (!outputs) return outputs.error();
  const std::int64_t width = static_cast<std::int64_t>(outputs->size()) / each.samples.count;
  const TensorFile file{{graph_input(each.samples), {"output", {each.samples.count, width}, std::move(*outputs)}}, {}};
  return write_safetensors(file, directory / (each.name + ".safetensors"));
}

/// The model in 8 bits, where it has such a form.
std::optional<ZooModel> in_8_bits(const ZooModel& each) {
  auto model = quantize(each.model, each.samples);
  if (!model) return std::nullopt;
  return ZooModel{each.name + ".int8", std::move(*model), each.samples};
}

}  // namespace
}  // namespace soma

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "usage: write_zoo DIRECTORY\n");
    return 2;
  }
  auto all = soma::zoo();
  for (std::size_t i = 0, plain = all.size(); i < plain; ++i)
    if (auto bytes = soma::in_8_bits(all[i])) all.push_back(std::move(*bytes));
  for (const soma::ZooModel& each : all)
    if (const auto written = soma::write(each, words[1]); !written) {
      std::fprintf(stderr, "%s: %s\n", each.name.c_str(), written.error().message.c_str());
      return 1;
    }
  return 0;
}
