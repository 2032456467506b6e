// the text of a batch file → the epochs and tests it asks for, each with the settings above it; or the first line that is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "batchfile/network_file.h"
#include "core/file.h"
#include "core/text.h"
#include "soma/dataset.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostUnits = 1000000;

bool known_dataset_name(std::string_view word) {
  const auto known = known_datasets();
  return std::any_of(known.begin(), known.end(), [&](const KnownDataset& each) { return each.name == word; });
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

class Parser {
 public:
  Parser(std::string_view text, const fs::path& origin, fs::path base) : lines_(text), origin_(origin), base_(std::move(base)) {
    batch_.path = origin;
    batch_.fingerprint = fnv1a(text);
  }

  Result<BatchFile> parse() {
    while (lines_.next()) {
      const std::size_t colon = lines_.text.find(':');
      if (colon == std::string_view::npos)
        return fail(fmt::format("wanted 'Key: value', got '{}'; keys: {}", one_line(lines_.text, 40), all_keys()));
      const std::string key = one_line(trimmed(lines_.text.substr(0, colon)), 40);
      if (auto taken = take(key, trimmed(lines_.text.substr(colon + 1))); !taken) return taken.error();
    }
    if (batch_.units.empty())
      return Error{Error::Kind::usage,
                   fmt::format("{}: wanted at least one Train or Test, got none; keys: {}", origin_.string(), all_keys())};
    return std::move(batch_);
  }

 private:
  using Setter = Result<void> (Parser::*)(std::string_view value);
  struct Key {
    std::string_view name;
    Setter set;
  };
  static std::span<const Key> keys();

  static std::vector<std::string> key_names() {
    std::vector<std::string> names;
    for (const Key& key : keys()) names.emplace_back(key.name);
    return names;
  }
  static std::string all_keys() { return fmt::format("{}", fmt::join(key_names(), ", ")); }

  Result<void> take(const std::string& key, std::string_view value) {
    for (const Key& known : keys())
      if (known.name == key) {
        key_ = known.name;
        return (this->*known.set)(value);
      }
    const std::vector<std::string> names = key_names();
    const std::string close = nearest(key, names);
    return fail(fmt::format("unknown key '{}'{}; keys: {}", key, close.empty() ? "" : fmt::format("; did you mean '{}'?", close),
                            all_keys()));
  }

  [[nodiscard]] Error fail(std::string_view what) const {
    return {Error::Kind::usage, fmt::format("{}:{}: {}", origin_.string(), lines_.number, what)};
  }
  [[nodiscard]] Error wrong(std::string_view wanted, std::string_view value) const {
    return fail(fmt::format("{}: wanted {}, got '{}'", key_, wanted, one_line(value, 60)));
  }

  template <class T>
  Result<void> number(std::string_view value, T least, T most, std::string_view wanted, T& into) {
    if (value.starts_with('+')) value.remove_prefix(1);
    T parsed{};
    const auto [stop, failure] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (failure != std::errc() || stop != value.data() + value.size() || !(parsed >= least && parsed <= most))
      return wrong(wanted, value);
    into = parsed;
    return {};
  }
  Result<void> whole(std::string_view value, std::int64_t least, std::int64_t most, std::int64_t& into) {
    return number(value, least, most, fmt::format("a whole number from {} to {}", least, most), into);
  }
  Result<void> real(std::string_view value, double least, double& into) {
    constexpr double kMost = std::numeric_limits<double>::max();
    return number(value, least, kMost, least == 0 ? "a number, at least 0" : "a number", into);
  }
  Result<void> anything(std::string_view value, double& into) { return real(value, std::numeric_limits<double>::lowest(), into); }

  template <std::size_t N, class T>
  Result<void> word(std::string_view value, const std::array<std::string, N>& words, T& into) {
    const auto found = std::find(words.begin(), words.end(), value);
    if (found == words.end()) {
      const std::string typed = one_line(value, 60);
      return fail(fmt::format("{}: unknown word '{}'{}", key_, typed, suggestion(typed, words)));
    }
    into = static_cast<T>(found - words.begin());
    return {};
  }

  /// Where a file of the batch lies. Every file but those that are written must be there.
  Result<void> place(std::string_view value, bool must_exist, std::string& into) {
    if (value.empty()) return wrong("a file", value);
    const std::string given(value);
    into = (base_ / given).lexically_normal().string();
    if (!must_exist) return {};
    const auto type = look_at(base_ / given);
    if (!type) return type.error();
    const bool known = known_dataset_name(given.substr(0, given.find(':')));
    if (known && *type == fs::file_type::not_found) {
      into = given;
      return {};
    }
    if (*type != fs::file_type::regular) return fail(fmt::format("{}: wanted a file, found none at {}", key_, into));
    return {};
  }

  Result<void> result_file(std::string_view value) { return place(value, false, now_.result_file); }
  Result<void> persistence_file(std::string_view value) { return place(value, false, now_.persistence_file); }
  Result<void> train_file(std::string_view value) { return place(value, true, now_.train_file); }
  Result<void> test_file(std::string_view value) { return place(value, true, now_.test_file); }
  Result<void> network_file(std::string_view value) {
    if (auto placed = place(value, true, now_.network_file); !placed) return placed;
    auto text = read_file(now_.network_file, 1 << 20);
    if (!text) return text.error();
    auto layers = parse_network(*text, now_.network_file);
    if (!layers) return layers.error();
    now_.layers = std::move(*layers);
    return {};
  }
  Result<void> pre_processing(std::string_view value) {
    static const std::array<std::string, 3> words = {"None", "MeanSubstraction", "Proportional"};
    return word(value == "MeanSubtraction" ? "MeanSubstraction" : value, words, now_.pre_processing);
  }
  Result<void> parallel(std::string_view value) {
    std::int64_t workers = 0;
    auto read = whole(value, 1, 4096, workers);
    if (read) now_.parallel = static_cast<int>(workers);
    return read;
  }
  Result<void> worker_batch(std::string_view value) { return whole(value, 1, std::int64_t{1} << 40, now_.worker_batch); }
  Result<void> learning_rate(std::string_view value) { return real(value, 0, now_.rate); }
  Result<void> lambda(std::string_view value) { return real(value, 0, now_.lambda); }
  Result<void> min_weight(std::string_view value) { return anything(value, now_.min_weight); }
  Result<void> max_weight(std::string_view value) { return anything(value, now_.max_weight); }
  Result<void> target_start(std::string_view value) { return whole(value, 0, 1 << 20, now_.target_start); }
  Result<void> target_end(std::string_view value) { return whole(value, 1, 1 << 20, now_.target_end); }
  Result<void> merge(std::string_view value) {
    static const std::array<std::string, 2> words = {"Weighted", "Average"};
    return word(value, words, now_.merge);
  }
  Result<void> lambda_sign(std::string_view value) {
    static const std::array<std::string, 2> words = {"Code", "Equation"};
    return word(value, words, now_.penalise);
  }
  Result<void> seed(std::string_view value) {
    std::int64_t number = 0;
    auto read = whole(value, 0, std::numeric_limits<std::int64_t>::max(), number);
    if (read) now_.seed = static_cast<std::uint64_t>(number);
    return read;
  }
  Result<void> lambda_l1(std::string_view value) { return real(value, 0, now_.lambda_l1.emplace()); }
  Result<void> lambda_l2(std::string_view value) { return real(value, 0, now_.lambda_l2.emplace()); }
  Result<void> yes_or_no(std::string_view value, bool& into) {
    static const std::array<std::string, 2> words = {"No", "Yes"};
    return word(value, words, into);
  }
  Result<void> bias(std::string_view value) { return yes_or_no(value, now_.bias); }
  Result<void> scaled(std::string_view value) { return yes_or_no(value, now_.scaled); }
  Result<void> loss(std::string_view value) {
    static const std::array<std::string, 2> words = {"Squared", "CrossEntropy"};
    return word(value, words, now_.loss);
  }
  Result<void> optimizer(std::string_view value) {
    static const std::array<std::string, 3> words = {"Descent", "Momentum", "Nadam"};
    return word(value, words, now_.optimizer);
  }
  /// From 0 to 1, 1 not included.
  Result<void> share(std::string_view value, double& into) {
    return number(value, 0.0, std::nextafter(1.0, 0.0), "a number from 0 to below 1", into);
  }
  Result<void> momentum(std::string_view value) { return share(value, now_.momentum); }
  Result<void> beta2(std::string_view value) { return share(value, now_.beta2); }
  Result<void> first_weights(std::string_view value) {
    static const std::array<std::string, 2> words = {"Uniform", "LeCun"};
    return word(value, words, now_.first_weights);
  }
  Result<void> alpha_dropout(std::string_view value) { return share(value, now_.alpha_dropout); }
  Result<void> log_level(std::string_view value) {
    static const std::array<std::string, 3> words = {"Error", "Info", "Debug"};
    return word(value, words, now_.log_level);
  }
  Result<void> train(std::string_view value) { return units(value, true); }
  Result<void> test(std::string_view value) { return units(value, false); }

  Result<void> units(std::string_view value, bool train) {
    std::int64_t count = 0;
    if (auto read = whole(value, 0, kMostUnits - static_cast<std::int64_t>(batch_.units.size()), count); !read) return read;
    if (count == 0) return {};
    if (now_.layers.empty()) return fail(fmt::format("{}: wanted a NetworkFile above, got none", key_));
    if ((train ? now_.train_file : now_.test_file).empty())
      return fail(fmt::format("{}: wanted a {}File above, got none", key_, key_));
    const std::int64_t targets = now_.target_end - now_.target_start, outputs = now_.layers.back().neurons;
    if (targets < 1)
      return fail(fmt::format("{}: wanted TargetColumnsEnd above TargetColumnsStart, got {} and {}", key_, now_.target_end,
                              now_.target_start));
    if (targets != 1 && targets != outputs)
      return fail(fmt::format("{}: wanted 1 target column or {}, as many as outputs, got {}", key_, outputs, targets));
    using Kind = BatchLayer::Kind;
    if (const Kind last = now_.layers.back().kind;
        now_.loss == BatchSettings::Loss::cross_entropy && last != Kind::softmax && last != Kind::logistic)
      return fail(fmt::format("{}: wanted SoftMax or Logistic as the last layer of {} with Loss: CrossEntropy, got another", key_,
                              now_.network_file));
    const auto persisted = now_.persistence_file.empty() ? false : is_there(now_.persistence_file);
    if (!persisted) return persisted.error();
    if (!train && !trained_ && !*persisted)
      return fail("Test: wanted a trained network, got none; try a Train above, or the PersistenceFile of an earlier run");
    trained_ = trained_ || train;
    batch_.settings.push_back(now_);
    for (std::int64_t i = 0; i < count; ++i) batch_.units.push_back({train, lines_.number, batch_.settings.size() - 1});
    return {};
  }

  Lines lines_;
  fs::path origin_, base_;
  std::string_view key_;
  BatchSettings now_;
  BatchFile batch_;
  bool trained_ = false;
};

std::span<const Parser::Key> Parser::keys() {
  static constexpr std::array<Key, 32> all = {{{"ResultFile", &Parser::result_file},
                                               {"NetworkFile", &Parser::network_file},
                                               {"PersistenceFile", &Parser::persistence_file},
                                               {"TrainFile", &Parser::train_file},
                                               {"TestFile", &Parser::test_file},
                                               {"PreProcessing", &Parser::pre_processing},
                                               {"Parallel", &Parser::parallel},
                                               {"WorkerBatch", &Parser::worker_batch},
                                               {"LearningRate", &Parser::learning_rate},
                                               {"Lambda", &Parser::lambda},
                                               {"MinWeight", &Parser::min_weight},
                                               {"MaxWeight", &Parser::max_weight},
                                               {"TargetColumnsStart", &Parser::target_start},
                                               {"TargetColumnStart", &Parser::target_start},
                                               {"TargetColumnsEnd", &Parser::target_end},
                                               {"TargetColumnEnd", &Parser::target_end},
                                               {"Train", &Parser::train},
                                               {"Test", &Parser::test},
                                               {"Merge", &Parser::merge},
                                               {"LambdaSign", &Parser::lambda_sign},
                                               {"Seed", &Parser::seed},
                                               {"LambdaL1", &Parser::lambda_l1},
                                               {"LambdaL2", &Parser::lambda_l2},
                                               {"Bias", &Parser::bias},
                                               {"LayerScaling", &Parser::scaled},
                                               {"Loss", &Parser::loss},
                                               {"Optimizer", &Parser::optimizer},
                                               {"Momentum", &Parser::momentum},
                                               {"Beta2", &Parser::beta2},
                                               {"FirstWeights", &Parser::first_weights},
                                               {"AlphaDropout", &Parser::alpha_dropout},
                                               {"LogLevel", &Parser::log_level}}};
  return all;
}

/// Where relative paths start: here, unless the first network file lies only beside the batch file.
Result<fs::path> base_of(std::string_view text, const fs::path& file) {
  for (Lines lines(text); lines.next();) {
    if (!lines.text.starts_with("NetworkFile:")) continue;
    const fs::path network(trimmed(lines.text.substr(12)));
    const auto here = is_there(network), beside = is_there(file.parent_path() / network);
    if (!here) return here.error();
    if (!beside) return beside.error();
    if (network.is_relative() && !*here && *beside) return file.parent_path();
    break;
  }
  return fs::path();
}

}  // namespace

Result<BatchFile> parse_batch(std::string_view text, const fs::path& origin, const fs::path& base) {
  return Parser(text, origin, base).parse();
}

Result<BatchFile> load_batch(const fs::path& file) {
  auto text = read_file(file, 1 << 26);
  if (!text) return text.error();
  const auto base = base_of(*text, file);
  if (!base) return base.error();
  return parse_batch(*text, file, *base);
}

}  // namespace soma
