// nothing → one layer of each word, and the word of a layer.
#include "nn/layer_list.h"

#include <algorithm>
#include <array>
#include <string>

#include "nn/visit.h"
#include "soma/words.h"

namespace soma {

std::string layer_kind(const Layer& layer) {
  return std::string(std::visit(
      Visit{[](const Linear&) -> std::string_view { return "linear"; },
            [](const Conv2d&) -> std::string_view { return "conv2d"; },
            [](const Pool& pool) -> std::string_view { return pool.kind == Pool::Kind::max ? "max_pool" : "average_pool"; },
            [](const GlobalAveragePool&) -> std::string_view { return "global_average_pool"; },
            [](const BatchNorm&) -> std::string_view { return "batch_norm"; },
            [](const Dropout&) -> std::string_view { return "dropout"; },
            [](const AlphaDropout&) -> std::string_view { return "alpha_dropout"; },
            [](const Flatten&) -> std::string_view { return "flatten"; }, [](const Add&) -> std::string_view { return "add"; },
            [](const Concat&) -> std::string_view { return "concat"; },
            [](const Activation& activation) { return word(activation.kind); },
            [](const Softmax& softmax) -> std::string_view { return softmax.log ? "log_softmax" : "softmax"; }},
      layer));
}

std::span<const Layer> layer_prototypes() {
  using Kind = Activation::Kind;
  static const std::array<Layer, 13 + kActivationWords.size()> prototypes = [] {
    std::array<Layer, 13 + kActivationWords.size()> all = {Linear{kMustBeGiven},
                                                           Conv2d{kMustBeGiven, kMustBeGiven, kMustBeGiven},
                                                           Pool{Pool::Kind::max},
                                                           Pool{Pool::Kind::average},
                                                           GlobalAveragePool{},
                                                           BatchNorm{},
                                                           Dropout{},
                                                           AlphaDropout{},
                                                           Flatten{},
                                                           Add{},
                                                           Concat{},
                                                           Softmax{false},
                                                           Softmax{true}};
    for (std::size_t kind = 0; kind < kActivationWords.size(); ++kind) {
      Activation activation{static_cast<Kind>(kind)};
      if (activation.kind == Kind::leaky_relu) activation.alpha = 0.01;
      if (activation.kind == Kind::elu) activation.alpha = 1;
      all[13 + kind] = activation;
    }
    return all;
  }();
  return prototypes;
}

}  // namespace soma
