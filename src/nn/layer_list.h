// nothing → every layer a network may have: its word, its fields, what they are where nothing is said. What configs, model files
// and docs read.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "soma/network.h"

namespace soma {

/// What layer_prototypes() holds where a config must say something.
inline constexpr std::int64_t kMustBeGiven = std::numeric_limits<std::int64_t>::min();

/// One layer of each word that layer_kind() has, holding the defaults of a config.
std::span<const Layer> layer_prototypes();

/// Two extents that a config may give as one number: kernel = 5 is kernel = [5, 5]. A file holds both, as kernel_h and kernel_w.
struct HeightWidth {
  std::int64_t &h, &w;
};

/// A count, or the word "classes" or "targets" for 0.
struct CountOrClasses {
  std::int64_t& count;
};

// fields(x, visit) calls visit(name, member) for every field of x, in the order it is written in.

template <class Visit>
void fields(Linear& x, Visit&& visit) {
  visit("out", CountOrClasses{x.out});
  visit("bias", x.bias);
}

template <class Visit>
void fields(Conv2d& x, Visit&& visit) {
  visit("out", x.out);
  visit("kernel", HeightWidth{x.kernel_h, x.kernel_w});
  visit("stride", HeightWidth{x.stride_h, x.stride_w});
  visit("padding", HeightWidth{x.padding_h, x.padding_w});
  visit("dilation", HeightWidth{x.dilation_h, x.dilation_w});
  visit("groups", x.groups);
  visit("bias", x.bias);
}

template <class Visit>
void fields(Pool& x, Visit&& visit) {
  visit("size", HeightWidth{x.size_h, x.size_w});
  visit("stride", HeightWidth{x.stride_h, x.stride_w});
  visit("padding", HeightWidth{x.padding_h, x.padding_w});
}

template <class Visit>
void fields(BatchNorm& x, Visit&& visit) {
  visit("momentum", x.momentum);
  visit("epsilon", x.epsilon);
}

template <class Visit>
void fields(Dropout& x, Visit&& visit) {
  visit("rate", x.rate);
}

template <class Visit>
void fields(AlphaDropout& x, Visit&& visit) {
  visit("rate", x.rate);
}

template <class Visit>
void fields(Activation& x, Visit&& visit) {
  if (x.kind == Activation::Kind::leaky_relu || x.kind == Activation::Kind::elu) visit("alpha", x.alpha);
}

template <class Visit>
void fields(GlobalAveragePool&, Visit&&) {}
template <class Visit>
void fields(Flatten&, Visit&&) {}
template <class Visit>
void fields(Add&, Visit&&) {}
template <class Visit>
void fields(Concat&, Visit&&) {}
template <class Visit>
void fields(Softmax&, Visit&&) {}

}  // namespace soma
