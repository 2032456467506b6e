// this machine → its multiply-add rate, as measured in this process.
#pragma once

#include "core/team.h"
#include "lab/measure.h"

namespace soma {

/// fp32 multiply-adds a second, each counted as two operations, with every member of the team at work.
double fp32_peak(Team& team, const Effort& effort);

}  // namespace soma
