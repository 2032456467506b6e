// the data of a run → what was understood of it, in a few lines.
#pragma once

#include <string>
#include <vector>

#include "soma/train.h"

namespace soma::app {

/// Rows and columns by kind, targets with counts, and the reader's notes: at most eight lines.
std::vector<std::string> summary(const RunData& data);

}  // namespace soma::app
