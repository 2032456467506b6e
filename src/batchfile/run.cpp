// a batch file → its epochs and tests, run; persistence and result files that a kill at any moment leaves whole.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>

#include "batchfile/persistence.h"
#include "batchfile/result.h"
#include "batchfile/samples.h"
#include "batchfile/workers.h"
#include "core/file.h"
#include "core/random.h"
#include "kernels/kernels.h"
#include "soma/device.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// What a persistence file can hold, and what the next epoch starts from.
double single(double x) { return static_cast<double>(static_cast<float>(x)); }

class Runner {
 public:
  Runner(const BatchFile& batch, const BatchHooks& hooks, const OnlineKernels& kernels)
      : batch_(batch), hooks_(hooks), kernels_(kernels) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  /// All done, but something failed behind the last unit: said again, the batch is to be seen to be done, and not to train on.
  ~Runner() {
    const bool all_done = mark_.units == static_cast<std::int64_t>(batch_.units.size());
    for (Lock& lock : persistence_locks_)
      if (all_done && !ended_well_) lock.leave_behind();
  }

  Result<BatchReport> run() {
    if (auto read = read_data(); !read) return read.error();
    if (auto locked = lock(); !locked) return locked.error();
    if (auto found = find_mark(); !found) return found.error();
    if (report_.skipped > 0)
      note(fmt::format("going on behind line {}: {} of {} epochs and tests were done before",
                       batch_.units[static_cast<std::size_t>(report_.skipped - 1)].line, report_.skipped, batch_.units.size()));
    for (auto i = static_cast<std::size_t>(report_.skipped); i < batch_.units.size(); ++i) {
      if (auto done = unit(batch_.units[i], static_cast<std::int64_t>(i)); !done) return done.error();
      if (report_.interrupted) break;
    }
    ended_well_ = true;
    return std::move(report_);
  }

 private:
  using DataKey = std::tuple<std::string, std::int64_t, std::int64_t>;

  void note(std::string_view line) const {
    if (hooks_.on_note) hooks_.on_note(line);
  }
  [[nodiscard]] Error fail(Error::Kind kind, const BatchUnit& unit, std::string_view what) const {
    return {kind, fmt::format("{}:{}: {}", batch_.path.string(), unit.line, what)};
  }

  static DataKey key_of(const BatchUnit& unit, const BatchSettings& s) {
    return {unit.train ? s.train_file : s.test_file, s.target_start, s.target_end};
  }

  /// Every data file of the batch, checked against the networks that will see it, before anything is trained.
  Result<void> read_data() {
    std::size_t checked = batch_.settings.size();
    for (const BatchUnit& unit : batch_.units) {
      if (unit.settings == checked) continue;
      checked = unit.settings;
      const BatchSettings& s = batch_.settings_of(unit);
      const DataKey key = key_of(unit, s);
      auto found = data_.find(key);
      if (found == data_.end()) {
        auto samples = read_samples(std::get<0>(key), s.target_start, s.target_end);
        if (!samples) return samples.error();
        note(fmt::format("read {}: {} lines of {} inputs", std::get<0>(key), samples->count, samples->inputs));
        found = data_.emplace(key, std::move(*samples)).first;
      }
      if (auto fits = check(found->second, s, std::get<0>(key)); !fits) return fits;
    }
    return {};
  }

  static Result<void> check(const Samples& samples, const BatchSettings& s, const std::string& source) {
    const std::int64_t outputs = s.layers.back().neurons;
    if (samples.inputs != s.layers.front().neurons)
      return Error{Error::Kind::data, fmt::format("{}: wanted {} inputs behind the targets, as many as {} has neurons, got {}",
                                                  source, s.layers.front().neurons, s.network_file, samples.inputs)};
    if (samples.targets != 1 || outputs == 1) return {};
    for (std::size_t i = 0; i < samples.target.size(); ++i) {
      const double label = samples.target[i];
      if (!(label >= 0 && label < static_cast<double>(outputs)) || label != std::floor(label))
        return Error{Error::Kind::data, fmt::format("{}:{}: wanted a class from 0 to {} in column {}, got {}", source,
                                                    samples.file_line[i], outputs - 1, s.target_start, label)};
    }
    return {};
  }

  /// Every file the batch writes is its own until the end. One that two names lead to is locked once.
  Result<void> lock() {
    std::map<fs::path, bool> files;  // and whether weights go there
    for (const BatchSettings& s : batch_.settings)
      for (const std::string& file : {s.result_file, s.persistence_file}) {
        if (file.empty()) continue;
        if (auto made = make_directory_of(file); !made) return made;
        std::error_code failure;
        const fs::path path = fs::weakly_canonical(file, failure);
        if (failure) return Error{Error::Kind::io, fmt::format("{}: cannot look at: {}", file, failure.message())};
        files[path] = files[path] || file == s.persistence_file;
      }
    for (const auto& [file, persists] : files) {
      auto lock = Lock::take(file.string() + ".lock", file.string());
      if (!lock) return lock.error();
      if (!lock->warning().empty()) note(lock->warning());
      if (auto clean = remove_leftovers(file); !clean) return clean;
      if (auto synced = sync_directory(file.parent_path()); !synced) return synced;  // it is to outlive a power cut
      was_killed_ = was_killed_ || (persists && lock->inherited());
      (persists ? persistence_locks_ : result_locks_).push_back(std::move(*lock));
    }
    return {};
  }

  static Result<void> make_directory_of(const fs::path& file) {
    return file.has_parent_path() ? make_directory(file.parent_path()) : Result<void>();
  }

  /// Where an interrupted run of this batch file stood, as its persistence files tell; and the number of this run.
  Result<void> find_mark() {
    mark_.batch = batch_.fingerprint;
    std::optional<RunMark> latest;
    bool all_persist = true;
    std::string checked;
    for (const BatchUnit& unit : batch_.units) {
      const std::string& file = batch_.settings_of(unit).persistence_file;
      all_persist = all_persist && !file.empty();
      if (file.empty() || file == checked) continue;
      checked = file;
      const auto there = is_there(file);
      if (!there) return there.error();
      if (!*there) continue;
      auto kept = read_persistence(file, hooks_.changed);
      if (!kept) return kept.error();
      const RunMark& mark = kept->mark;
      if (mark.batch != batch_.fingerprint) continue;
      if (latest && std::tie(mark.run, mark.units) <= std::tie(latest->run, latest->units)) continue;
      latest = mark;
    }
    const auto units = static_cast<std::int64_t>(batch_.units.size());
    if (!latest) {
      mark_.run = 1;
      return {};
    }
    const auto mended = finish_line(*latest);
    if (!mended) return mended.error();
    // A run that lacked its last line, or was killed behind it, has not been to its end; one that has is run once more.
    const bool over = !all_persist || (latest->units >= units && !*mended && !was_killed_);
    mark_.run = latest->run + (over ? 1 : 0);
    if (!over) report_.skipped = mark_.units = latest->units;
    return {};
  }

  /// Writes the result line that a kill has kept from its file; false when it is there. The line itself is looked for (it holds
  /// nanoseconds, so no other is like it): other batches may have added lines of theirs since. A file that is shorter than it was
  /// has been put away.
  static Result<bool> finish_line(const RunMark& mark) {
    if (mark.result_file.empty()) return false;
    auto text = result_text(mark.result_file);
    if (!text) return text.error();
    if (static_cast<std::int64_t>(text->size()) < mark.result_size ||
        ("\n" + *text).find("\n" + mark.result_line + "\n") != std::string::npos)
      return false;
    if (auto written = write_file(mark.result_file, with_result_line(std::move(*text), mark.result_line)); !written)
      return written.error();
    return true;
  }

  /// What the result file holds: nothing before the first line.
  static Result<std::string> result_text(const std::string& file) {
    const auto there = is_there(file);
    if (!there) return there.error();
    return *there ? read_file(file) : std::string();
  }

  Result<void> unit(const BatchUnit& unit, std::int64_t index) {
    const BatchSettings& s = batch_.settings_of(unit);
    if (auto ready = pick_up(unit, s); !ready) return ready;
    const Samples& samples = data_.at(key_of(unit, s));

    BatchResult result;
    result.train = unit.train;
    result.cores = available_threads();
    result.parallel = s.parallel;
    result.worker_batch = s.worker_batch;
    result.rate = s.rate;
    result.lines = samples.count;
    const auto setup = Clock::now();
    const OnlineLayout layout(s.layers, s.bias);
    Workers workers(layout, s, kernels_, hooks_.threads);
    result.setup_seconds = since(setup);
    const auto start = Clock::now();
    const GoOn go_on = [&](std::int64_t lines) {
      if (hooks_.on_progress)
        hooks_.on_progress({&unit, index, static_cast<std::int64_t>(batch_.units.size()), lines, samples.count, since(start)});
      return hooks_.stop == nullptr || !hooks_.stop->load(std::memory_order_relaxed);
    };
    if (unit.train) {
      std::vector<double> weights = trained_->weights;
      if (!workers.train(weights, samples, shuffled(samples.count, s.seed), go_on, trained_->epochs)) return interrupt();
      result.seconds = since(start);
      for (double& w : weights) w = single(w);
      if (std::any_of(weights.begin(), weights.end(), [](double w) { return !std::isfinite(w); }))
        return fail(
            Error::Kind::diverged, unit,
            fmt::format("Train: wanted finite weights after epoch {}, got NaN or infinity; try a smaller LearningRate (now {}) "
                        "or Lambda (now {})",
                        trained_->epochs + 1, s.rate, s.lambda));
      trained_->weights = std::move(weights);
      trained_->epochs += 1;
      trained_->lines += samples.count;
      trained_->seconds += result.seconds;
    } else {
      const auto score = workers.test(trained_->weights, samples, go_on);
      if (!score) return interrupt();
      result.seconds = since(start);
      result.correct = score->correct;
      result.incorrect = score->incorrect;
      result.error_rate = 100 * score->error / static_cast<double>(samples.count);
    }
    result.epoch = trained_->epochs;
    result.total_seconds = trained_->seconds;
    result.total_lines = trained_->lines;
    if (auto kept = keep(s, result, index); !kept) return kept;
    report_.results.push_back(result);
    if (hooks_.on_result) hooks_.on_result(unit, result);
    return {};
  }

  Result<void> interrupt() {
    report_.interrupted = true;
    return {};
  }

  /// trained_ for this unit: what the last one left, what the persistence file holds, or first weights.
  Result<void> pick_up(const BatchUnit& unit, const BatchSettings& s) {
    const auto fits = [&](const Trained& trained) { return trained.layers == s.layers && trained.bias == s.bias; };
    const auto other = [&] {
      return fail(Error::Kind::usage, unit,
                  fmt::format("wanted the network of {}{}, got one of other layers in {}; try another PersistenceFile",
                              s.network_file, s.bias ? "" : " without bias", s.persistence_file));
    };
    if (trained_ && s.persistence_file == trained_in_ && (fits(*trained_) || !s.persistence_file.empty()))
      return fits(*trained_) ? Result<void>() : other();
    trained_.reset();
    trained_in_ = s.persistence_file;
    const auto there = s.persistence_file.empty() ? false : is_there(s.persistence_file);
    if (!there) return there.error();
    if (*there) {
      auto kept = read_persistence(s.persistence_file, hooks_.changed);
      if (!kept) return kept.error();
      if (!fits(kept->trained)) return other();
      trained_ = std::move(kept->trained);
      note(fmt::format("picked up {}: {} epochs, {} lines", s.persistence_file, trained_->epochs, trained_->lines));
      return {};
    }
    if (!unit.train)
      return fail(Error::Kind::usage, unit,
                  "Test: wanted a trained network, got none; try a Train above, or the PersistenceFile of an earlier run");
    trained_ = Trained{s.layers, first_weights(s), 0, 0, 0, s.bias};
    return {};
  }

  /// max − u·(max − min) with u from [0, 1), connection after connection, row after row. LeCun: normal, of variance 1 / inputs,
  /// and 0 for the bias neuron.
  static std::vector<double> first_weights(const BatchSettings& s) {
    const OnlineLayout layout(s.layers, s.bias);
    std::vector<double> weights(static_cast<std::size_t>(layout.size));
    for (std::size_t l = 0; l < layout.connections.size(); ++l) {
      const Connection& c = layout.connections[l];
      const std::int64_t inputs = layout.layers[l].neurons;
      for (std::int64_t i = 0; i < c.rows * c.columns; ++i) {
        const auto at = static_cast<std::uint64_t>(i);
        const std::uint32_t numbers = stream(Stream::weights, l);
        double w = 0;
        if (s.first_weights == BatchSettings::FirstWeights::uniform)
          w = s.max_weight - random_unit(s.seed, numbers, at) * (s.max_weight - s.min_weight);
        else if (i / c.columns < inputs)
          w = random_normal(s.seed, numbers, at) / std::sqrt(static_cast<double>(inputs));
        weights[static_cast<std::size_t>(c.offset + i / c.columns * c.width + i % c.columns)] = single(w);
      }
    }
    return weights;
  }

  /// Another order for each epoch, the same in every run (Fisher & Yates).
  [[nodiscard]] std::vector<std::int32_t> shuffled(std::int64_t count, std::uint64_t seed) const {
    std::vector<std::int32_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    const std::uint32_t epoch = stream(Stream::shuffle, static_cast<std::uint64_t>(trained_->epochs));
    for (auto i = static_cast<std::uint64_t>(count); i > 1; --i) std::swap(order[i - 1], order[random_below(i, seed, epoch, i)]);
    return order;
  }

  /// Persistence first, with the result line in it; then the result file. A kill between the two is mended by finish_line.
  Result<void> keep(const BatchSettings& s, const BatchResult& result, std::int64_t index) {
    mark_.units = index + 1;
    mark_.result_file = s.result_file;
    mark_.result_line = to_line(result);
    mark_.result_size = 0;
    std::string text;
    if (!s.result_file.empty()) {
      auto read = result_text(s.result_file);
      if (!read) return read.error();
      text = std::move(*read);
      mark_.result_size = static_cast<std::int64_t>(text.size());
    }
    if (!s.persistence_file.empty())
      if (auto written = write_persistence(*trained_, mark_, s.persistence_file); !written) return written;
    if (s.result_file.empty()) return {};
    return write_file(s.result_file, with_result_line(std::move(text), mark_.result_line));
  }

  const BatchFile& batch_;
  const BatchHooks& hooks_;
  const OnlineKernels& kernels_;
  std::map<DataKey, Samples> data_;
  std::optional<Trained> trained_;
  std::string trained_in_;
  // The locks of persistence files go last: one that lies there says that the run which wrote the weights was killed.
  std::vector<Lock> persistence_locks_, result_locks_;
  bool was_killed_ = false, ended_well_ = false;
  RunMark mark_;
  BatchReport report_;
};

}  // namespace

Result<BatchReport> run_batch(const BatchFile& batch, const BatchHooks& hooks) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  return Runner(batch, hooks, online_kernels_for((*kernels)->target)).run();
}

}  // namespace soma
