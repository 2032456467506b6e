// each choice of the public interface → the word that configs, files, pages and errors say for it: one list each, in the choice's
// order.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "soma/activation.h"
#include "soma/config.h"
#include "soma/dataset.h"
#include "soma/network.h"

namespace soma {

inline constexpr std::array<std::string_view, 8> kLossWords = {
    "cross_entropy", "quadratic", "binary_cross_entropy", "nll", "absolute", "huber", "quantile", "auto"};
inline constexpr std::array<std::string_view, 4> kTaskWords = {"classes", "values", "labels", "reconstruct"};
inline constexpr std::array<std::string_view, 9> kOptimizerWords = {"sgd",     "momentum", "nesterov", "adagrad", "adadelta",
                                                                    "rmsprop", "adam",     "adamw",    "nadam"};
inline constexpr std::array<std::string_view, 6> kScheduleWords = {"constant", "step",      "exponential",
                                                                   "cosine",   "one_cycle", "plateau"};
inline constexpr std::array<std::string_view, 11> kPreprocessWords = {"divide",   "standardise",  "min_max", "mean_subtraction",
                                                                      "midrange", "proportional", "one_hot", "impute",
                                                                      "ordinal",  "robust",       "date"};
inline constexpr std::array<std::string_view, 5> kInitWords = {"auto", "he", "xavier", "lecun", "uniform"};
inline constexpr std::array<std::string_view, 2> kDistributionWords = {"normal", "uniform"};
inline constexpr std::array<std::string_view, 10> kActivationWords = {"identity", "relu", "leaky_relu", "elu",  "selu",
                                                                      "sigmoid",  "tanh", "softplus",   "gelu", "silu"};

constexpr std::span<const std::string_view> words(LossConfig::Kind) { return kLossWords; }
constexpr std::span<const std::string_view> words(Task) { return kTaskWords; }
constexpr std::span<const std::string_view> words(OptimizerConfig::Kind) { return kOptimizerWords; }
constexpr std::span<const std::string_view> words(ScheduleConfig::Kind) { return kScheduleWords; }
constexpr std::span<const std::string_view> words(PreprocessKind) { return kPreprocessWords; }
constexpr std::span<const std::string_view> words(Init::Kind) { return kInitWords; }
constexpr std::span<const std::string_view> words(Init::Distribution) { return kDistributionWords; }
constexpr std::span<const std::string_view> words(Activation::Kind) { return kActivationWords; }

/// The word of one choice, as "standardise".
template <class Choice>
constexpr std::string_view word(Choice choice) {
  return words(choice)[static_cast<std::size_t>(choice)];
}

}  // namespace soma
