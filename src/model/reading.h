// one row of network outputs + its label → its loss.
#pragma once

#include <cstdint>
#include <span>

#include "soma/model.h"

namespace soma {

/// What LossConfig defines for one sample, without label smoothing, class weights or penalties. `label` is a class.
double sample_loss(const LossConfig& loss, std::span<const float> y, std::int32_t label);

}  // namespace soma
