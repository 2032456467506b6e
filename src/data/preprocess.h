// raw rows → what the network sees, one sample at a time; the arithmetic that fitting, batches and tables of bytes share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "soma/dataset.h"

namespace soma {

/// True for the kinds that are y = (x − offset) / divisor, and for robust, which bends that.
bool is_affine(PreprocessKind kind);

/// True for the kinds that come first: they know columns, fill gaps and change how many there are.
bool is_of_columns(PreprocessKind kind);

/// Runs steps[first …] on one row in place: y [size], channels last. Those of columns are left to raw_row. Allocates nothing.
void apply_steps(const std::vector<PreprocessStep>& steps, std::size_t first, std::int64_t channels, float* y,
                 std::int64_t size) noexcept;

/// One raw sample as floats, after the steps of columns: y [preprocessed size]. Allocates nothing.
void raw_row(const Dataset& dataset, const std::vector<PreprocessStep>& steps, std::int64_t sample, float* y) noexcept;

/// [channels, 256]: what each byte becomes; empty unless every step is affine with one number for all or one per channel.
std::vector<float> byte_table(const std::vector<PreprocessStep>& steps, std::int64_t channels);

}  // namespace soma
