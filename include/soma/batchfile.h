// the batch, network and data files of the Go thesis → epochs and tests run one after the other, a result line for each.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/file.h"

namespace soma {

/// A line of a network file: "ELU, 100". What the words compute: docs/batch.md.
struct BatchLayer {
  enum class Kind { identity, logistic, tanh, relu, leaky_relu, elu, softmax, selu };
  Kind kind = Kind::identity;
  std::int64_t neurons = 0;  ///< without the bias neuron
  bool operator==(const BatchLayer&) const = default;
};

/// What the lines above an action have set; the defaults are those of the thesis.
struct BatchSettings {
  enum class PreProcessing { none, mean_subtraction, proportional };
  enum class Merge { weighted, average };  ///< how the copies of several workers become one; see docs/batch.md
  std::string result_file, network_file, persistence_file, train_file, test_file;
  std::vector<BatchLayer> layers;  ///< of network_file
  PreProcessing pre_processing = PreProcessing::none;
  int parallel = 1;  ///< workers; they may be more than cores, and the result does not depend on the number of cores
  std::int64_t worker_batch = 100;
  double rate = 1, lambda = 1;
  double min_weight = -1, max_weight = 1;
  std::int64_t target_start = 0, target_end = 1;  ///< columns of a data file, half open; the inputs are those behind
  Merge merge = Merge::weighted;
  bool penalise = false;   ///< LambdaSign Equation: the penalty shrinks weights, as the thesis's text has it and its code has not
  std::uint64_t seed = 1;  ///< of first weights, shuffling and dropout

  // What the thesis wished for. As they stand here they change nothing.
  enum class Loss { squared, cross_entropy };
  enum class Optimizer { descent, momentum, nadam };
  enum class FirstWeights { uniform, lecun };
  enum class LogLevel { error, info, debug };
  std::optional<double> lambda_l1, lambda_l2;  ///< of sgn w and of 2w; unset: lambda
  bool bias = true;                            ///< a neuron of value 1 on every layer but the last
  bool scaled = true;                          ///< values are divided by the size of their layer
  Loss loss = Loss::squared;
  Optimizer optimizer = Optimizer::descent;
  double momentum = 0.9, beta2 = 0.999;  ///< momentum is NADAM's β₁ too
  FirstWeights first_weights = FirstWeights::uniform;
  double alpha_dropout = 0;  ///< share of the hidden neurons left out in training
  LogLevel log_level = LogLevel::info;
};

/// One epoch, or one pass over the test file.
struct BatchUnit {
  bool train = false;
  std::int64_t line = 0;     ///< of the batch file
  std::size_t settings = 0;  ///< index into BatchFile::settings
};

struct BatchFile {
  std::filesystem::path path;
  std::uint64_t fingerprint = 0;  ///< of the text: tells an interrupted run of this file from one of another
  std::vector<BatchSettings> settings;
  std::vector<BatchUnit> units;

  [[nodiscard]] const BatchSettings& settings_of(const BatchUnit& unit) const { return settings[unit.settings]; }
};

/// Reads a batch file and the network files it names, and checks every line: keys, values, files that must be there. Errors read
/// "FILE:LINE: unknown key 'Lerningrate'; did you mean 'LearningRate'?". Relative paths start at the working directory, or, when
/// the first NetworkFile is not there, at the batch file's.
[[nodiscard]] Result<BatchFile> load_batch(const std::filesystem::path& file);

/// The same from text; `origin` names it in errors, `base` is where relative paths start.
[[nodiscard]] Result<BatchFile> parse_batch(std::string_view text, const std::filesystem::path& origin,
                                            const std::filesystem::path& base);

/// A line of the result file.
struct BatchResult {
  bool train = false;
  std::int64_t epoch = 0;  ///< epochs trained so far
  int cores = 0, parallel = 0;
  std::int64_t worker_batch = 0;
  double rate = 0;
  double setup_seconds = 0, seconds = 0;  ///< making the workers; the pass over the data alone
  std::int64_t lines = 0;
  double total_seconds = 0;  ///< of training, all epochs so far
  std::int64_t total_lines = 0;
  std::int64_t correct = 0, incorrect = 0;  ///< tests only; single outputs when the targets are several columns
  double error_rate = 0;                    ///< tests only: 100·Σ (target − output)²/2 per line
};

/// Where a run stands, for progress displays.
struct BatchProgress {
  const BatchUnit* unit = nullptr;
  std::int64_t index = 0, units = 0;  ///< index is 0-based
  std::int64_t lines = 0, total = 0;  ///< of this pass
  double seconds = 0;                 ///< of this pass
};

struct BatchHooks {
  std::function<void(std::string_view)> on_note;  ///< a line worth telling: what was picked up, what was read
  std::function<void(const BatchProgress&)> on_progress;
  std::function<void(const BatchUnit&, const BatchResult&)> on_result;
  const std::atomic<bool>* stop = nullptr;  ///< set to give up the pass under way and return
  int threads = 0;                          ///< 0 = as many as workers are asked for, at most one per core
  Changed changed = Changed::refuse;        ///< persistence files that are not what soma wrote
};

struct BatchReport {
  std::vector<BatchResult> results;  ///< of the units that ran in this call
  std::int64_t skipped = 0;          ///< units that an interrupted run of this batch file had finished before
  bool interrupted = false;
};

/// Runs the units in order. After each epoch weights are written to the persistence file (safetensors, replaced atomically),
/// after each unit its line is added to the result file, which is replaced as a whole. Killed at any moment and called again, it
/// goes on behind the last finished unit, and ends with the same result file, times aside. Weights are rounded to single
/// precision at the end of an epoch, since that is what the file keeps.
[[nodiscard]] Result<BatchReport> run_batch(const BatchFile& batch, const BatchHooks& hooks = {});

/// The first line of a result file, and one of the others, without line ends.
[[nodiscard]] std::string batch_result_header();
[[nodiscard]] std::string to_line(const BatchResult& result);

}  // namespace soma
