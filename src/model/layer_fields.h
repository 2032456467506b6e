// a layer → its numbers by name: one list that both writing and reading walk.
#pragma once

#include "soma/network.h"

namespace soma {

template <class Field>
void fields(Linear& x, Field&& field) {
  field("out", x.out);
  field("bias", x.bias);
}
template <class Field>
void fields(Conv2d& x, Field&& field) {
  field("out", x.out);
  field("kernel_h", x.kernel_h);
  field("kernel_w", x.kernel_w);
  field("stride_h", x.stride_h);
  field("stride_w", x.stride_w);
  field("padding_h", x.padding_h);
  field("padding_w", x.padding_w);
  field("dilation_h", x.dilation_h);
  field("dilation_w", x.dilation_w);
  field("groups", x.groups);
  field("bias", x.bias);
}
template <class Field>
void fields(Pool& x, Field&& field) {
  field("size_h", x.size_h);
  field("size_w", x.size_w);
  field("stride_h", x.stride_h);
  field("stride_w", x.stride_w);
  field("padding_h", x.padding_h);
  field("padding_w", x.padding_w);
}
template <class Field>
void fields(BatchNorm& x, Field&& field) {
  field("momentum", x.momentum);
  field("epsilon", x.epsilon);
}
template <class Field>
void fields(Dropout& x, Field&& field) {
  field("rate", x.rate);
}
template <class Field>
void fields(AlphaDropout& x, Field&& field) {
  field("rate", x.rate);
}
template <class Field>
void fields(Activation& x, Field&& field) {
  field("alpha", x.alpha);
}
template <class Field>
void fields(GlobalAveragePool&, Field&&) {}
template <class Field>
void fields(Flatten&, Field&&) {}
template <class Field>
void fields(Add&, Field&&) {}
template <class Field>
void fields(Concat&, Field&&) {}
template <class Field>
void fields(Softmax&, Field&&) {}

}  // namespace soma
