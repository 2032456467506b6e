// a Layout → bytecode that computes it: what every program for the kernel has in common.
#pragma once

#include <optional>

#include "inkernel/assembler.h"
#include "inkernel/layout.h"

namespace soma::bpf {

enum class Loops { may_goto, bounded };
/// Where bounded loops count: below everything else on the stack.
inline constexpr std::int64_t kStackCounters = -160;

/// Writes the parts of a network into an assembler. r6 points to the scratch, r7 to the image, nothing else is kept; every
/// register but these and r10 may change. Where a loop did not end as it must, control goes to `failed`.
///
/// Loops take may_goto, and count in the scratch: a counter out of memory is an unknown number on every turn, so the verifier
/// walks a body once, whatever the shape is. Bounded ones count on the stack, which the verifier follows turn by turn.
class Emitter {
 public:
  Emitter(Assembler& code, const Layout& layout, Assembler::Label failed, Loops loops = Loops::may_goto)
      : code_(code), layout_(layout), failed_(failed), loops_(loops) {}

  /// Raw values (at layout.raw) → bytes of the first value.
  void inputs(ValueType type);
  /// The bytes of a sample at `from` of the scratch → the first value.
  void bytes(std::int64_t from);
  /// Value `at` behind r8, by the table at r5, to byte `at` behind r9; changes r0 to r3.
  void element(ValueType type, std::int64_t at);
  /// The same for the key in r1.
  void from_key(std::int64_t at);
  /// First value → outputs at layout.sums, a float in each 8 bytes, and layout.best: key · 2^16 + 65 535 − class.
  void network();

  /// A loop of `count` turns. `body` may ask for its index and may hold other loops.
  struct Loop {
    std::int64_t count = 1;
    std::optional<std::int64_t> slot = {};  ///< where it counts; none: one turn
    Assembler::Label end = 0;
  };
  template <class Body>
  void loop(std::int64_t count, const Body& body);
  /// As many turns as the number at `limit` of the scratch says, at most `most`. Not for bounded loops.
  template <class Body>
  void loop_to(std::int64_t limit, std::int64_t most, const Body& body);
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
  void copy_line(std::int64_t from, std::int64_t count, const Loop& line, std::int64_t whole_line);
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
  Loops loops_;
  [[nodiscard]] Register counters() const { return loops_ == Loops::may_goto ? r6 : r10; }
  int depth_ = 0;
  const Loop *row_ = nullptr, *column_ = nullptr;
};

template <class Body>
void Emitter::loop(std::int64_t count, const Body& body) {
  Loop loop{count, {}, 0};
  if (count == 1) return body(loop);
  const std::int64_t slot = (loops_ == Loops::may_goto ? kCounters : kStackCounters) + 8 * depth_++;
  loop.slot = slot;
  loop.end = code_.label();
  const Assembler::Label again = code_.label();
  code_.mov(r0, 0);
  code_.store(Size::dword, counters(), slot, r0);
  code_.place(again);
  if (loops_ == Loops::may_goto) code_.may_go(loop.end);
  code_.load(Size::dword, r0, counters(), slot);
  code_.jump(Jump::ge, r0, static_cast<std::int32_t>(count), loop.end);
  body(loop);
  code_.load(Size::dword, r0, counters(), slot);
  code_.add(r0, 1);
  code_.store(Size::dword, counters(), slot, r0);
  code_.go(again);
  code_.place(loop.end);
  code_.load(Size::dword, r0, counters(), slot);
  code_.jump(Jump::ne, r0, static_cast<std::int32_t>(count), failed_);
  --depth_;
}

template <class Body>
void Emitter::loop_to(std::int64_t limit, std::int64_t most, const Body& body) {
  const std::int64_t slot = kCounters + 8 * depth_++;
  Loop loop{most, slot, code_.label()};
  const Assembler::Label again = code_.label();
  code_.store(Size::dword, r6, slot, 0);
  code_.place(again);
  code_.may_go(loop.end);
  code_.load(Size::dword, r0, r6, slot);
  code_.load(Size::dword, r1, r6, limit);
  code_.jump(Jump::ge, r0, r1, loop.end);
  body(loop);
  code_.load(Size::dword, r0, r6, slot);
  code_.add(r0, 1);
  code_.store(Size::dword, r6, slot, r0);
  code_.go(again);
  code_.place(loop.end);
  code_.load(Size::dword, r0, r6, slot);
  code_.load(Size::dword, r1, r6, limit);
  code_.jump(Jump::ne, r0, r1, failed_);
  --depth_;
}

}  // namespace soma::bpf
