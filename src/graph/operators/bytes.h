// the operators on bytes that onnxruntime's quantiser adds to ONNX's own → their rows in the table.
#pragma once

#include "graph/operator.h"

namespace soma {

Rows byte_operators();

}  // namespace soma
