// an instruction or a block of memory → the fastest this machine goes: what every fraction of peak is a fraction of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace soma {

/// The multiply-add instructions of one number format, 32 independent sums at a time, operands in registers.
struct RateProbe {
  std::string format;           ///< "fp32", "fp16", "bf16", "int8"
  std::string instruction;      ///< "vfmadd231ps zmm"; of a format this processor cannot multiply: why
  std::int64_t operations = 0;  ///< of one call, a multiply-add counted as two; 0 = not here
  void (*call)() noexcept = nullptr;
};

/// One per format, the widest instruction this processor has.
std::vector<RateProbe> rate_probes();

/// Sums `count` floats (a multiple of 256, 64-byte aligned) with vectors as wide as the processor's: bound by loads.
void read_floats(const float* x, std::size_t count) noexcept;
/// y = x: as many loads as stores.
void copy_floats(const float* x, float* y, std::size_t count) noexcept;

}  // namespace soma
