// weights + lines of a data file → weights after an epoch, or how many lines are right: one worker, or several on copies.
#include "batchfile/workers.h"

#include <algorithm>
#include <cstring>

#include "soma/device.h"

namespace soma {
namespace {

int threads_for(int workers, int threads) {
  return threads > 0 ? std::min(threads, workers) : std::min(workers, available_threads());
}

}  // namespace

OnlineSample sample_of(const Samples& samples, std::int64_t i) {
  const auto at = static_cast<std::size_t>(i);
  const std::int64_t first = samples.start[at];
  return {samples.column.data() + first, samples.value.data() + first, samples.start[at + 1] - first,
          samples.target.data() + i * samples.targets, samples.targets};
}

Workers::Workers(const OnlineLayout& layout, const BatchSettings& settings, const OnlineKernels& kernels, int threads)
    : layout_(layout), settings_(settings), kernels_(kernels), team_(threads_for(settings.parallel, threads)) {
  for (int i = 0; i < settings.parallel; ++i)
    networks_.push_back(std::make_unique<OnlineNetwork>(layout, rules_of(settings), kernels));
  if (settings.parallel > 1) start_.resize(static_cast<std::size_t>(layout.size));
}

bool Workers::train(std::vector<double>& weights, const Samples& samples, std::span<const std::int32_t> order, const GoOn& go_on,
                    std::int64_t epoch) {
  const auto bytes = static_cast<std::size_t>(layout_.size) * sizeof(double);
  const auto count = static_cast<std::int64_t>(order.size());
  const auto learn = [&](OnlineNetwork& network, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      network.train(sample_of(samples, order[static_cast<std::size_t>(i)]), static_cast<std::uint64_t>(epoch * count + i));
  };
  if (networks_.size() == 1) {
    // main + (new − main)/1 is the new weights: nothing to copy, and no reason to settle before the end.
    OnlineNetwork& only = *networks_.front();
    std::memcpy(only.weights(), weights.data(), bytes);
    only.restart();
    for (std::int64_t at = 0; at < count; at += 1000) {
      if (!go_on(at)) return false;
      learn(only, at, std::min(at + 1000, count));
    }
    only.settle();
    std::memcpy(weights.data(), only.weights(), bytes);
    return true;
  }
  const std::int64_t each = settings_.worker_batch, workers = settings_.parallel;
  for (std::int64_t at = 0; at < count;) {
    if (!go_on(at)) return false;
    const std::int64_t active = std::min(workers, (count - at + each - 1) / each);
    std::memcpy(start_.data(), weights.data(), bytes);
    team_.share(active, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t k = begin; k < end; ++k) {
        OnlineNetwork& network = *networks_[static_cast<std::size_t>(k)];
        std::memcpy(network.weights(), start_.data(), bytes);
        network.restart();
        learn(network, at + k * each, std::min(at + (k + 1) * each, count));
        network.settle();
      }
    });
    merge(weights, active);
    at = std::min(at + active * each, count);
  }
  return true;
}

void Workers::merge(std::vector<double>& weights, std::int64_t active) {
  constexpr std::int64_t kPiece = 4096;  // numbers: three arrays of them stay in the first cache
  team_.share((layout_.size + kPiece - 1) / kPiece, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t first = piece * kPiece, n = std::min(kPiece, layout_.size - first);
      for (std::int64_t k = 0; k < active; ++k) {
        const auto divisor = static_cast<double>(settings_.merge == BatchSettings::Merge::weighted ? active - k : active);
        kernels_.merge(weights.data() + first, networks_[static_cast<std::size_t>(k)]->weights() + first, start_.data() + first,
                       1 / divisor, n);
      }
    }
  });
}

std::optional<Workers::Score> Workers::test(const std::vector<double>& weights, const Samples& samples, const GoOn& go_on) {
  constexpr std::int64_t kPiece = 2000;
  const std::int64_t outputs = layout_.layers.back().neurons;
  const bool index = samples.targets == 1 && outputs > 1;
  struct Line {
    std::int64_t correct = 0;
    double error = 0;
  };
  std::vector<Line> lines(static_cast<std::size_t>(std::min(kPiece, samples.count)));
  Score score;
  for (std::int64_t at = 0; at < samples.count; at += kPiece) {
    if (!go_on(at)) return std::nullopt;
    const std::int64_t count = std::min(kPiece, samples.count - at);
    team_.share(count, [&](std::int64_t begin, std::int64_t end, int member) {
      OnlineNetwork& network = *networks_[static_cast<std::size_t>(member)];
      for (std::int64_t i = begin; i < end; ++i) {
        const OnlineSample sample = sample_of(samples, at + i);
        const double* y = network.forward(weights.data(), sample);
        Line& line = lines[static_cast<std::size_t>(i)] = {};
        for (std::int64_t j = 0; j < outputs; ++j) {
          const double target = index ? (static_cast<std::int64_t>(sample.target[0]) == j ? 1.0 : 0.0) : sample.target[j];
          line.error += 0.5 * (target - y[j]) * (target - y[j]);
          if (!index && target * 0.95 < y[j] && target * 1.05 > y[j]) ++line.correct;
        }
        if (index) line.correct = std::max_element(y, y + outputs) - y == static_cast<std::int64_t>(sample.target[0]) ? 1 : 0;
      }
    });
    // Added up here, in order: the sum does not depend on the number of threads.
    for (std::int64_t i = 0; i < count; ++i) {
      score.correct += lines[static_cast<std::size_t>(i)].correct;
      score.error += lines[static_cast<std::size_t>(i)].error;
    }
  }
  score.incorrect = samples.count * (index ? 1 : outputs) - score.correct;
  return score;
}

}  // namespace soma
