// preprocessing + the range of the first bytes → the table of each kind of raw value, found with the reference itself.
#pragma once

#include "inkernel/layout.h"
#include "soma/model.h"

namespace soma::bpf {

/// `raw` is the shape of a raw sample. Fails on preprocessing that looks at more than the value itself, or turns its order round.
[[nodiscard]] Result<InputTables> input_tables(const Preprocess& preprocess, const Shape& raw, const IntegerProgram& program,
                                               double int16_units);

}  // namespace soma::bpf
