// an IntegerProgram + what its inputs become → where everything lies for bytecode: the model's image, and the scratch of one run.
#include "inkernel/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace soma::bpf {
namespace {

constexpr std::int64_t kMostTaps = 1024;      // they are unrolled
constexpr std::int64_t kMostScratch = 32768;  // of a per-CPU map's value, and what a load's offset reaches
constexpr std::int64_t kMostOutputs = 256;    // in one answer
constexpr std::int64_t kBehind = 64;          // bytes behind a value that whole words may touch

template <class T>
void put(std::vector<std::uint8_t>& image, std::int64_t at, T value) {
  std::memcpy(image.data() + at, &value, sizeof(value));
}

class Preparation {
 public:
  Preparation(const IntegerProgram& program, const InputTables& tables) : program_(program), tables_(tables) {}

  Result<Prepared> make(std::uint32_t tag, std::int64_t raw) {
    if (!program_.tail.empty())
      return refuse("outputs that are the last linear layer's sums", "a layer in real numbers behind it");
    if (program_.outputs() > kMostOutputs) return refuse(fmt::format("at most {} outputs", kMostOutputs), program_.outputs());
    Layout& layout = made_.layout;
    layout.raw = raw;
    layout.inputs = program_.inputs();
    layout.outputs = program_.outputs();
    layout.tables = tables_.tables;
    layout.identity = tables_.identity;
    claim(kImageHead);
    put(made_.image, kTag, tag);
    layout.byte_tables = copy(tables_.bytes);
    layout.short_tables = copy(tables_.shorts);
    layout.float_tables = copy(tables_.floats);
    layout.values.push_back(value_of(program_.values[0]));
    for (std::size_t i = 0; i < program_.steps.size(); ++i)
      if (const auto* pool = std::get_if<IntegerPool>(&program_.steps[i]))
        add(*pool);
      else
        i += add(std::get<IntegerProduct>(program_.steps[i]),
                 i + 1 < program_.steps.size() ? std::get_if<IntegerPool>(&program_.steps[i + 1]) : nullptr);
    if (layout.values[0].filled && layout.tables > 8 && layout.tables != layout.values[0].c)
      return refuse("preprocessing per channel in front of a padded convolution", "a number for each feature");
    if (most_taps_ > kMostTaps) return refuse(fmt::format("windows of at most {} weights", kMostTaps), most_taps_);
    place_scratch();
    if (layout.scratch > kMostScratch)
      return refuse(fmt::format("values that fit {} bytes together", kMostScratch), layout.scratch);
    made_.image.resize(made_.image.size() + kBehind);  // loads near the end stay inside, also where the kernel masks indices
    layout.image = std::ssize(made_.image);
    return std::move(made_);
  }

 private:
  template <class T>
  static Error refuse(const std::string& wanted, const T& got) {
    return {Error::Kind::usage, fmt::format("kernel: wanted {}, got {}; try soma serve", wanted, got)};
  }

  std::int64_t claim(std::int64_t bytes) {
    const std::int64_t at = std::ssize(made_.image);
    made_.image.resize(static_cast<std::size_t>((at + bytes + 7) / 8 * 8));
    return at;
  }

  template <class T>
  std::int64_t copy(const std::vector<T>& from) {
    const std::int64_t at = claim(std::ssize(from) * static_cast<std::int64_t>(sizeof(T)));
    if (!from.empty()) std::memcpy(made_.image.data() + at, from.data(), from.size() * sizeof(T));
    return at;
  }

  static ValueLayout value_of(const IntegerValue& value) {
    ValueLayout layout;
    layout.h = value.h, layout.w = value.w, layout.c = value.c;
    return layout;
  }

  void give_margin(std::size_t value, std::int64_t h, std::int64_t w, std::int32_t zero) {
    ValueLayout& layout = made_.layout.values[value];
    layout.margin_h = h, layout.margin_w = w;
    layout.filled = h + w > 0;
    if (!layout.filled) return;
    layout.fill = claim(8);
    put(made_.image, layout.fill, static_cast<std::uint64_t>(zero) * 0x0101010101010101);
  }

  /// How many of the steps behind it the product took along.
  std::size_t add(const IntegerProduct& from, const IntegerPool* pool) {
    ProductLayout step;
    step.x = made_.layout.values.size() - 1;
    step.y = step.x + 1;
    step.rows = from.out;
    step.last = from.last();
    give_margin(step.x, from.padding_h, from.padding_w, program_.values[from.x].zero);
    const ValueLayout& x = made_.layout.values[step.x];
    const std::int64_t depth = from.kernel_h * from.kernel_w * x.c;
    const bool whole = depth == x.size() && !x.filled && from.dilation_h == 1 && from.dilation_w == 1;
    for (std::int64_t i = 0; i < depth && !whole; ++i)
      step.taps.push_back(i / x.c / from.kernel_w * from.dilation_h * x.row() + i / x.c % from.kernel_w * from.dilation_w * x.c +
                          i % x.c);
    most_taps_ = std::max(most_taps_, std::ssize(step.taps));
    step.row_step = from.stride_h * x.row();
    step.column_step = from.stride_w * x.c;
    std::size_t y = from.y;
    const bool take = pool != nullptr && pool->pool.padding_h + pool->pool.padding_w == 0 &&
                      pool->pool.stride_h == pool->pool.size_h && pool->pool.stride_w == pool->pool.size_w;
    if (take) {
      y = pool->y;
      step.windows = pool->pool.size_h * pool->pool.size_w;
      step.windows_w = pool->pool.size_w;
      step.window_row = step.row_step;
      step.window_column = step.column_step;
      step.row_step *= pool->pool.size_h;
      step.column_step *= pool->pool.size_w;
    }
    step.out_h = program_.values[y].h;
    step.out_w = program_.values[y].w;
    const std::int64_t groups = (depth + 2) / 3;
    step.blocks = (groups + kGroupsInBlock - 1) / kGroupsInBlock;
    step.groups = (groups + step.blocks - 1) / step.blocks;
    step.weights = claim(step.blocks * step.groups * step.rows * 8);
    step.parameters = claim(step.rows * kRowBytes);
    for (std::int64_t row = 0; row < step.rows; ++row) put_row(step, from, row, depth);
    made_.layout.values.push_back(value_of(program_.values[y]));
    made_.layout.steps.emplace_back(std::move(step));
    return take ? 1 : 0;
  }

  void put_row(const ProductLayout& step, const IntegerProduct& from, std::int64_t row, std::int64_t depth) {
    const std::int64_t quad = row / 4, in_quad = std::min<std::int64_t>(4, step.rows - quad * 4);
    const std::int64_t words = step.blocks * step.groups;
    const auto weight = [&](std::int64_t i) {
      return i < depth ? static_cast<std::int64_t>(from.weights[static_cast<std::size_t>(row * depth + i)]) : 0;
    };
    for (std::int64_t g = 0; g < words; ++g) {
      // x0 | x1<<21 | x2<<42 times this has x0·w0 + x1·w1 + x2·w2 in bits 43 to 63.
      const std::int64_t word =
          (weight(3 * g + 2) + weight(3 * g + 1) * (std::int64_t{1} << 21) + weight(3 * g) * (std::int64_t{1} << 42)) * 2;
      put(made_.image, step.weights + (quad * 4 * words + g * in_quad + row % 4) * 8, word);
    }
    const auto o = static_cast<std::size_t>(row);
    const std::int64_t at = step.parameters + row * kRowBytes;
    put(made_.image, at + kBias, std::int64_t{from.bias[o]});
    if (step.last) {
      const auto bits = std::bit_cast<std::uint32_t>(program_.output_scales[o]);
      put(made_.image, at + kSignificand, (bits & 0x7fffff) | 0x800000);
      put(made_.image, at + kExponent, bits >> 23);
      return;
    }
    put(made_.image, at + kMultiplier, from.multiplier[o]);
    put(made_.image, at + kShift, static_cast<std::uint16_t>(from.shift[o]));
    put(made_.image, at + kZero, static_cast<std::uint16_t>(program_.values[from.y].zero));
    put(made_.image, at + kHalf, std::int64_t{1} << (from.shift[o] - 1));
  }

  void add(const IntegerPool& from) {
    PoolLayout step;
    step.x = made_.layout.values.size() - 1;
    step.y = step.x + 1;
    give_margin(step.x, from.pool.padding_h, from.pool.padding_w, 0);  // no byte is less, so what is outside never wins
    const ValueLayout& x = made_.layout.values[step.x];
    step.size_h = from.pool.size_h, step.size_w = from.pool.size_w;
    step.row_step = from.pool.stride_h * x.row();
    step.column_step = from.pool.stride_w * x.c;
    made_.layout.values.push_back(value_of(program_.values[from.y]));
    made_.layout.steps.emplace_back(step);
  }

  void place_scratch() {
    Layout& layout = made_.layout;
    std::int64_t at = layout.raw + message::value_bytes(ValueType::float32, layout.inputs) + kBehind;
    const auto take = [&](std::int64_t bytes) {
      const std::int64_t here = (at + 7) / 8 * 8;
      at = here + bytes;
      return here;
    };
    std::int64_t words = 0, rows = 0;
    for (const auto& each : layout.steps)
      if (const auto* step = std::get_if<ProductLayout>(&each)) {
        words = std::max(words, step->blocks * step->groups);
        rows = std::max(rows, step->rows);
      }
    for (std::size_t i = 0; i + 1 < layout.values.size(); ++i) {
      std::int64_t bytes = layout.values[i].size();
      for (const auto& each : layout.steps)
        if (const auto* step = std::get_if<ProductLayout>(&each); step != nullptr && step->x == i)
          bytes = std::max(bytes, 3 * step->blocks * step->groups);
      layout.values[i].at = take(bytes + kBehind);
    }
    layout.packed = take(words * 8);
    layout.sums = take((rows + 3) * 8);
    layout.greatest = take((rows + 3) * 8);
    layout.best = take(8);
    if (layout.raw == kValues) layout.stream = take(8 + stream_bytes(layout.inputs));
    layout.scratch = (at + kBehind + 7) / 8 * 8;
  }

  const IntegerProgram& program_;
  const InputTables& tables_;
  Prepared made_;
  std::int64_t most_taps_ = 0;
};

}  // namespace

std::uint32_t float_key(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000;
}

Result<Prepared> prepare(const IntegerProgram& program, const InputTables& tables, std::uint32_t tag, std::int64_t raw) {
  return Preparation(program, tables).make(tag, raw);
}

}  // namespace soma::bpf
