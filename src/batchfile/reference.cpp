// layers + one sample at a time → outputs, or moved weights, in the plainest loops: the judge of OnlineNetwork.
#include "batchfile/reference.h"

namespace soma {
namespace {

double sign(double w) { return w > 0 ? 1 : w < 0 ? -1 : 0; }

}  // namespace

ReferenceNetwork::ReferenceNetwork(std::vector<BatchLayer> layers, const OnlineRules& rules, bool bias)
    : layers_(std::move(layers)), rules_(rules) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const bool last = l + 1 == layers_.size();
    const auto size = static_cast<std::size_t>(layers_[l].neurons) + (last || !bias ? 0 : 1);
    neurons_.emplace_back(size);
    slopes_.emplace_back(size);
    if (!last) weights.emplace_back(size, std::vector<double>(static_cast<std::size_t>(layers_[l + 1].neurons)));
  }
  gradient = moment_ = moment2_ = weights;
}

const std::vector<double>& ReferenceNetwork::forward(const OnlineSample& sample) {
  propagate(sample, nullptr);
  return neurons_.back();
}

void ReferenceNetwork::propagate(const OnlineSample& sample, const std::uint64_t* number) {
  const auto inputs = static_cast<std::size_t>(layers_[0].neurons);
  for (double& x : neurons_[0]) x = 0;
  for (std::int64_t k = 0; k < sample.count; ++k) neurons_[0][static_cast<std::size_t>(sample.column[k])] = sample.value[k];
  const Preprocessed pre = preprocessing(rules_.pre_processing, sample, layers_[0].neurons);
  for (std::size_t i = 0; i < inputs; ++i) neurons_[0][i] = (neurons_[0][i] - pre.offset) / pre.divisor;

  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const bool last = l + 1 == layers_.size();
    std::vector<double>& y = neurons_[l];
    const auto neurons = static_cast<std::size_t>(layers_[l].neurons);
    if (l > 0)
      for (std::size_t j = 0; j < neurons; ++j) {
        y[j] = 0;
        for (std::size_t i = 0; i < neurons_[l - 1].size(); ++i) y[j] += neurons_[l - 1][i] * weights[l - 1][i][j];
      }
    if (rules_.scaled)
      for (std::size_t j = 0; j < neurons; ++j) y[j] /= static_cast<double>(y.size());
    if (layers_[l].kind == BatchLayer::Kind::softmax)
      softmax(y.data(), layers_[l].neurons);
    else
      for (std::size_t j = 0; j < neurons; ++j) y[j] = activation(layers_[l].kind, y[j]);
    for (std::size_t j = 0; j < neurons; ++j) {
      slopes_[l][j] = last && rules_.cross_entropy ? 1 : slope(layers_[l].kind, y[j]);
      if (number == nullptr || rules_.alpha_dropout == 0 || l == 0 || last) continue;
      const OnlineDropout dropout(rules_.alpha_dropout);
      const bool out = dropped(rules_, *number, l, layers_[l].neurons, static_cast<std::int64_t>(j));
      y[j] = dropout.a * (out ? dropout.value : y[j]) + dropout.b;
      slopes_[l][j] *= out ? 0 : dropout.a;
    }
    if (y.size() > neurons) y[neurons] = 1;
  }
}

void ReferenceNetwork::train(const OnlineSample& sample, std::uint64_t number) {
  propagate(sample, &number);
  const std::vector<double>& y = neurons_.back();
  std::vector<double> error(y.size());
  for (std::size_t j = 0; j < y.size(); ++j) {
    const bool index = sample.targets == 1 && y.size() > 1;
    error[j] = y[j] - (index ? (static_cast<std::size_t>(sample.target[0]) == j ? 1.0 : 0.0) : sample.target[j]);
  }
  const MomentStep step(rules_, ++moves_);
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const auto neurons = static_cast<std::size_t>(layers_[l].neurons);
    std::vector<double> delta(neurons), below(neurons_[l - 1].size());
    for (std::size_t j = 0; j < neurons; ++j) delta[j] = error[j] * slopes_[l][j];
    for (std::size_t i = 0; i < below.size(); ++i)
      for (std::size_t j = 0; j < neurons; ++j) {
        double& w = weights[l - 1][i][j];
        below[i] += delta[j] * w;
        const double penalty = rules_.lambda * 2 * w + rules_.sign_penalty() * sign(w);
        const double g = gradient[l - 1][i][j] = delta[j] * neurons_[l - 1][i];
        const double whole = g + (rules_.penalise ? penalty : -penalty);
        if (rules_.descends())
          w -= rules_.rate * whole;
        else
          step(whole, w, moment_[l - 1][i][j], moment2_[l - 1][i][j]);
      }
    error = below;
  }
}

}  // namespace soma
