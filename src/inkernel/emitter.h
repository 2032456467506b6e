// a Layout → bytecode that computes it: what every program for the kernel has in common.
#pragma once

#include "inkernel/assembler.h"
#include "inkernel/layout.h"

namespace soma::bpf {

/// Writes the parts of a network into an assembler. r6 points to the scratch, r7 to the image, nothing else is kept; every
/// register but these and r10 may change. Where a loop did not end as it must, control goes to `failed`.
///
/// Loops take may_goto, and count in the scratch: a counter out of memory is an unknown number on every turn, so the verifier
/// walks a body once, whatever the shape is.
class Emitter {
 public:
  Emitter(Assembler& code, const Layout& layout, Assembler::Label failed) : code_(code), layout_(layout), failed_(failed) {}

  /// Raw values (at layout.raw) → bytes of the first value.
  void inputs(ValueType type);
  /// First value → outputs at layout.sums, a float in each 8 bytes, and layout.best: key · 2^16 + 65 535 − class.
  void network();

  /// A loop of `count` turns. `body` may ask for its index and may hold other loops.
  struct Loop {
    std::int64_t count = 1, slot = -1;
    Assembler::Label end = 0;
  };
  template <class Body>
  void loop(std::int64_t count, const Body& body);
  /// to = the index, which the verifier knows to be below count.
  void index(Register to, const Loop& loop);

 private:
  /// to = base + offset + index · step (for each loop given); uses r0.
  struct Stride {
    const Loop* loop;
    std::int64_t step;
  };
  void address(Register to, Register base, std::int64_t offset, std::initializer_list<Stride> strides = {});

  void convert(ValueType type, std::int64_t count, const Loop& line, std::int64_t whole_line);
  void element(ValueType type, std::int64_t at);
  void fill(const ValueLayout& value);
  void step(const ProductLayout& step);
  void step(const PoolLayout& step);
  void pack(const ProductLayout& step);
  void quads(const ProductLayout& step, void (Emitter::*body)(const ProductLayout&, const Loop&, std::int64_t, std::int64_t));
  void sums(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows);
  void block(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows);
  void requantise(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows);
  void outputs(const ProductLayout& step, const Loop& quad, std::int64_t first, std::int64_t rows);
  void flag_to(Register to, int power);
  void greatest_of(Register kept, Register other, Register scratch);

  Assembler& code_;
  const Layout& layout_;
  Assembler::Label failed_;
  int depth_ = 0;
  const Loop *row_ = nullptr, *column_ = nullptr;
};

template <class Body>
void Emitter::loop(std::int64_t count, const Body& body) {
  Loop loop{count, -1, 0};
  if (count == 1) return body(loop);
  loop.slot = kCounters + 8 * depth_++;
  loop.end = code_.label();
  const Assembler::Label again = code_.label();
  code_.store(Size::dword, r6, loop.slot, 0);
  code_.place(again);
  code_.may_go(loop.end);
  code_.load(Size::dword, r0, r6, loop.slot);
  code_.jump(Jump::ge, r0, static_cast<std::int32_t>(count), loop.end);
  body(loop);
  code_.load(Size::dword, r0, r6, loop.slot);
  code_.add(r0, 1);
  code_.store(Size::dword, r6, loop.slot, r0);
  code_.go(again);
  code_.place(loop.end);
  code_.load(Size::dword, r0, r6, loop.slot);
  code_.jump(Jump::ne, r0, static_cast<std::int32_t>(count), failed_);
  --depth_;
}

}  // namespace soma::bpf
