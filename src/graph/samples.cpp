// samples as soma's readers give them → what a graph's only input wants, batch by batch; its outputs for all of them.
#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"
#include "graph/array.h"
#include "graph/convert.h"
#include "soma/graph.h"

namespace soma {
namespace {

constexpr std::int64_t kBatch = 64;  // where the graph leaves it free

/// How a sample lies in the graph's input.
struct Layout {
  Shape sample;  ///< as a Dataset has it: {features} or {channels, height, width}
  bool channels_last = false;
  std::int64_t batch = 0;  ///< 0 = free
};

Result<Layout> layout_of(const std::vector<GraphPort>& inputs) {
  const auto wrong = [](std::string_view got) {
    return Error{
        Error::Kind::data,
        one_line(fmt::format(
            "wanted one input of numbers [batch, features] or [batch, channels, height, width], got {}; try soma run", got))};
  };
  if (inputs.size() != 1) return wrong(fmt::format("{} inputs", inputs.size()));
  const GraphPort& port = inputs[0];
  const auto rank = port.extents.size();
  if (!port.ranked || rank < 2 || rank > 4) return wrong(fmt::format("{} extents", rank));
  if ((bit(port.type) & (kNumbers | kBoolean)) == 0) return wrong(to_string(port.type));
  for (std::size_t d = 1; d < rank; ++d)
    if (port.extents[d] < 1 && rank > 2) return wrong("an extent that is not fixed");
  Layout layout{{port.extents.begin() + 1, port.extents.end()}, false, std::max<std::int64_t>(port.extents[0], 0)};
  Shape& sample = layout.sample;
  if (sample.size() == 2) sample.insert(sample.begin(), 1);
  if (sample.size() == 3 && sample[0] > 4 && sample[2] <= 4) {
    layout.channels_last = true;
    sample = {sample[2], sample[0], sample[1]};
  }
  return layout;
}

/// Rows [first, first + rows) as floats in the graph's order; `given` of them, beyond the last sample the last one again.
std::vector<float> rows_of(const Batches& batches, const Layout& layout, std::int64_t first, std::int64_t rows,
                           std::int64_t given) {
  const std::int64_t size = batches.row_size();
  std::vector<float> all(static_cast<std::size_t>(given * size));
  batches.fill(first, rows, all.data(), nullptr);
  for (std::int64_t i = rows; i < given; ++i) std::copy_n(all.data() + (rows - 1) * size, size, all.data() + i * size);
  const std::int64_t channels = layout.sample.size() == 3 && !layout.channels_last ? layout.sample[0] : 1, area = size / channels;
  if (channels == 1) return all;
  std::vector<float> turned(all.size());
  for (std::int64_t i = 0; i < given; ++i)
    for (std::int64_t p = 0; p < area; ++p)
      for (std::int64_t c = 0; c < channels; ++c)
        turned[static_cast<std::size_t>(i * size + c * area + p)] = all[static_cast<std::size_t>(i * size + p * channels + c)];
  return turned;
}

/// The first `rows` of an output that has `batch` of them, behind those that are there already.
Result<void> append(TypedArray& all, const TypedArray& part, std::int64_t batch, std::int64_t rows) {
  if (part.extents.empty() || part.extents[0] != batch)
    return Error{Error::Kind::data, fmt::format("wanted an output with a row for each of {} samples, got {}; try soma run", batch,
                                                to_string(part.extents))};
  if (all.extents.empty()) {
    all = {part.type, part.extents, {}, {}};
    all.extents[0] = 0;
  }
  all.extents[0] += rows;
  const auto share = [&](std::size_t n) {
    return static_cast<std::ptrdiff_t>(n / static_cast<std::size_t>(batch) * static_cast<std::size_t>(rows));
  };
  all.bytes.insert(all.bytes.end(), part.bytes.begin(), part.bytes.begin() + share(part.bytes.size()));
  all.strings.insert(all.strings.end(), part.strings.begin(), part.strings.begin() + share(part.strings.size()));
  return {};
}

}  // namespace

Result<DataOptions> Graph::data_options() const {
  const auto layout = layout_of(inputs());
  if (!layout) return layout.error();
  DataOptions options;
  if (layout->sample.size() == 3) options.image_shape = layout->sample;
  return options;
}

Result<std::vector<TypedArray>> Graph::run(const Dataset& samples, const Reading& reading) {
  const auto layout = layout_of(inputs());
  if (!layout) return layout.error();
  const bool fits =
      layout->sample.size() == 1 && layout->sample[0] < 0 ? samples.shape.size() == 1 : samples.shape == layout->sample;
  if (!fits)
    return Error{Error::Kind::data,
                 fmt::format("wanted samples of {}, got {}", to_string(layout->sample), to_string(samples.shape))};
  Preprocess preprocess;
  for (const std::string& text : reading.preprocess) {
    auto step = read_step(text, samples.shape);
    if (!step) return step.error();
    preprocess.steps.push_back(std::move(*step));
  }
  Batches batches(samples, std::move(preprocess), {}, 0, false);
  batches.begin_epoch(0);
  const std::int64_t batch = layout->batch > 0 ? layout->batch : std::min(kBatch, samples.count);
  Shape extents = inputs()[0].extents;
  if (extents.size() == 2) extents[1] = samples.sample_size();
  std::vector<TypedArray> all(outputs().size());
  for (std::int64_t first = 0; first < samples.count; first += batch) {
    const std::int64_t rows = std::min(batch, samples.count - first), given = layout->batch > 0 ? batch : rows;
    extents[0] = given;
    TypedArray x = array_of(extents, rows_of(batches, *layout, first, rows, given));
    if (const ElementType wanted = inputs()[0].type; wanted != ElementType::f32) {
      TypedArray other{wanted, extents, std::vector<std::byte>(x.bytes.size() / sizeof(float) * element_bytes(wanted)), {}};
      if (!convert({x.type, extents, x.bytes.data()}, {wanted, extents, other.bytes.data()}))
        return Error{Error::Kind::data, "wanted numbers, got text"};
      x = std::move(other);
    }
    const auto made = run(std::span<const TypedArray>(&x, 1));
    if (!made) return made.error();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (const auto appended = append(all[i], (*made)[i], given, rows); !appended) return appended.error();
  }
  return all;
}

}  // namespace soma
