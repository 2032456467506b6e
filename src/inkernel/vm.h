// bytecode + maps + a frame → what the program does with it, in user space: tests without privileges run what the kernel would.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "inkernel/assembler.h"
#include "inkernel/layout.h"

namespace soma::bpf {

/// What a run ended with. `problem` names the first instruction that did what the kernel's verifier would not have allowed:
/// memory that is not the program's, an unknown instruction, a turn too many.
struct Ran {
  std::uint64_t result = 0;
  std::string problem;
};

/// Bytes of the keys and values in a program's map of streams.
struct StreamSizes {
  std::int64_t key = 0, value = 0;
};

/// Runs one program again and again on the same maps, one processor.
class Machine {
 public:
  Machine(Code code, std::vector<std::uint8_t> image, std::int64_t scratch, StreamSizes streams = {});

  /// The program as XDP would run it; the frame is changed and cut as it says.
  Ran run(std::vector<std::uint8_t>& frame);

  /// The program as tc would run it on a frame that came at `nanoseconds`.
  Ran classify(const std::vector<std::uint8_t>& frame, std::uint64_t nanoseconds);

  /// The program as another one's function, with `arguments` in r1: inside the scratch, or 0.
  Ran call(std::uint64_t arguments);

  std::vector<std::uint8_t>& image() { return image_; }
  std::vector<std::uint8_t>& scratch() { return scratch_; }
  /// What the clock says next; it goes on by itself, a microsecond each time it is asked.
  std::uint64_t now = 1;

 private:
  [[nodiscard]] bool inside(std::uint64_t at, std::int64_t bytes) const;
  Ran go(std::uint64_t first, std::vector<std::uint8_t>& frame);
  std::uint64_t help(Helper helper, std::uint64_t* r, std::vector<std::uint8_t>& frame, std::string& problem);

  std::map<std::vector<std::uint8_t>, std::vector<std::uint8_t>> streams_;

  Code code_;
  StreamSizes stream_;
  std::vector<std::uint8_t> image_, scratch_, buckets_, counters_, stack_;
  std::array<std::uint8_t, 192> context_{};  ///< of XDP its address alone counts
};

}  // namespace soma::bpf
