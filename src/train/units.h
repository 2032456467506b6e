// values standardised for training ↔ the units they were measured in.
#pragma once

#include <span>

#include "soma/train.h"

namespace soma {

/// Fits offset and scale of each value on the training part, and standardises training and validation values by them. A value
/// that never changes has scale 1.
void standardise_values(RunData& data);

/// The model of standardised values → the model whose outputs are scale · y + offset: folded into its last layer where that is
/// linear with a bias, else as a batch norm behind it.
void put_into_units(Model& model, std::span<const float> offset, std::span<const float> scale);

}  // namespace soma
