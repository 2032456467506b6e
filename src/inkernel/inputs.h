// preprocessing + the range of the first bytes → the table of each kind of raw value, found with the reference itself.
#pragma once

#include "inkernel/layout.h"
#include "soma/model.h"

namespace soma::bpf {

/// `raw` is the shape of a raw sample. Fails on preprocessing that looks at more than the value itself, or turns its order round.
[[nodiscard]] Result<InputTables> input_tables(const Preprocess& preprocess, const Shape& raw, const IntegerProgram& program,
                                               double int16_units);
/// The same with whole numbers from `least` to `most` in the place of int16, of which n stands for n / units; key = n − least.
[[nodiscard]] Result<InputTables> whole_number_tables(const Preprocess& preprocess, const Shape& raw,
                                                      const IntegerProgram& program, std::int64_t least, std::int64_t most,
                                                      double units);

/// What value `i` of a sample becomes by such a table.
std::uint8_t byte_of(const InputTables& tables, std::int64_t i, std::uint32_t key);

}  // namespace soma::bpf
