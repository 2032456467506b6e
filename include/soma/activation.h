// nothing but a kind and a number → an elementwise function: what a layer asks for and a kernel works out.
#pragma once

namespace soma {

/// An elementwise function. `alpha` is the slope of leaky relu and the scale of elu.
/// gelu is the exact x·Φ(x); silu is x·σ(x); selu uses the constants of Klambauer et al. 2017.
struct Activation {
  enum class Kind { identity, relu, leaky_relu, elu, selu, sigmoid, tanh, softplus, gelu, silu };
  Kind kind = Kind::identity;
  double alpha = 0;
  bool operator==(const Activation&) const = default;
};

}  // namespace soma
