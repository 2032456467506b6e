// a Layout → bytecode that computes it: what every program for the kernel has in common.
#include "inkernel/emitter.h"

#include <algorithm>
#include <bit>

namespace soma::bpf {
namespace {

constexpr std::int64_t kMostUnrolled = 2;  // quads of rows: a loop's turn takes as long as the rest of a small network's

}  // namespace

void Emitter::index(Register to, const Loop& loop) {
  if (!loop.slot) return code_.mov(to, 0);
  code_.load(Size::dword, to, counters(), *loop.slot);
  code_.jump(Jump::ge, to, static_cast<std::int32_t>(loop.count), loop.end);
}

void Emitter::address(Register to, Register base, std::int64_t offset, std::initializer_list<Stride> strides) {
  code_.mov(to, base);
  code_.add(to, static_cast<std::int32_t>(offset));
  for (const Stride& stride : strides) {
    if (stride.loop == nullptr || !stride.loop->slot || stride.step == 0) continue;
    index(r0, *stride.loop);
    code_.alu(Alu::mul, r0, static_cast<std::int32_t>(stride.step));
    code_.add(to, r0);
    code_.checkpoint();
  }
}

void Emitter::fill(const ValueLayout& value) {
  if (!value.filled) return;
  loop((value.size() + 63) / 64, [&](const Loop& part) {
    address(r1, r6, value.at, {{&part, 64}});
    code_.mov(r3, r7);
    code_.add(r3, static_cast<std::int32_t>(value.fill));
    code_.load(Size::dword, r2, r3, 0);
    for (int i = 0; i < 8; ++i) code_.store(Size::dword, r1, 8 * i, r2);
  });
}

// ------------------------------------------------------------------------------------------------ inputs

void Emitter::inputs(ValueType type) {
  const ValueLayout& value = layout_.values[0];
  fill(value);
  const std::int64_t lines = value.filled ? value.h : 1, count = layout_.inputs / lines;
  loop(lines, [&](const Loop& line) { convert(type, count, line, value.filled ? value.row() : 0); });
}

void Emitter::bytes(std::int64_t from) {
  const ValueLayout& value = layout_.values[0];
  fill(value);
  const std::int64_t lines = value.filled ? value.h : 1;
  loop(lines, [&](const Loop& line) { copy_line(from, layout_.inputs / lines, line, value.filled ? value.row() : 0); });
}

/// Words; without a margin the last one may reach behind the values.
void Emitter::copy_line(std::int64_t source, std::int64_t count, const Loop& line, std::int64_t whole_line) {
  const std::int64_t to = layout_.values[0].inside();
  const std::int64_t words = whole_line == 0 ? (count + 7) / 8 : count / 8, at_once = std::min<std::int64_t>(words, 8);
  const auto move = [&](std::int64_t from, std::int64_t bytes) {
    code_.load(bytes == 8 ? Size::dword : Size::byte, r1, r8, from);
    code_.store(bytes == 8 ? Size::dword : Size::byte, r9, from, r1);
  };
  if (at_once > 0)
    loop(words / at_once, [&](const Loop& part) {
      address(r8, r6, source, {{&line, count}, {&part, at_once * 8}});
      address(r9, r6, to, {{&line, whole_line}, {&part, at_once * 8}});
      for (std::int64_t i = 0; i < at_once; ++i) move(8 * i, 8);
    });
  const std::int64_t done = at_once == 0 ? 0 : words / at_once * at_once;
  if (done * 8 >= count) return;
  address(r8, r6, source + done * 8, {{&line, count}});
  address(r9, r6, to + done * 8, {{&line, whole_line}});
  for (std::int64_t i = done; i < words; ++i) move(8 * (i - done), 8);
  for (std::int64_t i = words * 8; i < count; ++i) move(i - done * 8, 1);
}

/// `count` values of a line → bytes.
void Emitter::convert(ValueType type, std::int64_t count, const Loop& line, std::int64_t whole_line) {
  const std::int64_t size = message::bytes_of(type), to = layout_.values[0].inside();
  if (type == ValueType::byte && layout_.identity) return copy_line(layout_.raw, count, line, whole_line);
  const std::int64_t tables = layout_.tables, table = type == ValueType::byte ? 256 : 1024;
  const std::int64_t base = type == ValueType::byte    ? layout_.byte_tables
                            : type == ValueType::int16 ? layout_.short_tables
                                                       : layout_.float_tables;
  const std::int64_t unit = tables == 1 ? std::min<std::int64_t>(count, 8) : tables;
  const auto source = [&](std::int64_t first, const Loop& part) {
    address(r8, r6, layout_.raw + first * size, {{&line, count * size}, {&part, unit * size}});
    address(r9, r6, to + first, {{&line, whole_line}, {&part, unit}});
  };
  if (tables > 8) {
    loop(count / tables, [&](const Loop& place) {
      loop(tables, [&](const Loop& each) {
        address(r8, r6, layout_.raw, {{&line, count * size}, {&place, tables * size}, {&each, size}});
        address(r9, r6, to, {{&line, whole_line}, {&place, tables}, {&each, 1}});
        address(r5, r7, base, {{&each, table}});
        element(type, 0);
      });
    });
    return;
  }
  loop(count / unit, [&](const Loop& part) {
    source(0, part);
    for (std::int64_t i = 0; i < unit; ++i) {
      if (i == 0 || tables > 1) address(r5, r7, base + i % tables * table);
      element(type, i);
    }
  });
  const std::int64_t done = count / unit * unit;
  if (done == count) return;
  source(done, {});
  address(r5, r7, base);
  for (std::int64_t i = done; i < count; ++i) element(type, i - done);
}

void Emitter::element(ValueType type, std::int64_t at) {
  if (type == ValueType::byte) {
    code_.load(Size::byte, r1, r8, at);
    code_.mov(r2, r5);
    code_.add(r2, r1);
    code_.checkpoint();
    code_.load(Size::byte, r0, r2, 0);
    return code_.store(Size::byte, r9, at, r0);
  }
  if (type == ValueType::int16) {
    code_.load(Size::half, r1, r8, 2 * at);
    code_.alu(Alu::bit_xor, r1, 0x8000);  // value + 2^15
  } else {
    // bits ^ (sign ? all : the sign); NaN becomes 0, below every threshold.
    code_.load(Size::word, r1, r8, 4 * at);
    code_.mov(r2, r1);
    code_.alu(Alu::bit_and, r2, 0x7fffffff);
    code_.mov(r0, 0x7f800000);
    code_.alu(Alu::sub, r0, r2);
    code_.alu(Alu::arsh, r0, 63);
    code_.alu(Alu::bit_xor, r0, -1);
    code_.mov(r2, r1);
    code_.alu(Alu::lsh, r2, 32);
    code_.alu(Alu::arsh, r2, 63);
    code_.alu(Alu::rsh, r2, 32);
    code_.mov(r3, 1);
    code_.alu(Alu::lsh, r3, 31);
    code_.alu(Alu::bit_or, r2, r3);
    code_.alu(Alu::bit_xor, r1, r2);
    code_.alu(Alu::bit_and, r1, r0);
  }
  from_key(at);
}

/// The byte is how many thresholds are not above the key.
void Emitter::from_key(std::int64_t at) {
  code_.add(r1, 1);
  code_.mov(r2, r5);
  code_.mov(r3, 0);
  for (int half = 128; half >= 1; half /= 2) {
    code_.load(Size::word, r0, r2, 4 * half);
    code_.alu(Alu::sub, r0, r1);
    flag_to(r0, 4 * half);
    code_.add(r3, r0);
    if (half == 1) break;
    code_.add(r2, r0);
    code_.checkpoint();
  }
  code_.alu(Alu::rsh, r3, 2);
  code_.store(Size::byte, r9, at, r3);
}

// ------------------------------------------------------------------------------------------------ network

void Emitter::network() {
  code_.store(Size::dword, r6, layout_.best, 0);
  for (const auto& each : layout_.steps) std::visit([&](const auto& kind) { step(kind); }, each);
}

void Emitter::quads(const ProductLayout& step,
                    void (Emitter::*body)(const ProductLayout&, const Loop&, std::int64_t, std::int64_t)) {
  const std::int64_t whole = step.rows / 4;
  if (whole > kMostUnrolled) loop(whole, [&](const Loop& quad) { (this->*body)(step, quad, 0, 4); });
  for (std::int64_t quad = 0; quad < whole && whole <= kMostUnrolled; ++quad) (this->*body)(step, {}, 4 * quad, 4);
  if (step.rows % 4 != 0) (this->*body)(step, {}, step.rows / 4 * 4, step.rows % 4);
}

void Emitter::step(const ProductLayout& step) {
  if (!step.last) fill(layout_.values[step.y]);
  loop(step.out_h, [&](const Loop& row) {
    loop(step.out_w, [&](const Loop& column) {
      row_ = &row, column_ = &column;
      if (step.windows > 1) {
        loop((step.rows + 3) / 4, [&](const Loop& quad) {
          code_.mov(r1, -1);
          code_.alu(Alu::lsh, r1, 62);
          address(r2, r6, layout_.greatest, {{&quad, 32}});
          for (int j = 0; j < 4; ++j) code_.store(Size::dword, r2, 8 * j, r1);
        });
      }
      loop(step.windows / step.windows_w, [&](const Loop& window_row) {
        loop(step.windows_w, [&](const Loop& window_column) {
          address(r8, r6, layout_.values[step.x].at,
                  {{&row, step.row_step},
                   {&column, step.column_step},
                   {&window_row, step.window_row},
                   {&window_column, step.window_column}});
          pack(step);
          quads(step, &Emitter::sums);
        });
      });
      quads(step, step.last ? &Emitter::outputs : &Emitter::requantise);
    });
  });
}

/// The window at r8 → packed words.
void Emitter::pack(const ProductLayout& step) {
  const auto group = [&](std::int64_t a, std::int64_t b, std::int64_t c, Register to, std::int64_t at) {
    code_.load(Size::byte, r1, r8, a);
    if (b >= 0) {
      code_.load(Size::byte, r2, r8, b);
      code_.alu(Alu::lsh, r2, 21);
      code_.alu(Alu::bit_or, r1, r2);
    }
    if (c >= 0) {
      code_.load(Size::byte, r3, r8, c);
      code_.alu(Alu::lsh, r3, 42);
      code_.alu(Alu::bit_or, r1, r3);
    }
    code_.store(Size::dword, to, at, r1);
  };
  if (!step.taps.empty()) {
    const std::int64_t count = std::ssize(step.taps);
    const auto tap = [&](std::int64_t i) { return i < count ? step.taps[static_cast<std::size_t>(i)] : -1; };
    for (std::int64_t g = 0; 3 * g < count; ++g) group(tap(3 * g), tap(3 * g + 1), tap(3 * g + 2), r6, layout_.packed + 8 * g);
    for (std::int64_t g = (count + 2) / 3; g < step.blocks * step.groups; ++g)
      code_.store(Size::dword, r6, layout_.packed + 8 * g, 0);
    return;
  }
  loop(step.blocks, [&](const Loop& block) {
    address(r8, r6, layout_.values[step.x].at, {{&block, 3 * step.groups}});
    address(r9, r6, layout_.packed, {{&block, 8 * step.groups}});
    for (std::int64_t g = 0; g < step.groups; ++g) group(3 * g, 3 * g + 1, 3 * g + 2, r9, 8 * g);
  });
}

void Emitter::sums(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows) {
  if (step.blocks == 1) {
    block(step, quad, first, rows);
  } else {
    address(r1, r6, layout_.sums + 8 * first, {{&quad, 32}});
    for (std::int64_t j = 0; j < rows; ++j) code_.store(Size::dword, r1, 8 * j, 0);
    block(step, quad, first, rows);
  }
  if (step.windows == 1) return;
  address(r8, r6, layout_.sums + 8 * first, {{&quad, 32}});
  address(r9, r6, layout_.greatest + 8 * first, {{&quad, 32}});
  for (std::int64_t j = 0; j < rows; ++j) {
    code_.load(Size::dword, r1, r8, 8 * j);
    code_.load(Size::dword, r2, r9, 8 * j);
    greatest_of(r2, r1, r3);
    code_.store(Size::dword, r9, 8 * j, r2);
  }
}

/// to = its sign bit · `power` of two, by shifts: a mask with a constant behind an arithmetic one makes the verifier of
/// Linux 6.18 follow both values of it.
void Emitter::flag_to(Register to, int power) {
  code_.alu(Alu::rsh, to, 63);
  code_.alu(Alu::lsh, to, std::countr_zero(static_cast<unsigned>(power)));
}

/// kept = max(kept, other), both far from the ends of 64 bits.
void Emitter::greatest_of(Register kept, Register other, Register scratch) {
  code_.mov(r0, kept);
  code_.alu(Alu::sub, r0, other);
  code_.mov(scratch, r0);
  code_.alu(Alu::arsh, scratch, 63);
  code_.alu(Alu::bit_and, r0, scratch);
  code_.alu(Alu::sub, kept, r0);
}

void Emitter::block(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows) {
  const std::int64_t words = step.blocks * step.groups;
  const auto sum_of = [](std::int64_t j) { return static_cast<Register>(r2 + j); };
  loop(step.blocks, [&](const Loop& block) {
    address(r8, r6, layout_.packed, {{&block, 8 * step.groups}});
    address(r9, r7, step.weights + first * words * 8, {{&quad, 4 * words * 8}, {&block, step.groups * rows * 8}});
    for (std::int64_t j = 0; j < rows; ++j) {
      code_.mov(sum_of(j), 1);  // the lower lanes' sums may be negative: they must not borrow from the upper one
      code_.alu(Alu::lsh, sum_of(j), 42);
    }
    for (std::int64_t g = 0; g < step.groups; ++g) {
      code_.load(Size::dword, r1, r8, 8 * g);
      for (std::int64_t j = 0; j < rows; ++j) {
        code_.load(Size::dword, r0, r9, 8 * (g * rows + j));
        code_.alu(Alu::mul, r0, r1);
        code_.add(sum_of(j), r0);
      }
    }
    address(r8, r6, layout_.sums + 8 * first, {{&quad, 32}});
    for (std::int64_t j = 0; j < rows; ++j) {
      code_.alu(Alu::arsh, sum_of(j), 43);
      if (step.blocks > 1) {
        code_.load(Size::dword, r0, r8, 8 * j);
        code_.add(sum_of(j), r0);
      }
      code_.store(Size::dword, r8, 8 * j, sum_of(j));
    }
  });
}

void Emitter::requantise(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows) {
  const ValueLayout& y = layout_.values[step.y];
  address(r8, r6, (step.windows > 1 ? layout_.greatest : layout_.sums) + 8 * first, {{&quad, 32}});
  address(r9, r7, step.parameters + first * kRowBytes, {{&quad, 4 * kRowBytes}});
  address(r5, r6, y.inside() + first, {{row_, y.row()}, {column_, y.c}, {&quad, 4}});
  for (std::int64_t j = 0; j < rows; ++j) {
    const std::int64_t at = j * kRowBytes;
    code_.load(Size::dword, r1, r8, 8 * j);
    code_.load(Size::dword, r2, r9, at + kBias);
    code_.add(r1, r2);
    code_.load(Size::word, r2, r9, at + kMultiplier);
    code_.alu(Alu::mul, r1, r2);
    code_.load(Size::dword, r2, r9, at + kHalf);
    code_.add(r1, r2);
    code_.load(Size::half, r2, r9, at + kShift);
    code_.alu(Alu::arsh, r1, r2);
    code_.load(Size::half, r2, r9, at + kZero);
    code_.add(r1, r2);
    code_.mov(r2, r1);  // max(0, …), then min(…, 255), without a branch: the verifier would follow both ways of each
    code_.alu(Alu::arsh, r2, 63);
    code_.alu(Alu::bit_xor, r2, -1);
    code_.alu(Alu::bit_and, r1, r2);
    code_.mov(r2, 255);
    code_.alu(Alu::sub, r2, r1);
    code_.alu(Alu::arsh, r2, 63);
    code_.alu(Alu::bit_or, r1, r2);
    code_.store(Size::byte, r5, j, r1);
  }
}

/// float(sum) · scale as the processor rounds it, to nearest and halves to even, both times.
void Emitter::outputs(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows) {
  address(r8, r6, layout_.sums + 8 * first, {{&quad, 32}});
  address(r9, r7, step.parameters + first * kRowBytes, {{&quad, 4 * kRowBytes}});
  for (std::int64_t j = 0; j < rows; ++j) {
    const std::int64_t at = j * kRowBytes;
    code_.load(Size::dword, r1, r8, 8 * j);
    code_.load(Size::dword, r2, r9, at + kBias);
    code_.add(r1, r2);
    code_.mov(r4, r1);
    code_.alu(Alu::arsh, r4, 63);  // all ones where it is negative
    code_.alu(Alu::bit_xor, r1, r4);
    code_.alu(Alu::sub, r1, r4);
    code_.mov(r0, 31);  // the highest bit to place 31; where it was, in r0
    for (int half = 16; half >= 1; half /= 2) {
      code_.mov(r2, r1);
      code_.alu(Alu::rsh, r2, 32 - half);
      code_.alu(Alu::sub, r2, 1);
      flag_to(r2, half);
      code_.alu(Alu::lsh, r1, r2);
      code_.alu(Alu::sub, r0, r2);
    }
    code_.mov(r2, r1);  // to 24 bits
    code_.alu(Alu::rsh, r2, 8);
    code_.alu(Alu::bit_and, r2, 1);
    code_.add(r1, r2);
    code_.add(r1, 127);
    code_.alu(Alu::rsh, r1, 8);
    code_.load(Size::word, r2, r9, at + kSignificand);
    code_.alu(Alu::mul, r1, r2);  // 46 to 48 bits, to 24
    code_.mov(r2, r1);
    code_.alu(Alu::rsh, r2, 47);
    code_.add(r0, r2);
    code_.add(r2, 22);
    code_.mov(r3, 1);
    code_.alu(Alu::lsh, r3, r2);
    code_.alu(Alu::sub, r3, 1);
    code_.add(r2, 1);
    code_.mov(r5, r1);
    code_.alu(Alu::rsh, r5, r2);
    code_.alu(Alu::bit_and, r5, 1);
    code_.add(r1, r3);
    code_.add(r1, r5);
    code_.alu(Alu::rsh, r1, r2);
    code_.mov(r3, 0);  // a sum of 0 has no highest bit
    code_.alu(Alu::sub, r3, r1);
    code_.alu(Alu::arsh, r3, 63);
    code_.load(Size::word, r2, r9, at + kExponent);
    code_.add(r0, r2);
    code_.alu(Alu::sub, r0, 1);
    code_.alu(Alu::lsh, r0, 23);
    code_.add(r1, r0);
    code_.alu(Alu::bit_and, r1, r3);
    code_.mov(r2, r4);
    code_.alu(Alu::lsh, r2, 63);
    code_.alu(Alu::rsh, r2, 32);
    code_.alu(Alu::bit_or, r1, r2);
    code_.store(Size::dword, r8, 8 * j, r1);
    code_.alu(Alu::rsh, r4, 32);  // the first of the greatest: its order as a number, then its place
    code_.mov(r2, 1);
    code_.alu(Alu::lsh, r2, 31);
    code_.alu(Alu::bit_or, r4, r2);
    code_.alu(Alu::bit_xor, r1, r4);
    code_.alu(Alu::lsh, r1, 16);
    index(r2, quad);
    code_.alu(Alu::mul, r2, -4);
    code_.add(r2, static_cast<std::int32_t>(65535 - first - j));
    code_.alu(Alu::bit_or, r1, r2);
    code_.load(Size::dword, r2, r6, layout_.best);
    greatest_of(r2, r1, r3);
    code_.store(Size::dword, r6, layout_.best, r2);
  }
}

void Emitter::step(const PoolLayout& step) {
  const ValueLayout &x = layout_.values[step.x], &y = layout_.values[step.y];
  fill(y);
  loop(y.h, [&](const Loop& row) {
    loop(y.w, [&](const Loop& column) {
      loop(y.c, [&](const Loop& channel) {
        address(r8, r6, x.at, {{&row, step.row_step}, {&column, step.column_step}, {&channel, 1}});
        code_.mov(r2, 0);
        for (std::int64_t i = 0; i < step.size_h * step.size_w; ++i) {
          code_.load(Size::byte, r1, r8, i / step.size_w * x.row() + i % step.size_w * x.c);
          greatest_of(r2, r1, r3);
        }
        address(r9, r6, y.inside(), {{&row, y.row()}, {&column, y.c}, {&channel, 1}});
        code_.store(Size::byte, r9, 0, r2);
      });
    });
  });
}

}  // namespace soma::bpf
