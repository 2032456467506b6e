// a trained network + its first batch → what each of its layers takes, forward and backward.
#pragma once

#include <vector>

#include "soma/train.h"

namespace soma {

struct RunState;

/// See Trainer::time_layers.
std::vector<LayerTime> time_layers(RunState& state, int passes);

}  // namespace soma
