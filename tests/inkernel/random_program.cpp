// a seed → a random integer program with ugly shapes and extreme numbers, and a sample for it.
#include "inkernel/random_program.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace soma::test {
namespace {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_u32(seed_, stream(Stream::test), next_++)) % end;
  }
  std::int64_t from(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  bool one_in(std::int64_t n) { return below(n) == 0; }

 private:
  std::uint64_t seed_, next_ = 0;
};

void fill(IntegerProduct& step, std::int64_t depth, bool last, Draw& draw) {
  const int style = static_cast<int>(draw.below(4));
  for (std::int64_t o = 0; o < step.out; ++o) {
    std::int64_t largest = 0;
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::int64_t w = style == 0   ? 127
                             : style == 1 ? -127
                             : style == 2 ? (draw.one_in(2) ? 127 : -127)
                                          : draw.from(-127, 127);
      step.weights.push_back(static_cast<std::int8_t>(w));
      largest += 255 * std::abs(w);
    }
    const std::int64_t room = std::min<std::int64_t>(INT32_MAX - largest, draw.one_in(3) ? INT32_MAX : 100'000);
    step.bias.push_back(static_cast<std::int32_t>(draw.from(-room, room)));
    if (last) continue;
    const bool extreme = draw.one_in(5);
    step.multiplier.push_back(extreme ? (draw.one_in(2) ? 0 : INT32_MAX)
                                      : static_cast<std::int32_t>(draw.from(1 << 30, INT32_MAX)));
    // Most sums become bytes between the ends.
    const auto bits = static_cast<std::int64_t>(std::log2(static_cast<double>(largest) + 1000));
    step.shift.push_back(
        static_cast<std::int32_t>(extreme ? draw.from(31, 62) : std::clamp<std::int64_t>(bits + 22 + draw.below(3), 31, 62)));
  }
}

}  // namespace

IntegerProgram random_program(std::uint64_t seed) {
  Draw draw(seed);
  IntegerProgram program;
  const auto zero = [&] { return static_cast<std::int32_t>(draw.one_in(2) ? 0 : draw.one_in(3) ? 255 : draw.below(256)); };
  const bool image = draw.one_in(2);
  IntegerValue x = image ? IntegerValue{draw.from(1, 9), draw.from(1, 9), draw.from(1, 4), zero()}
                         : IntegerValue{1, 1, draw.from(1, 90), zero()};
  program.values.push_back(x);
  const auto add = [&](auto step, IntegerValue y) {
    step.x = program.values.size() - 1;
    step.y = program.values.size();
    program.values.push_back(y);
    program.steps.emplace_back(std::move(step));
    x = y;
  };
  const auto pool = [&] {
    IntegerPool step;
    Pool& p = step.pool;
    p.size_h = std::min<std::int64_t>(x.h, draw.from(1, 3)), p.size_w = std::min<std::int64_t>(x.w, draw.from(1, 3));
    const bool apart = draw.one_in(2);
    p.stride_h = apart ? p.size_h : draw.from(1, 3), p.stride_w = apart ? p.size_w : draw.from(1, 3);
    if (!apart) p.padding_h = draw.below(p.size_h / 2 + 1), p.padding_w = draw.below(p.size_w / 2 + 1);
    add(step,
        {(x.h + 2 * p.padding_h - p.size_h) / p.stride_h + 1, (x.w + 2 * p.padding_w - p.size_w) / p.stride_w + 1, x.c, x.zero});
  };
  for (std::int64_t i = draw.below(3); image && i > 0; --i) {
    IntegerProduct step;
    step.out = draw.from(1, 9);
    step.kernel_h = draw.from(1, 5), step.kernel_w = draw.from(1, 5);
    step.stride_h = draw.from(1, 2), step.stride_w = draw.from(1, 2);
    step.padding_h = draw.below(step.kernel_h / 2 + 1), step.padding_w = draw.below(step.kernel_w / 2 + 1);
    if (draw.one_in(4)) step.dilation_h = 2, step.dilation_w = draw.from(1, 2);
    const auto extent = [](std::int64_t n, std::int64_t k, std::int64_t s, std::int64_t p, std::int64_t d) {
      const std::int64_t room = n + 2 * p - d * (k - 1) - 1;
      return room < 0 ? 0 : room / s + 1;
    };
    step.out_h = extent(x.h, step.kernel_h, step.stride_h, step.padding_h, step.dilation_h);
    step.out_w = extent(x.w, step.kernel_w, step.stride_w, step.padding_w, step.dilation_w);
    if (step.out_h < 1 || step.out_w < 1) continue;
    fill(step, step.kernel_h * step.kernel_w * x.c, false, draw);
    const IntegerValue y{step.out_h, step.out_w, step.out, zero()};
    add(std::move(step), y);
    for (std::int64_t pools = draw.below(3); pools > 0; --pools) pool();
  }
  const std::int64_t layers = draw.from(1, 3);
  for (std::int64_t i = 1; i <= layers; ++i) {
    IntegerProduct step;
    step.out = draw.from(1, i == layers ? 12 : 40);
    step.kernel_h = x.h, step.kernel_w = x.w;
    fill(step, x.size(), i == layers, draw);
    const IntegerValue y{1, 1, step.out, zero()};
    add(std::move(step), y);
  }
  const bool spread = draw.one_in(3);
  for (std::int64_t o = 0; o < x.c; ++o)
    program.output_scales.push_back(std::ldexp(1 + static_cast<float>(draw.below(1 << 23)) * 0x1p-23F,
                                               static_cast<int>(spread ? draw.from(-126, 90) : draw.from(-12, 0))));
  return program;
}

std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::int64_t count) {
  Draw draw(seed ^ 0x5eed);
  const bool extreme = draw.one_in(3);
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; i < count; ++i)
    bytes.push_back(static_cast<std::uint8_t>(extreme ? 255 * draw.below(2) : draw.below(256)));
  return bytes;
}

bpf::InputTables plain_tables() {
  bpf::InputTables tables;
  tables.identity = true;
  for (int i = 0; i < 256; ++i) {
    tables.bytes.push_back(static_cast<std::uint8_t>(i));
    tables.shorts.push_back(static_cast<std::uint32_t>(32768 + i));
    tables.floats.push_back(bpf::float_key(static_cast<float>(i)));
  }
  return tables;
}

std::vector<std::uint8_t> values_of(ValueType type, const std::vector<std::uint8_t>& x) {
  std::vector<std::uint8_t> values;
  for (const std::uint8_t byte : x) {
    const float real = byte;
    const std::int16_t whole = byte;
    const auto put = [&](const void* from, std::size_t size) {
      const auto* bytes = static_cast<const std::uint8_t*>(from);
      values.insert(values.end(), bytes, bytes + size);
    };
    if (type == ValueType::byte) put(&byte, 1);
    if (type == ValueType::int16) put(&whole, 2);
    if (type == ValueType::float32) put(&real, 4);
  }
  return values;
}

}  // namespace soma::test
