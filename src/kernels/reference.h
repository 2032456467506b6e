// a table without kernels → the same table with one family of plain loops filled in.
#pragma once

#include "kernels/kernels.h"

namespace soma {

template <class T>
void reference_layers(Kernels<T>& table);  // activations, softmax, pooling
template <class T>
void reference_update(Kernels<T>& table);

}  // namespace soma
