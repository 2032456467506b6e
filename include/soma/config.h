// TOML, a preset's name or key=value → Config: everything a training run depends on, as plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/dataset.h"
#include "soma/error.h"
#include "soma/network.h"

namespace soma {

struct DataConfig {
  std::string train;               ///< a name or path for load_dataset: "mnist:train"
  std::string test;                ///< the same; "" = test_fraction of the training data, held out
  double test_fraction = 0.2;      ///< used only when `test` is empty
  double validation_fraction = 0;  ///< of what then remains, for early stopping and schedules
  std::string validation;          ///< validation data of its own, instead of a fraction of the training data
  bool shuffle = true;             ///< false: splits take the last samples, not a random part
  // The rest as DataOptions has it.
  std::string label;
  std::vector<std::string> labels;  ///< in a config: a list as data.label
  std::optional<Task> task;
  std::string group, weights;
  std::optional<bool> header;
  std::string delimiter, decimal, encoding;
  std::vector<std::string> columns, ignore;  ///< DataOptions::only and ::ignore
  std::vector<std::string> missing;
  Shape size;
  std::string color, fit = "stretch";
  bool skip_bad = false, transpose = false;
  std::int64_t count = 0;  ///< generator: samples to make; 0 = its default
  std::int64_t limit = 0;  ///< use only the first so many training samples; 0 = all
  bool operator==(const DataConfig&) const = default;
};

/// What the network is asked to put out, and how far off it is.
struct LossConfig {
  enum class Kind {
    cross_entropy,         ///< −Σ t·log softmax(y): wants logits
    quadratic,             ///< Σ (y − t)² / outputs, mean over the batch (= MSE)
    binary_cross_entropy,  ///< from logits, each output on its own, mean over outputs and batch
    nll,                   ///< −y[label]: wants log-probabilities (log_softmax)
    absolute,              ///< Σ |y − t| / outputs
    huber,                 ///< Σ e²/2 where |e| ≤ delta, else delta·(|e| − delta/2), / outputs; e = y − t (Huber 1964)
    quantile,              ///< Σ max(q·(t − y), (q − 1)·(t − y)) / outputs (Koenker & Bassett 1978)
    automatic,             ///< as the task asks: cross_entropy, quadratic, binary_cross_entropy, quadratic
  };
  Kind kind = Kind::cross_entropy;
  double label_smoothing = 0;         ///< cross-entropy: t = (1 − s)·one_hot + s/classes
  std::vector<double> class_weights;  ///< cross-entropy, nll: weighted mean, as PyTorch defines it
  bool balanced = false;              ///< class_weights = "balanced": samples / (classes · samples of the class)
  double delta = 1;                   ///< huber: where the square becomes a line, in deviations of the values
  double quantile = 0.5;              ///< quantile: which one, above 0 and below 1
  std::vector<double> codes;          ///< one output instead of one per class: codes[c] is class c's target
  bool operator==(const LossConfig&) const = default;
};

struct OptimizerConfig {
  enum class Kind { sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw, nadam };
  Kind kind = Kind::adam;
  double rate = 1e-3;
  double momentum = 0.9;              ///< momentum, nesterov
  double beta1 = 0.9, beta2 = 0.999;  ///< adam, adamw, nadam
  double rho = 0.9;                   ///< adadelta; smoothing of rmsprop is `alpha`
  double alpha = 0.99;                ///< rmsprop
  double epsilon = 1e-8;
  double momentum_decay = 0.004;  ///< nadam
  double weight_decay = 0;        ///< decoupled: w −= rate·weight_decay·w before the step
  double l1 = 0, l2 = 0;          ///< penalties l1·Σ|w| + l2/2·Σw² on weights (not biases, not batch norm)
  double elastic_net = 0;         ///< λ(Σ|w| + Σw²) on weights (equation 24 of the Go thesis)
  double clip_norm = 0;           ///< scale the whole gradient to at most this L2 norm; 0 = off
  double clip_value = 0;          ///< clamp each gradient; 0 = off
  bool operator==(const OptimizerConfig&) const = default;
};

/// The learning rate as a function of the step; `rate` is the optimizer's.
struct ScheduleConfig {
  enum class Kind {
    constant,
    step,         ///< rate·gamma^⌊epoch / every⌋
    exponential,  ///< rate·gamma^epoch
    cosine,       ///< min_rate + (rate − min_rate)·(1 + cos(π·epoch/epochs))/2, per epoch, `over` epochs (0 = the run's)
    one_cycle,    ///< per step, PyTorch's OneCycleLR: rate is the maximum; momentum (or beta1) cycles between the two given
    plateau,      ///< rate·factor after `patience` epochs without a better loss
  };
  Kind kind = Kind::constant;
  double gamma = 0.1;
  std::int64_t every = 10;
  double min_rate = 0;
  std::int64_t over = 0;
  double warmup_epochs = 0;  ///< any kind: linear from 0 over so many epochs, counted in steps
  double peak_at = 0.3, start_divisor = 25, final_divisor = 1e4;  ///< one_cycle
  double momentum_low = 0.85, momentum_high = 0.95;               ///< one_cycle; both 0 = leave momentum alone
  double factor = 0.1;
  std::int64_t patience = 10;
  bool operator==(const ScheduleConfig&) const = default;
};

struct TrainConfig {
  std::int64_t epochs = 10;
  std::int64_t batch = 64;
  std::int64_t accumulate = 1;  ///< batches whose gradients are averaged into one step
  std::uint64_t seed = 1;
  int threads = 0;                ///< 0 = all cores this process may use
  std::string strategy = "team";  ///< how work is spread; docs/strategies.md
  int workers = 0;  ///< data-parallel, averaging, hogwild; 0 = as many as threads. Changes the result, unlike threads
  std::int64_t worker_batch = 100;  ///< averaging, hogwild: samples of a worker between two looks at the others
  std::string merge = "average";    ///< averaging: "average", or "weighted" as the Go thesis merges
  std::string precision = "fp32";
  std::string device = "cpu";       ///< or "gpu": the best there is, "gpu:N": one of `soma devices`; docs/gpu.md
  std::int64_t early_stopping = 0;  ///< stop after so many epochs without a better validation loss; 0 = off
  double min_delta = 0;
  double checkpoint_seconds = 30;  ///< a checkpoint at least this often, besides one per epoch
  bool operator==(const TrainConfig&) const = default;
};

/// Everything a run depends on. config.toml in the output directory is this, resolved.
struct Config {
  std::string name;
  DataConfig data;
  std::vector<PreprocessSpec> preprocess;
  Augment augment;
  NetworkSpec network;  ///< network.input may be empty: taken from the data
  LossConfig loss{LossConfig::Kind::automatic};
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
  bool operator==(const Config&) const = default;
};

/// Parses TOML. `origin` names the source in errors: "FILE:LINE:COL: unknown key 'optimiser'; did you mean 'optimizer'?"
[[nodiscard]] Result<Config> parse_config(std::string_view toml, std::string_view origin);
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& file);

/// One of the configs compiled into the program. Unknown names list the known ones.
[[nodiscard]] Result<Config> preset(std::string_view name);
[[nodiscard]] std::vector<std::string> preset_names();

/// `key` is dotted as in TOML ("train.epochs", "optimizer.rate"); `value` is TOML, or a bare word taken as a string.
[[nodiscard]] Result<void> set_key(Config& config, std::string_view key, std::string_view value);

/// Numbers out of range, rates below zero, a zero batch: everything that can be known without the data.
[[nodiscard]] Result<void> check_config(const Config& config);

/// TOML that parse_config turns back into an equal Config.
[[nodiscard]] std::string to_toml(const Config& config);

}  // namespace soma
