// instructions with labels → eBPF bytecode, and where its maps are named.
#include "inkernel/assembler.h"

#include "soma/error.h"

namespace soma::bpf {
namespace {

constexpr std::uint8_t code_of(Alu op) { return static_cast<std::uint8_t>(static_cast<int>(op) << 4 | kAlu64); }
constexpr std::uint8_t code_of(Jump condition) { return static_cast<std::uint8_t>(static_cast<int>(condition) << 4 | kJump); }

}  // namespace

Assembler::Label Assembler::label() {
  places_.push_back(-1);
  return places_.size() - 1;
}

void Assembler::place(Label label) { places_[label] = std::ssize(code_.instructions); }

void Assembler::put(std::uint8_t code, int to, int from, std::int64_t offset, std::int32_t immediate) {
  SOMA_REQUIRE(offset == static_cast<std::int16_t>(offset));  // it would wrap, and read somewhere else
  code_.instructions.push_back({code, static_cast<std::uint8_t>(to | from << 4), static_cast<std::int16_t>(offset), immediate});
}

void Assembler::alu(Alu op, Register to, std::int32_t immediate) { put(code_of(op), to, 0, 0, immediate); }
void Assembler::alu(Alu op, Register to, Register from) { put(code_of(op) | kFromRegister, to, from, 0, 0); }

void Assembler::wide(Register to, std::uint64_t immediate) {
  put(kLoadWide, to, 0, 0, static_cast<std::int32_t>(static_cast<std::uint32_t>(immediate)));
  put(0, 0, 0, 0, static_cast<std::int32_t>(static_cast<std::uint32_t>(immediate >> 32)));
}

void Assembler::map(Register to, Map map) {
  code_.maps.push_back(code_.instructions.size());
  put(kLoadWide, to, kMapSource, 0, static_cast<std::int32_t>(map));
  put(0, 0, 0, 0, 0);
}

void Assembler::swap16(Register to) { put(kAluEnd, to, 0, 0, 16); }

void Assembler::load(Size size, Register to, Register base, std::int64_t offset) {
  put(kLoad | static_cast<std::uint8_t>(size), to, base, offset, 0);
}
void Assembler::store(Size size, Register base, std::int64_t offset, Register from) {
  put(kStore | static_cast<std::uint8_t>(size), base, from, offset, 0);
}
void Assembler::store(Size size, Register base, std::int64_t offset, std::int32_t immediate) {
  put(kStoreImmediate | static_cast<std::uint8_t>(size), base, 0, offset, immediate);
}

void Assembler::jump(Jump condition, Register left, std::int32_t right, Label label) {
  uses_.push_back({code_.instructions.size(), label});
  put(code_of(condition), left, 0, 0, right);
}
void Assembler::jump(Jump condition, Register left, Register right, Label label) {
  uses_.push_back({code_.instructions.size(), label});
  put(code_of(condition) | kFromRegister, left, right, 0, 0);
}
void Assembler::checkpoint() {
  for (int i = 0; i < 2; ++i) put(code_of(Jump::always), 0, 0, 0, 0);  // it keeps a state after two jumps, not after one
}
void Assembler::may_go(Label label) {
  uses_.push_back({code_.instructions.size(), label});
  put(kMayGoto, 0, 0, 0, 0);
}
void Assembler::call(Helper helper) { put(kCall, 0, 0, 0, static_cast<std::int32_t>(helper)); }
void Assembler::exit() { put(kExit, 0, 0, 0, 0); }

Code Assembler::finish() {
  for (const Use& use : uses_) {
    const std::int64_t distance = places_[use.label] - static_cast<std::int64_t>(use.at) - 1;
    SOMA_REQUIRE(places_[use.label] >= 0 && distance == static_cast<std::int16_t>(distance));
    code_.instructions[use.at].offset = static_cast<std::int16_t>(distance);
  }
  return std::move(code_);
}

}  // namespace soma::bpf
