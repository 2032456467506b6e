// an IntegerProgram + one sample's bytes → its sums, in plain loops: the judge of every executor and of what emitters write.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "integer/program.h"

namespace soma {

/// Every value of the program for one sample: values[0] = `input` [h, w, c], …; the sums of the last step as they are.
struct Interpreted {
  std::vector<std::vector<std::uint8_t>> values;  ///< the last one is empty
  std::vector<std::int32_t> sums;
};
Interpreted interpret(const IntegerProgram& program, std::span<const std::uint8_t> input);

}  // namespace soma
