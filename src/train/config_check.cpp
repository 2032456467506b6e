// Config → nothing, or the first value that no data could make right, named by its key.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/text.h"
#include "soma/config.h"
#include "soma/device.h"
#include "train/config_fields.h"
#include "train/strategy.h"

namespace soma {
namespace {

/// Collects the first complaint.
class Checker {
 public:
  void require(bool good, std::string_view key, std::string_view wanted, std::string_view got) {
    if (!good && !error_) error_ = Error{Error::Kind::usage, fmt::format("{}: wanted {}, got {}", key, wanted, got)};
  }
  void at_least(std::string_view key, std::int64_t value, std::int64_t least) {
    require(value >= least, key, fmt::format("at least {}", least), std::to_string(value));
  }
  void at_least(std::string_view key, double value, double least) {
    require(std::isfinite(value) && value >= least, key, fmt::format("a number, at least {}", least), fmt::format("{}", value));
  }
  void above(std::string_view key, double value, double bound) {
    require(std::isfinite(value) && value > bound, key, fmt::format("a number above {}", bound), fmt::format("{}", value));
  }
  /// [0, 1)
  void fraction(std::string_view key, double value) {
    require(value >= 0 && value < 1, key, "a number from 0 to below 1", fmt::format("{}", value));
  }
  void known(std::string_view key, const std::string& value, const std::vector<std::string>& words) {
    if (std::find(words.begin(), words.end(), value) == words.end() && !error_)
      error_ = Error{Error::Kind::usage, fmt::format("{}: unknown word '{}'{}", key, value, suggestion(value, words))};
  }
  [[nodiscard]] Result<void> result() const { return error_ ? Result<void>(*error_) : Result<void>(); }

 private:
  std::optional<Error> error_;
};

void check(Checker& ask, const DataConfig& data) {
  ask.fraction("data.test_fraction", data.test_fraction);
  ask.fraction("data.validation_fraction", data.validation_fraction);
  ask.require(data.validation.empty() || data.validation_fraction == 0, "data.validation_fraction", "0 beside data.validation",
              fmt::format("{}", data.validation_fraction));
  ask.require(data.group.empty() || data.shuffle, "data.group", "data.shuffle = true with it", "false");
  ask.require(data.delimiter.size() <= 1 || data.delimiter == "tab" || data.delimiter == "space" || data.delimiter == "\\t",
              "data.delimiter", "one character, \"tab\" or \"space\"", fmt::format("'{}'", data.delimiter));
  if (!data.decimal.empty()) ask.known("data.decimal", data.decimal, {".", ","});
  if (!data.encoding.empty()) ask.known("data.encoding", data.encoding, {"utf-8", "utf-16", "latin-1"});
  if (!data.color.empty()) ask.known("data.color", data.color, {"gray", "rgb"});
  ask.known("data.fit", data.fit, {"pad", "crop", "stretch"});
  ask.require(data.size.empty() || data.size.size() == 2, "data.size", "[height, width]",
              fmt::format("{} numbers", data.size.size()));
  for (const std::int64_t extent : data.size) ask.at_least("data.size", extent, 1);
  ask.at_least("data.count", data.count, 0);
  ask.at_least("data.limit", data.limit, 0);
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

bool knows_columns(PreprocessKind kind) {
  return kind == PreprocessKind::one_hot || kind == PreprocessKind::impute || kind == PreprocessKind::ordinal ||
         kind == PreprocessKind::date;
}

void check(Checker& ask, const std::vector<PreprocessSpec>& steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (i > 0 && knows_columns(steps[i].kind))
      ask.require(knows_columns(steps[i - 1].kind), "preprocess",
                  fmt::format("{} before the steps of numbers", word(steps[i].kind)), fmt::format("it as step {}", i + 1));
    if (steps[i].kind == PreprocessKind::divide)
      ask.require(std::isfinite(steps[i].by) && steps[i].by != 0, "preprocess.by", "a number other than 0",
                  fmt::format("{}", steps[i].by));
    if (steps[i].kind == PreprocessKind::impute)
      ask.require(
          steps[i].with == "median" || steps[i].with == "mean" || steps[i].with == "most_frequent" || is_number(steps[i].with),
          "preprocess.with", "\"median\", \"mean\", \"most_frequent\" or a number", fmt::format("\"{}\"", steps[i].with));
  }
}

void check(Checker& ask, const Augment& augment) {
  ask.at_least("augment.shift", augment.shift, 0.0);
  ask.at_least("augment.rotate", augment.rotate, 0.0);
  ask.fraction("augment.scale", augment.scale);
  ask.at_least("augment.elastic", augment.elastic, 0.0);
  for (const auto& [key, probability] :
       {std::pair{"augment.flip_horizontal", augment.flip_horizontal}, std::pair{"augment.flip_vertical", augment.flip_vertical}})
    ask.require(probability >= 0 && probability <= 1, key, "a probability from 0 to 1", fmt::format("{}", probability));
  ask.at_least("augment.crop", augment.crop, 0.0);
  ask.at_least("augment.brightness", augment.brightness, 0.0);
  ask.fraction("augment.contrast", augment.contrast);
  ask.at_least("augment.noise", augment.noise, 0.0);
}

void check(Checker& ask, const Init& init, std::string_view key) {
  if (init.kind == Init::Kind::uniform)
    ask.require(std::isfinite(init.min) && std::isfinite(init.max) && init.min < init.max, key, "min below max",
                fmt::format("min = {}, max = {}", init.min, init.max));
}

void check(Checker& ask, const NetworkSpec& network) {
  ask.require(!network.nodes.empty(), "network.layers", "at least one layer", "none");
  ask.require(network.input.empty() || network.input.size() == 1 || network.input.size() == 3, "network.input",
              "[features] or [channels, height, width]", fmt::format("{} numbers", network.input.size()));
  for (const std::int64_t extent : network.input) ask.at_least("network.input", extent, 1);
  check(ask, network.init, "network.init");
  for (const Node& node : network.nodes)
    if (node.init) check(ask, *node.init, "network.layers: init");
}

void check(Checker& ask, const LossConfig& loss, const NetworkSpec& network) {
  using Kind = LossConfig::Kind;
  const bool by_task = loss.kind == Kind::automatic;
  const bool classes = by_task || loss.kind == Kind::cross_entropy || loss.kind == Kind::nll;
  ask.fraction("loss.label_smoothing", loss.label_smoothing);
  ask.require(loss.label_smoothing == 0 || by_task || loss.kind == Kind::cross_entropy, "loss.label_smoothing",
              "loss.kind = \"cross_entropy\" with it", fmt::format("\"{}\"", word(loss.kind)));
  for (const double weight : loss.class_weights) ask.at_least("loss.class_weights", weight, 0.0);
  double weights = 0;
  for (const double weight : loss.class_weights) weights += weight;
  ask.require(loss.class_weights.empty() || weights > 0, "loss.class_weights", "weights of which at least one is above 0", "0");
  ask.above("loss.delta", loss.delta, 0);
  ask.require(loss.quantile > 0 && loss.quantile < 1, "loss.quantile", "a number between 0 and 1",
              fmt::format("{}", loss.quantile));
  ask.require(!loss.balanced || classes, "loss.class_weights", "loss.kind = \"cross_entropy\" or \"nll\" with them",
              fmt::format("\"{}\"", word(loss.kind)));
  ask.require(loss.class_weights.empty() || classes, "loss.class_weights", "loss.kind = \"cross_entropy\" or \"nll\" with them",
              fmt::format("\"{}\"", word(loss.kind)));
  ask.require(loss.class_weights.empty() ||
                  std::any_of(loss.class_weights.begin(), loss.class_weights.end(), [](double w) { return w > 0; }),
              "loss.class_weights", "a weight above 0 for at least one class", "none");
  for (const double code : loss.codes) ask.require(std::isfinite(code), "loss.codes", "numbers", fmt::format("{}", code));
  ask.require(loss.codes.empty() || loss.codes.size() >= 2, "loss.codes", "one code per class, at least 2", "1");
  ask.require(loss.codes.empty() || by_task || !classes, "loss.codes", "loss.kind = \"quadratic\" with them",
              fmt::format("\"{}\"", word(loss.kind)));
  if (network.nodes.empty()) return;

  const Layer& last = network.nodes.back().layer;
  const auto* softmax = std::get_if<Softmax>(&last);
  const auto* activation = std::get_if<Activation>(&last);
  if (loss.kind == Kind::nll)
    ask.require(softmax != nullptr && softmax->log, "loss.kind", "a network ending in log_softmax for \"nll\"",
                fmt::format("one ending in {}", layer_kind(last)));
  if (loss.kind == Kind::cross_entropy || (by_task && loss.codes.empty()))
    ask.require(softmax == nullptr || softmax->log, "loss.kind", "logits for \"cross_entropy\", which takes the softmax itself",
                "a network ending in softmax");
  if (loss.kind == Kind::binary_cross_entropy)
    ask.require(activation == nullptr || activation->kind != Activation::Kind::sigmoid, "loss.kind",
                "logits for \"binary_cross_entropy\", which takes the sigmoid itself", "a network ending in sigmoid");
}

void check(Checker& ask, const OptimizerConfig& optimizer) {
  ask.at_least("optimizer.rate", optimizer.rate, 0.0);
  ask.fraction("optimizer.momentum", optimizer.momentum);
  ask.fraction("optimizer.beta1", optimizer.beta1);
  ask.fraction("optimizer.beta2", optimizer.beta2);
  ask.fraction("optimizer.rho", optimizer.rho);
  ask.fraction("optimizer.alpha", optimizer.alpha);
  ask.at_least("optimizer.epsilon", optimizer.epsilon, 0.0);
  ask.at_least("optimizer.momentum_decay", optimizer.momentum_decay, 0.0);
  ask.at_least("optimizer.weight_decay", optimizer.weight_decay, 0.0);
  ask.at_least("optimizer.l1", optimizer.l1, 0.0);
  ask.at_least("optimizer.l2", optimizer.l2, 0.0);
  ask.at_least("optimizer.elastic_net", optimizer.elastic_net, 0.0);
  ask.at_least("optimizer.clip_norm", optimizer.clip_norm, 0.0);
  ask.at_least("optimizer.clip_value", optimizer.clip_value, 0.0);
}

void check(Checker& ask, const ScheduleConfig& schedule, double rate) {
  using Kind = ScheduleConfig::Kind;
  ask.above("schedule.gamma", schedule.gamma, 0);
  ask.at_least("schedule.every", schedule.every, 1);
  ask.at_least("schedule.min_rate", schedule.min_rate, 0.0);
  ask.require(schedule.min_rate <= rate || (schedule.kind != Kind::cosine && schedule.kind != Kind::plateau), "schedule.min_rate",
              fmt::format("at most optimizer.rate {}", rate), fmt::format("{}", schedule.min_rate));
  ask.at_least("schedule.over", schedule.over, 0);
  ask.at_least("schedule.warmup_epochs", schedule.warmup_epochs, 0.0);
  ask.require(schedule.peak_at > 0 && schedule.peak_at < 1, "schedule.peak_at", "a number between 0 and 1",
              fmt::format("{}", schedule.peak_at));
  ask.at_least("schedule.start_divisor", schedule.start_divisor, 1.0);
  ask.at_least("schedule.final_divisor", schedule.final_divisor, 1.0);
  ask.fraction("schedule.momentum_low", schedule.momentum_low);
  ask.fraction("schedule.momentum_high", schedule.momentum_high);
  ask.require(schedule.factor > 0 && schedule.factor < 1, "schedule.factor", "a number between 0 and 1",
              fmt::format("{}", schedule.factor));
  ask.at_least("schedule.patience", schedule.patience, 0);
}

void check(Checker& ask, const TrainConfig& train, const DataConfig& data, const OptimizerConfig& optimizer) {
  constexpr auto kLargestSeed = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());  // a TOML integer
  ask.at_least("train.epochs", train.epochs, 1);
  ask.at_least("train.batch", train.batch, 1);
  ask.at_least("train.accumulate", train.accumulate, 1);
  ask.require(train.seed <= kLargestSeed, "train.seed", fmt::format("at most {}", kLargestSeed), std::to_string(train.seed));
  ask.at_least("train.threads", std::int64_t{train.threads}, 0);
  ask.require(train.threads <= kMostThreads, "train.threads", fmt::format("at most {}", kMostThreads),
              std::to_string(train.threads));
  std::vector<std::string> names;
  for (const Strategy& each : strategies()) names.emplace_back(each.name);
  ask.known("train.strategy", train.strategy, names);
  const Strategy* strategy = find_strategy(train.strategy);
  const bool exchange = strategy != nullptr && strategy->exchanges;
  ask.require(train.workers >= 0 && train.workers <= 4096, "train.workers", "0 to 4096", std::to_string(train.workers));
  ask.at_least("train.worker_batch", train.worker_batch, 1);
  ask.known("train.merge", train.merge, {"average", "weighted"});
  ask.require(train.accumulate == 1 || !exchange, "train.accumulate",
              fmt::format("1 with train.strategy = \"{}\"", train.strategy), std::to_string(train.accumulate));
  ask.require(strategy == nullptr || strategy->in_order || optimizer.kind != OptimizerConfig::Kind::nadam, "optimizer.kind",
              fmt::format("another optimizer with train.strategy = \"{}\", whose steps have no order", train.strategy), "nadam");
  ask.known("train.precision", train.precision, {"fp32", "fp16"});
  ask.require(train.precision != "fp16" || !exchange, "train.precision",
              fmt::format("fp32 with train.strategy = \"{}\", whose workers know no loss scaling", train.strategy), "fp16");
  const bool numbered = train.device.starts_with("gpu:") && train.device.size() > 4 &&
                        train.device.find_first_not_of("0123456789", 4) == std::string::npos;
  ask.require(train.device == "cpu" || train.device == "gpu" || numbered, "train.device", "cpu, gpu or gpu:N", train.device);
  if (train.device != "cpu") {
    ask.require(train.precision == "fp32", "train.precision", "fp32 on " + train.device, train.precision);
    ask.require(train.strategy == "team", "train.strategy", "team on " + train.device, train.strategy);
    ask.require(train.accumulate == 1, "train.accumulate", fmt::format("1 on {}, which takes a larger train.batch", train.device),
                std::to_string(train.accumulate));
  }
  ask.at_least("train.early_stopping", train.early_stopping, 0);
  ask.require(train.early_stopping == 0 || data.validation_fraction > 0 || !data.validation.empty(), "train.early_stopping",
              "a validation split to watch (data.validation_fraction above 0)", "none");
  ask.at_least("train.min_delta", train.min_delta, 0.0);
  ask.above("train.checkpoint_seconds", train.checkpoint_seconds, 0);
}

}  // namespace

Result<void> check_config(const Config& config) {
  Checker ask;
  check(ask, config.data);
  check(ask, config.preprocess);
  check(ask, config.augment);
  check(ask, config.network);
  check(ask, config.loss, config.network);
  check(ask, config.optimizer);
  check(ask, config.schedule, config.optimizer.rate);
  check(ask, config.train, config.data, config.optimizer);
  return ask.result();
}

}  // namespace soma
