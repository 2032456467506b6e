// a run's state ↔ checkpoint.safetensors: parameters, optimizer state, schedule, position in the data, history.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/number.h"
#include "train/run_state.h"

namespace soma {
namespace {

/// Metadata under one roof: written and read by the same list of names, so that neither can forget a field.
class Words {
 public:
  Words() = default;
  explicit Words(const TensorFile& file) : reading_(true), words_(file.metadata.begin(), file.metadata.end()) {}

  void field(const std::string& name, double& x) {
    std::string text = exact(x);
    if (word(name, text)) number(name, from_exact(text), x);
  }
  void field(const std::string& name, std::int64_t& x) {
    std::string text = std::to_string(x);
    if (word(name, text)) number(name, whole_number(text), x);
  }
  void field(const std::string& name, bool& x) {
    std::int64_t bit = x ? 1 : 0;
    field(name, bit);
    x = bit != 0;
  }
  void field(const std::string& name, std::string& x) { word(name, x); }
  void field(const std::string& name, std::optional<double>& x) {
    std::string text = x ? exact(*x) : "";
    if (!word(name, text)) return;
    x.reset();
    if (!text.empty()) field(name, x.emplace());
  }

  [[nodiscard]] const std::string& missing() const { return missing_; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> all() const { return {words_.begin(), words_.end()}; }

 private:
  template <class T>
  void number(const std::string& name, const std::optional<T>& read, T& x) {
    if (!read) missing_ = name;
    x = read.value_or(T{});
  }
  /// Writing: keeps the text. Reading: replaces it, and says whether there was one.
  bool word(const std::string& name, std::string& text) {
    if (!reading_) {
      words_[name] = text;
      return false;
    }
    const auto found = words_.find(name);
    if (found == words_.end()) {
      missing_ = name;
      return false;
    }
    text = found->second;
    return true;
  }

  bool reading_ = false;
  std::map<std::string, std::string> words_;
  std::string missing_;
};

void visit_words(Words& words, RunPosition& at, OptimizerState& optimizer, PlateauState& plateau, double& rate,
                 std::vector<EpochRecord>& history) {
  words.field("epoch", at.epoch);
  words.field("next", at.next);
  words.field("step", at.step);
  words.field("batch", at.batch);
  words.field("loss", at.sum.loss);
  words.field("weight", at.sum.weight);
  words.field("correct", at.sum.correct);
  words.field("seconds", at.seconds);
  words.field("since_best", at.since_best);
  words.field("best_loss", at.best_loss);
  words.field("stopped_early", at.stopped_early);
  words.field("rate", rate);
  words.field("optimizer.mu_product", optimizer.mu_product);
  words.field("plateau.best", plateau.best);
  words.field("plateau.bad_epochs", plateau.bad_epochs);
  words.field("plateau.reductions", plateau.reductions);
  std::int64_t epochs = static_cast<std::int64_t>(history.size());
  words.field("history", epochs);
  history.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(epochs, 0, 1 << 20)));
  for (std::size_t i = 0; i < history.size(); ++i) {
    EpochRecord& record = history[i];
    const std::string prefix = fmt::format("history.{:06}.", i);
    words.field(prefix + "epoch", record.epoch);
    words.field(prefix + "loss", record.loss);
    words.field(prefix + "accuracy", record.accuracy);
    words.field(prefix + "validation_loss", record.validation_loss);
    words.field(prefix + "validation_accuracy", record.validation_accuracy);
    words.field(prefix + "rate", record.rate);
    words.field(prefix + "seconds", record.seconds);
  }
}

void visit_words(Words& words, DataFingerprint& data) {
  words.field("data.count", data.count);
  words.field("data.shape", data.shape);
  words.field("data.names", data.names);
  words.field("data.hash", data.hash);
}

/// What of the data is no longer as it was; "" when nothing is.
std::string difference(const DataFingerprint& then, const DataFingerprint& now) {
  const auto was = [](std::string_view what, std::string_view a, std::string_view b) {
    const std::size_t most = 120;
    return fmt::format("{} ({}), got {}", what, a.substr(0, most), b.substr(0, most));
  };
  if (then.shape != now.shape) return was("samples of the same shape", then.shape, now.shape);
  if (then.count != now.count) return was("as many samples", then.count, now.count);
  if (then.names != now.names) return was("the same names", then.names, now.names);
  return then.hash != now.hash ? was("the same values", "hash " + then.hash, now.hash) : "";
}

void visit_words(Words& words, LossScale& scale) {
  words.field("loss_scale", scale.value);
  words.field("loss_scale.good_steps", scale.good_steps);
  words.field("loss_scale.left_out", scale.left_out);
}

void append(std::vector<Tensor>& all, const std::string& prefix, std::vector<Tensor> some) {
  for (Tensor& tensor : some) {
    tensor.name.insert(0, prefix);
    all.push_back(std::move(tensor));
  }
}

std::vector<Tensor> with_prefix(const std::vector<Tensor>& all, const std::string& prefix) {
  std::vector<Tensor> some;
  for (const Tensor& tensor : all)
    if (tensor.name.starts_with(prefix)) some.push_back({tensor.name.substr(prefix.size()), tensor.shape, tensor.values});
  return some;
}

/// The config without what may change between start and resume: how long, on how many threads.
std::string fingerprint(Config config) {
  config.train.threads = 0;
  config.train.epochs = 0;
  config.train.checkpoint_seconds = 0;
  config.train.device.clear();
  if (!spreads_samples(config.train.strategy)) {
    config.train.strategy.clear();
    config.train.workers = 0;
  }
  return to_toml(config);
}

}  // namespace

Result<void> write_checkpoint(const RunState& state, const std::filesystem::path& file) {
  TensorFile contents;
  append(contents.tensors, "parameters.", state.net.published(state.net.parameters()));
  if (state.state0.size() > 0) append(contents.tensors, "optimizer.0.", state.net.published(state.state0.data(), true));
  if (state.state1.size() > 0) append(contents.tensors, "optimizer.1.", state.net.published(state.state1.data(), true));
  if (state.has_best()) append(contents.tensors, "best.", state.net.published(state.best.data()));
  Words words;
  RunPosition at = state.at;
  OptimizerState optimizer = state.optimizer;
  PlateauState plateau = state.plateau;
  double rate = state.rate;
  std::vector<EpochRecord> history = state.history;
  visit_words(words, at, optimizer, plateau, rate, history);
  LossScale scale = state.loss_scale;
  if (state.half()) visit_words(words, scale);
  DataFingerprint data = state.data_print;
  visit_words(words, data);
  std::string config = fingerprint(state.config);
  words.field("config", config);
  contents.metadata = words.all();
  return write_safetensors(contents, file);
}

Result<void> read_checkpoint(RunState& state, const std::filesystem::path& file, Changed changed) {
  auto contents = read_safetensors(file, changed);
  if (!contents) return contents.error();
  const auto fail = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", file.string(), what)}; };
  Words words(*contents);
  RunPosition at;
  OptimizerState optimizer;
  PlateauState plateau;
  double rate = 0;
  std::vector<EpochRecord> history;
  std::string config;
  visit_words(words, at, optimizer, plateau, rate, history);
  LossScale scale;
  if (state.half()) visit_words(words, scale);
  DataFingerprint data;
  visit_words(words, data);
  words.field("config", config);
  if (!words.missing().empty()) return fail(fmt::format("wanted a soma checkpoint, got a file without '{}'", words.missing()));
  if (config != fingerprint(state.config))
    return fail(
        "wanted the checkpoint of this config, got one of another; try --resume without changing the config (epochs and threads "
        "may change)");
  if (const std::string what = difference(data, state.data_print); !what.empty())
    return fail(fmt::format("wanted the data this run began with: {}; try a new --out directory", what));
  if (at.next < 0 || at.next > state.samples() || at.epoch < 0)
    return fail(fmt::format("wanted a position within {} samples, got {}", state.samples(), at.next));
  const std::vector<Tensor>& tensors = contents->tensors;
  if (auto set = state.net.set(state.net.parameters(), with_prefix(tensors, "parameters.")); !set)
    return fail(set.error().message);
  if (state.state0.size() > 0)
    if (auto set = state.net.set(state.state0.data(), with_prefix(tensors, "optimizer.0."), true); !set)
      return fail(set.error().message);
  if (state.state1.size() > 0)
    if (auto set = state.net.set(state.state1.data(), with_prefix(tensors, "optimizer.1."), true); !set)
      return fail(set.error().message);
  state.at = at;
  if (state.has_best())
    if (auto set = state.net.set(state.best.data(), with_prefix(tensors, "best.")); !set) return fail(set.error().message);
  state.optimizer = optimizer;
  state.plateau = plateau;
  state.rate = rate;
  state.loss_scale = scale;
  state.history = std::move(history);
  if (at.next > 0) state.batches.begin_epoch(at.epoch);
  return {};
}

std::string history_csv(const std::vector<EpochRecord>& history) {
  std::string text = "epoch,loss,accuracy,validation_loss,validation_accuracy,rate,seconds\n";
  const auto optional = [](const std::optional<double>& x) {
    return x && !std::isnan(*x) ? fmt::format("{:.6f}", *x) : std::string();
  };
  for (const EpochRecord& r : history)
    text += fmt::format("{},{:.6f},{},{},{},{:.9g},{:.3f}\n", r.epoch, r.loss, optional(r.accuracy), optional(r.validation_loss),
                        optional(r.validation_accuracy), r.rate, r.seconds);
  return text;
}

}  // namespace soma
