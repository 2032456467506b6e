// instructions with labels → eBPF bytecode, and where its maps are named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace soma::bpf {

/// struct bpf_insn of linux/bpf.h.
struct Instruction {
  std::uint8_t code = 0;
  std::uint8_t registers = 0;  ///< destination, source << 4
  std::int16_t offset = 0;
  std::int32_t immediate = 0;
  [[nodiscard]] int to() const { return registers & 15; }
  [[nodiscard]] int from() const { return registers >> 4; }
};

enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };

/// In the upper four bits of a code; the operand is an immediate, or a register with kFromRegister.
enum class Alu : std::uint8_t {
  add = 0,
  sub = 1,
  mul = 2,
  div = 3,
  bit_or = 4,
  bit_and = 5,
  lsh = 6,
  rsh = 7,
  mod = 9,
  bit_xor = 10,
  mov = 11,
  arsh = 12
};
enum class Jump : std::uint8_t { always = 0, eq = 1, gt = 2, ge = 3, ne = 5, lt = 10, le = 11 };  ///< unsigned
enum class Size : std::uint8_t { word = 0x00, half = 0x08, byte = 0x10, dword = 0x18 };           ///< 4, 2, 1, 8 bytes
inline constexpr std::uint8_t kFromRegister = 0x08;
inline constexpr std::uint8_t kAlu64 = 0x07, kAluEnd = 0xdc, kJump = 0x05, kLoad = 0x61, kStore = 0x63, kStoreImmediate = 0x62;
inline constexpr std::uint8_t kLoadWide = 0x18, kCall = 0x85, kExit = 0x95, kMayGoto = 0xe5;
inline constexpr std::int8_t kMapSource = 1;  ///< source register of a wide load that names a map

/// Helpers that programs call, by their numbers in linux/bpf.h.
enum class Helper : std::int32_t {
  map_lookup = 1,
  map_update = 2,
  prandom = 7,
  xdp_adjust_tail = 65,
  ktime_get_ns = 5,
  skb_load_bytes_relative = 68,
  ktime_get_coarse_ns = 160,
  xdp_get_buff_len = 188,
  xdp_load_bytes = 189,
  xdp_store_bytes = 190,
};

/// The maps of a program. The assembler writes the number of one; the loader puts its descriptor there. `image` is no map to look
/// up in but the image itself, which a linker puts there.
enum class Map : std::int32_t { model = 0, scratch = 1, buckets = 2, counters = 3, streams = 4, image = 5 };

struct Code {
  std::vector<Instruction> instructions;
  std::vector<std::size_t> maps;  ///< wide loads whose immediate is a Map
};

/// Writes straight on; a label may be used before it is placed. `finish` wants every used label placed and every jump within 32
/// 767 instructions.
class Assembler {
 public:
  using Label = std::size_t;
  [[nodiscard]] Label label();
  void place(Label label);

  void alu(Alu op, Register to, std::int32_t immediate);
  void alu(Alu op, Register to, Register from);
  void mov(Register to, std::int32_t immediate) { alu(Alu::mov, to, immediate); }
  void mov(Register to, Register from) { alu(Alu::mov, to, from); }
  void add(Register to, std::int32_t immediate) { alu(Alu::add, to, immediate); }
  void add(Register to, Register from) { alu(Alu::add, to, from); }
  void wide(Register to, std::uint64_t immediate);
  void map(Register to, Map map);
  /// The 16-bit word in `to` from network order to this machine's, or back.
  void swap16(Register to);

  void load(Size size, Register to, Register base, std::int64_t offset);
  void store(Size size, Register base, std::int64_t offset, Register from);
  void store(Size size, Register base, std::int64_t offset, std::int32_t immediate);

  void go(Label label) { jump(Jump::always, r0, 0, label); }
  void jump(Jump condition, Register left, std::int32_t right, Label label);
  void jump(Jump condition, Register left, Register right, Label label);
  /// A place where the verifier compares what it knows with what it knew when it came here before, and stops if that is the same;
  /// elsewhere it follows both. No instruction in the end: two jumps to what is next anyway, which the kernel takes out.
  void checkpoint();
  /// Falls through, except where the kernel finds that a loop has gone on too long.
  void may_go(Label label);
  void call(Helper helper);
  void exit();

  [[nodiscard]] Code finish();

 private:
  void put(std::uint8_t code, int to, int from, std::int64_t offset, std::int32_t immediate);
  struct Use {
    std::size_t at;
    Label label;
  };
  Code code_;
  std::vector<std::int64_t> places_;
  std::vector<Use> uses_;
};

}  // namespace soma::bpf
