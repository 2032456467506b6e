// Config → its keys and members, written once: what reading, writing, --set and suggestions walk over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "nn/layer_list.h"
#include "soma/config.h"
#include "soma/words.h"

namespace soma {

/// A column's name, or its index written as a number; or a list of several.
struct NamesOrIndices {
  std::string& one;
  std::vector<std::string>& several;
};

/// A word, or a number kept as it was written.
struct WordOrNumber {
  std::string& text;
};

/// A weight for each class, or the word "balanced".
struct WeightsOrBalanced {
  std::vector<double>& weights;
  bool& balanced;
};

/// The members of Config that a config writes as [sections].
template <class T>
inline constexpr bool is_config_section =
    std::is_same_v<T, DataConfig> || std::is_same_v<T, Augment> || std::is_same_v<T, NetworkSpec> ||
    std::is_same_v<T, LossConfig> || std::is_same_v<T, OptimizerConfig> || std::is_same_v<T, ScheduleConfig> ||
    std::is_same_v<T, TrainConfig>;

// fields(x, visit) calls visit(key, member) for every key of x, in the order a config is written in; those of layers:
// nn/layer_list.h.

template <class Visit>
void fields(DataConfig& x, Visit&& visit) {
  visit("train", x.train);
  visit("test", x.test);
  visit("test_fraction", x.test_fraction);
  visit("validation_fraction", x.validation_fraction);
  visit("validation", x.validation);
  visit("shuffle", x.shuffle);
  visit("label", NamesOrIndices{x.label, x.labels});
  visit("task", x.task);
  visit("group", x.group);
  visit("weights", x.weights);
  visit("header", x.header);
  visit("delimiter", x.delimiter);
  visit("decimal", x.decimal);
  visit("encoding", x.encoding);
  visit("columns", x.columns);
  visit("ignore", x.ignore);
  visit("missing", x.missing);
  visit("size", x.size);
  visit("color", x.color);
  visit("fit", x.fit);
  visit("skip_bad", x.skip_bad);
  visit("transpose", x.transpose);
  visit("count", x.count);
  visit("limit", x.limit);
}

template <class Visit>
void fields(PreprocessSpec& x, Visit&& visit) {
  visit("kind", x.kind);
  visit("by", x.by);
  visit("per_feature", x.per_feature);
  visit("with", WordOrNumber{x.with});
  visit("indicator", x.indicator);
}

template <class Visit>
void fields(Augment& x, Visit&& visit) {
  visit("shift", x.shift);
  visit("rotate", x.rotate);
  visit("scale", x.scale);
  visit("elastic", x.elastic);
  visit("flip_horizontal", x.flip_horizontal);
  visit("flip_vertical", x.flip_vertical);
  visit("crop", x.crop);
  visit("brightness", x.brightness);
  visit("contrast", x.contrast);
  visit("noise", x.noise);
}

template <class Visit>
void fields(Init& x, Visit&& visit) {
  visit("kind", x.kind);
  visit("distribution", x.distribution);
  visit("min", x.min);
  visit("max", x.max);
}

/// All keys but `type`, which says which layer this is.
template <class Visit>
void fields(Node& x, Visit&& visit) {
  visit("name", x.name);
  std::visit([&visit](auto& layer) { fields(layer, visit); }, x.layer);
  visit("inputs", x.inputs);
  if (std::holds_alternative<Linear>(x.layer) || std::holds_alternative<Conv2d>(x.layer)) visit("init", x.init);
}

template <class Visit>
void fields(NetworkSpec& x, Visit&& visit) {
  visit("input", x.input);
  visit("init", x.init);
  visit("layers", x.nodes);
}

template <class Visit>
void fields(LossConfig& x, Visit&& visit) {
  visit("kind", x.kind);
  visit("label_smoothing", x.label_smoothing);
  visit("class_weights", WeightsOrBalanced{x.class_weights, x.balanced});
  visit("delta", x.delta);
  visit("quantile", x.quantile);
  visit("codes", x.codes);
}

template <class Visit>
void fields(OptimizerConfig& x, Visit&& visit) {
  visit("kind", x.kind);
  visit("rate", x.rate);
  visit("momentum", x.momentum);
  visit("beta1", x.beta1);
  visit("beta2", x.beta2);
  visit("rho", x.rho);
  visit("alpha", x.alpha);
  visit("epsilon", x.epsilon);
  visit("momentum_decay", x.momentum_decay);
  visit("weight_decay", x.weight_decay);
  visit("l1", x.l1);
  visit("l2", x.l2);
  visit("elastic_net", x.elastic_net);
  visit("clip_norm", x.clip_norm);
  visit("clip_value", x.clip_value);
}

template <class Visit>
void fields(ScheduleConfig& x, Visit&& visit) {
  visit("kind", x.kind);
  visit("gamma", x.gamma);
  visit("every", x.every);
  visit("min_rate", x.min_rate);
  visit("over", x.over);
  visit("warmup_epochs", x.warmup_epochs);
  visit("peak_at", x.peak_at);
  visit("start_divisor", x.start_divisor);
  visit("final_divisor", x.final_divisor);
  visit("momentum_low", x.momentum_low);
  visit("momentum_high", x.momentum_high);
  visit("factor", x.factor);
  visit("patience", x.patience);
}

template <class Visit>
void fields(TrainConfig& x, Visit&& visit) {
  visit("epochs", x.epochs);
  visit("batch", x.batch);
  visit("accumulate", x.accumulate);
  visit("seed", x.seed);
  visit("threads", x.threads);
  visit("strategy", x.strategy);
  visit("device", x.device);
  visit("workers", x.workers);
  visit("worker_batch", x.worker_batch);
  visit("merge", x.merge);
  visit("precision", x.precision);
  visit("early_stopping", x.early_stopping);
  visit("min_delta", x.min_delta);
  visit("checkpoint_seconds", x.checkpoint_seconds);
}

template <class Visit>
void fields(Config& x, Visit&& visit) {
  visit("name", x.name);
  visit("preprocess", x.preprocess);
  visit("data", x.data);
  visit("augment", x.augment);
  visit("network", x.network);
  visit("loss", x.loss);
  visit("optimizer", x.optimizer);
  visit("schedule", x.schedule);
  visit("train", x.train);
}

/// Every dotted key of a config, sections included: "train", "train.epochs". Keys of list entries follow the list's name, or the
/// layer's type ("preprocess.kind", "conv2d.kernel"); those of any layer follow "layer".
std::vector<std::string> config_keys();

}  // namespace soma
