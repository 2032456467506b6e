// TOML, good and bad → what parse_config, set_key, check_config and to_toml make of it.
#include "soma/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <limits>

#include "core/file.h"
#include "model/scratch.h"
#include "nn/visit.h"
#include "train/config_fields.h"

namespace soma {
namespace {

using ::testing::HasSubstr;

std::string parse_error(std::string_view toml) {
  const Result<Config> config = parse_config(toml, "a.toml");
  if (config) return "no error";
  EXPECT_EQ(config.error().kind, Error::Kind::usage);
  return config.error().message;
}

TEST(Config, ReadsEveryForm) {
  const Result<Config> config = parse_config(R"(
name = "x"
preprocess = [{ kind = "divide", by = 2 }, { kind = "min-max", per_feature = true }]
[data]
train = "mnist:train"
label = -1
header = true
[network]
input = [1, 28, 28]
init = { kind = "xavier", distribution = "uniform" }
layers = [
  { type = "conv2d", name = "first", out = 32, kernel = [3, 5], padding = 2, init = { kind = "lecun" } },
  { type = "leaky-relu" },
  { type = "max_pool", size = 3 },
  { type = "max_pool", size = 3, stride = [1, 2] },
  { type = "elu", alpha = 0.5 },
  { type = "add", inputs = ["first", "input"] },
  { type = "log_softmax" },
  { type = "linear", out = "classes", bias = false },
]
[loss]
kind = "binary-cross-entropy"
codes = [0, 1, 0.5]
[optimizer]
kind = "adamw"
rate = 1
)",
                                             "a.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "x");
  ASSERT_EQ(config->preprocess.size(), 2U);
  EXPECT_EQ(config->preprocess[0].by, 2);
  EXPECT_EQ(config->preprocess[1].kind, PreprocessKind::min_max);
  EXPECT_EQ(config->preprocess[1].per_feature, true);
  EXPECT_EQ(config->data.label, "-1");
  EXPECT_EQ(config->data.header, true);
  EXPECT_EQ(config->network.input, (Shape{1, 28, 28}));
  EXPECT_EQ(config->network.init, (Init{Init::Kind::xavier, Init::Distribution::uniform}));
  const auto& nodes = config->network.nodes;
  ASSERT_EQ(nodes.size(), 8U);
  EXPECT_EQ(nodes[0].layer, (Layer{Conv2d{32, 3, 5, 1, 1, 2, 2}}));
  EXPECT_EQ(nodes[0].name, "first");
  EXPECT_EQ(nodes[0].init, Init{Init::Kind::lecun});
  EXPECT_EQ(nodes[1].layer, (Layer{Activation{Activation::Kind::leaky_relu, 0.01}}));
  EXPECT_EQ(nodes[2].layer, (Layer{Pool{Pool::Kind::max, 3, 3, 3, 3}}));
  EXPECT_EQ(nodes[3].layer, (Layer{Pool{Pool::Kind::max, 3, 3, 1, 2}}));
  EXPECT_EQ(nodes[4].layer, (Layer{Activation{Activation::Kind::elu, 0.5}}));
  EXPECT_EQ(nodes[5].inputs, (std::vector<std::string>{"first", "input"}));
  EXPECT_EQ(nodes[6].layer, Layer{Softmax{true}});
  EXPECT_EQ(nodes[7].layer, (Layer{Linear{0, false}}));
  EXPECT_EQ(config->loss.kind, LossConfig::Kind::binary_cross_entropy);
  EXPECT_EQ(config->loss.codes, (std::vector<double>{0, 1, 0.5}));
  EXPECT_EQ(config->optimizer.kind, OptimizerConfig::Kind::adamw);
  EXPECT_EQ(config->optimizer.rate, 1);
  EXPECT_EQ(config->train, TrainConfig{}) << "a section that is not there keeps its defaults";
}

TEST(Config, NamesUnknownKeysWithPositionAndTheNearestOne) {
  EXPECT_EQ(parse_error("name = \"a\"\n\n[optimiser]\nrate = 1\n"),
            "a.toml:3:2: unknown key 'optimiser'; did you mean 'optimizer'?");
  EXPECT_EQ(parse_error("[train]\n  epoch = 5\n"), "a.toml:2:3: unknown key 'train.epoch'; did you mean 'train.epochs'?");
  EXPECT_EQ(parse_error("epochs = 5\n"), "a.toml:1:1: unknown key 'epochs'; did you mean 'train.epochs'?");
  EXPECT_EQ(parse_error("[network]\nlayers = [{ type = \"conv2d\", out = 3, kernle = 5 }]\n"),
            "a.toml:2:39: unknown key 'conv2d.kernle'; did you mean 'conv2d.kernel'?");
  EXPECT_THAT(parse_error("[augment]\nthunderstorm = 5\n"),
              HasSubstr("a.toml:2:1: unknown key 'augment.thunderstorm'; known: augment.shift, augment.rotate"));
}

TEST(Config, NamesUnknownWordsWithTheNearestOne) {
  EXPECT_EQ(parse_error("[optimizer]\nkind = \"adamm\"\n"),
            "a.toml:2:8: optimizer.kind: unknown word 'adamm'; did you mean 'adam'?");
  EXPECT_EQ(parse_error("[network]\nlayers = [{ type = \"maxpool\" }]\n"),
            "a.toml:2:20: network.layers: unknown layer type 'maxpool'; did you mean 'max_pool'?");
  EXPECT_THAT(parse_error("[schedule]\nkind = \"whatever\"\n"), HasSubstr("known: constant, step, exponential"));
}

TEST(Config, SaysWhichTypeIsWantedAndWhichIsThere) {
  EXPECT_EQ(parse_error("[train]\nepochs = \"ten\"\n"), "a.toml:2:10: train.epochs: wanted an integer, got the string 'ten'");
  EXPECT_EQ(parse_error("[train]\nepochs = 1.5\n"), "a.toml:2:10: train.epochs: wanted an integer, got the number 1.5");
  EXPECT_EQ(parse_error("[train]\nseed = -1\n"), "a.toml:2:8: train.seed: wanted an integer, 0 or more, got the integer -1");
  std::string deep = "a", nested;
  for (int i = 0; i < 100000; ++i) deep += ".a", nested += "[";
  EXPECT_EQ(parse_error("\n[" + deep + "]\n"), "a.toml:2: wanted a key of at most 64 parts, got more; try another file");
  EXPECT_THAT(parse_error("x = {" + deep + " = 1}\n"), HasSubstr("at most 64 parts"));
  EXPECT_TRUE(parse_config("# " + std::string(200, '.') + "\nname = \"" + std::string(200, '.') + "\"\n", "a").ok());
  EXPECT_THAT(parse_error("x = " + nested), HasSubstr("nested"));
  EXPECT_EQ(parse_error("[train]\nthreads = 99999999999\n"),
            "a.toml:2:11: train.threads: wanted an integer, 0 or more, got the integer 99999999999");
  EXPECT_EQ(parse_error("[optimizer]\nrate = true\n"), "a.toml:2:8: optimizer.rate: wanted a number, got true");
  EXPECT_EQ(parse_error("[data]\nheader = 1\n"), "a.toml:2:10: data.header: wanted true or false, got the integer 1");
  EXPECT_EQ(parse_error("[data]\nlabel = 0.5\n"),
            "a.toml:2:9: data.label: wanted a column's name or index, or a list of them, got the number 0.5");
  EXPECT_EQ(parse_error("name = []\n"), "a.toml:1:8: name: wanted a string, got a list");
  EXPECT_EQ(parse_error("train = 3\n"), "a.toml:1:9: train: wanted a table, got the integer 3");
  EXPECT_EQ(parse_error("preprocess = { kind = \"divide\" }\n"), "a.toml:1:14: preprocess: wanted a list, got a table");
  EXPECT_EQ(parse_error("[loss]\ncodes = [0, \"one\"]\n"), "a.toml:2:13: loss.codes: wanted a number, got the string 'one'");
  EXPECT_EQ(parse_error("[loss]\nkind = 1979-05-27\n"), "a.toml:2:8: loss.kind: wanted a word, got a date or time");
  EXPECT_EQ(parse_error("[network]\nlayers = [\"relu\"]\n"),
            "a.toml:2:11: network.layers: wanted a table such as { type = \"relu\" }, got the string 'relu'");
}

TEST(Config, SaysWhatALayerLacks) {
  const auto layer = [](std::string_view text) { return parse_error("[network]\nlayers = [" + std::string(text) + "]\n"); };
  EXPECT_EQ(layer("{ out = 3 }"), "a.toml:2:11: network.layers: a layer wants its type, such as type = \"relu\"");
  EXPECT_EQ(layer("{ type = \"linear\" }"), "a.toml:2:11: a linear layer wants its size, such as out = 32");
  EXPECT_EQ(layer("{ type = \"conv2d\", out = 3 }"), "a.toml:2:11: a conv2d layer wants its kernel, such as kernel = 3");
  EXPECT_EQ(layer("{ type = \"conv2d\", out = 3, kernel = [1, 2, 3] }"),
            "a.toml:2:48: conv2d.kernel: wanted one integer, or [height, width], got a list");
  EXPECT_EQ(layer("{ type = \"linear\", out = 0 }"),
            "a.toml:2:36: linear.out: wanted a count of 1 or more, or \"classes\", got the integer 0");
}

TEST(Config, PlacesErrorsOfTheTomlItself) {
  EXPECT_THAT(parse_error("name = \"a\"\nname = \"b\"\n"), HasSubstr("a.toml:2:"));
  EXPECT_THAT(parse_error("[train\n"), HasSubstr("a.toml:1:"));
  EXPECT_EQ(parse_error("x = \"\xff\"").find('\n'), std::string::npos);
  EXPECT_EQ(parse_error("name = '''\n\n\n").find('\n'), std::string::npos);
}

TEST(Config, LoadsFilesAndNamesThemInErrors) {
  const Scratch scratch;
  const std::string file = (scratch / "config.toml").string();
  ASSERT_TRUE(write_file(file, "[train]\nepochs = 3\n"));
  const Result<Config> config = load_config(file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->train.epochs, 3);
  ASSERT_TRUE(write_file(file, "[train]\nepoch = 3\n"));
  EXPECT_EQ(load_config(file).error().message, file + ":2:1: unknown key 'train.epoch'; did you mean 'train.epochs'?");
  const Result<Config> missing = load_config(file + ".missing");
  EXPECT_EQ(missing.error().kind, Error::Kind::usage);
  EXPECT_THAT(missing.error().message, HasSubstr("No such file"));
}

TEST(SetKey, ReplacesOneValue) {
  Config config;
  EXPECT_TRUE(set_key(config, "train.epochs", "3"));
  EXPECT_EQ(config.train.epochs, 3);
  EXPECT_TRUE(set_key(config, "optimizer.kind", "nesterov"));
  EXPECT_EQ(config.optimizer.kind, OptimizerConfig::Kind::nesterov);
  EXPECT_TRUE(set_key(config, "data.train", "some dir/a.csv"));
  EXPECT_EQ(config.data.train, "some dir/a.csv");
  EXPECT_TRUE(set_key(config, "name", "\"quoted\""));
  EXPECT_EQ(config.name, "quoted");
  EXPECT_TRUE(set_key(config, "network.init.kind", "lecun"));
  EXPECT_EQ(config.network.init.kind, Init::Kind::lecun);
  EXPECT_TRUE(set_key(config, "network.layers", R"([{ type = "linear", out = 4 }, { type = "tanh" }])"));
  EXPECT_EQ(config.network.nodes.size(), 2U);
  EXPECT_TRUE(set_key(config, "preprocess", "[]"));
  EXPECT_TRUE(set_key(config, "loss.codes", "[0, 1]"));
  EXPECT_EQ(config.loss.codes, (std::vector<double>{0, 1}));
}

TEST(SetKey, RefusesWithoutChangingAnything) {
  Config config;
  const Config before = config;
  const auto error = [&](std::string_view key, std::string_view value) {
    const Result<void> set = set_key(config, key, value);
    EXPECT_FALSE(set) << key;
    EXPECT_EQ(config, before) << key;
    return set ? std::string() : set.error().message;
  };
  EXPECT_EQ(error("train.epoch", "3"), "unknown key 'train.epoch'; did you mean 'train.epochs'?");
  EXPECT_EQ(error("rate", "3"), "unknown key 'rate'; did you mean 'optimizer.rate'?");
  EXPECT_EQ(error("train.epochs", "ten"), "train.epochs: wanted an integer, got the string 'ten'");
  EXPECT_EQ(error("train.epochs", "1\nseed = 2"), "train.epochs: wanted an integer, got the string '1\nseed = 2'");
  EXPECT_EQ(error("train", "3"), "train: wanted a table, got the integer 3");
  EXPECT_THAT(error("train.epochs.x", "3"), HasSubstr("train.epochs: wanted an integer, got a table"));
  EXPECT_THAT(error("", "3"), HasSubstr("unknown key ''"));
  EXPECT_THAT(error("..", "3"), HasSubstr("unknown key ''"));
}

// -------------------------------------------------------------------------------------------- check_config

Config sound() {
  Config config;
  config.network.nodes = {{"", Linear{}, {}, {}}};
  return config;
}

std::string check_error(const std::function<void(Config&)>& spoil) {
  Config config = sound();
  spoil(config);
  const Result<void> checked = check_config(config);
  if (checked) return "no error";
  EXPECT_EQ(checked.error().kind, Error::Kind::usage) << checked.error().message;
  return checked.error().message;
}

TEST(CheckConfig, AcceptsTheDefaultsAndTheEdges) {
  Config config = sound();
  EXPECT_TRUE(check_config(config));
  config.optimizer.rate = 0;
  config.optimizer.beta1 = 0;
  config.train.strategy = "sequential";
  EXPECT_TRUE(check_config(config));
}

TEST(CheckConfig, NamesTheKeyAndTheValue) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(check_error([](Config& c) { c.train.epochs = 0; }), "train.epochs: wanted at least 1, got 0");
  EXPECT_EQ(check_error([](Config& c) { c.train.batch = 0; }), "train.batch: wanted at least 1, got 0");
  EXPECT_EQ(check_error([](Config& c) { c.train.batch = -3; }), "train.batch: wanted at least 1, got -3");
  EXPECT_EQ(check_error([](Config& c) { c.train.accumulate = 0; }), "train.accumulate: wanted at least 1, got 0");
  EXPECT_EQ(check_error([](Config& c) { c.train.threads = -1; }), "train.threads: wanted at least 0, got -1");
  EXPECT_EQ(check_error([](Config& c) { c.optimizer.rate = -0.5; }), "optimizer.rate: wanted a number, at least 0, got -0.5");
  EXPECT_EQ(check_error([&](Config& c) { c.optimizer.rate = nan; }), "optimizer.rate: wanted a number, at least 0, got nan");
  EXPECT_EQ(check_error([&](Config& c) { c.optimizer.rate = inf; }), "optimizer.rate: wanted a number, at least 0, got inf");
  EXPECT_EQ(check_error([](Config& c) { c.optimizer.beta2 = 1; }), "optimizer.beta2: wanted a number from 0 to below 1, got 1");
  EXPECT_EQ(check_error([](Config& c) { c.data.test_fraction = 1; }),
            "data.test_fraction: wanted a number from 0 to below 1, got 1");
  EXPECT_EQ(check_error([](Config& c) { c.data.limit = -1; }), "data.limit: wanted at least 0, got -1");
  EXPECT_EQ(check_error([](Config& c) {
              c.preprocess = {{PreprocessKind::divide, 0, {}}};
            }),
            "preprocess.by: wanted a number other than 0, got 0");
  EXPECT_EQ(check_error([](Config& c) {
              c.preprocess = {{PreprocessKind::min_max, 1, {}}, {PreprocessKind::one_hot, 1, {}}};
            }),
            "preprocess: wanted one_hot before the steps of numbers, got it as step 2");
  EXPECT_EQ(check_error([](Config& c) { c.augment.scale = 1.5; }), "augment.scale: wanted a number from 0 to below 1, got 1.5");
  EXPECT_EQ(check_error([](Config& c) { c.schedule.every = 0; }), "schedule.every: wanted at least 1, got 0");
  EXPECT_EQ(check_error([](Config& c) { c.schedule.peak_at = 1; }), "schedule.peak_at: wanted a number between 0 and 1, got 1");
  EXPECT_EQ(check_error([](Config& c) { c.network.nodes.clear(); }), "network.layers: wanted at least one layer, got none");
  EXPECT_EQ(check_error([](Config& c) {
              c.network.input = {1, 28};
            }),
            "network.input: wanted [features] or [channels, height, width], got 2 numbers");
  EXPECT_EQ(check_error([](Config& c) {
              c.network.init = {Init::Kind::uniform, Init::Distribution::normal, 1, -1};
            }),
            "network.init: wanted min below max, got min = 1, max = -1");
  EXPECT_EQ(check_error([](Config& c) { c.train.early_stopping = 3; }),
            "train.early_stopping: wanted a validation split to watch (data.validation_fraction above 0), got none");
  EXPECT_EQ(check_error([](Config& c) { c.train.checkpoint_seconds = 0; }),
            "train.checkpoint_seconds: wanted a number above 0, got 0");
  EXPECT_THAT(check_error([](Config& c) { c.train.seed = ~std::uint64_t{0}; }), HasSubstr("train.seed: wanted at most"));
}

TEST(CheckConfig, HoldsLossAndNetworkTogether) {
  EXPECT_EQ(check_error([](Config& c) { c.loss.kind = LossConfig::Kind::nll; }),
            "loss.kind: wanted a network ending in log_softmax for \"nll\", got one ending in linear");
  EXPECT_EQ(check_error([](Config& c) {
              c.network.nodes.push_back({"", Softmax{}, {}, {}});
            }),
            "loss.kind: wanted logits for \"cross_entropy\", which takes the softmax itself, got a network ending in softmax");
  EXPECT_THAT(check_error([](Config& c) {
                c.loss.kind = LossConfig::Kind::binary_cross_entropy;
                c.network.nodes.push_back({"", Activation{Activation::Kind::sigmoid}, {}, {}});
              }),
              HasSubstr("wanted logits for \"binary_cross_entropy\""));
  EXPECT_EQ(check_error([](Config& c) {
              c.loss.kind = LossConfig::Kind::cross_entropy;
              c.loss.codes = {0, 1};
            }),
            "loss.codes: wanted loss.kind = \"quadratic\" with them, got \"cross_entropy\"");
  EXPECT_THAT(check_error([](Config& c) {
                c.loss.kind = LossConfig::Kind::quadratic;
                c.loss.label_smoothing = 0.1;
              }),
              HasSubstr("loss.label_smoothing: wanted loss.kind = \"cross_entropy\""));
  EXPECT_THAT(check_error([](Config& c) {
                c.loss.class_weights = {1, -1};
              }),
              HasSubstr("loss.class_weights: wanted a number, at least 0"));
}

TEST(CheckConfig, KnowsStrategiesAndPrecisions) {
  EXPECT_EQ(check_error([](Config& c) { c.train.strategy = "tem"; }), "train.strategy: unknown word 'tem'; did you mean 'team'?");
  EXPECT_EQ(check_error([](Config& c) { c.train.strategy = "workerpool"; }),
            "train.strategy: unknown word 'workerpool'; known: team, sequential, spawn, pool, "
            "static-pool, data-parallel, averaging, hogwild");
  EXPECT_THAT(check_error([](Config& c) { c.train.precision = "int8"; }), HasSubstr("train.precision: unknown word 'int8'"));
  Config config = sound();
  config.train.precision = "fp16";
  check_config(config).value();
  EXPECT_EQ(check_error([](Config& c) {
              c.train.precision = "fp16";
              c.train.strategy = "hogwild";
            }),
            "train.precision: wanted fp32 with train.strategy = \"hogwild\", whose workers know no loss scaling, got fp16");
}

// -------------------------------------------------------------------------------------------- to_toml

/// Fills every member with something arbitrary, walking the same table as reading and writing do.
struct Scramble {
  template <class T>
  void operator()(std::string_view, T&& member) {
    fill(member);
  }

  void fill(std::string& x) { x = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)); }
  void fill(bool& x) { x = *rc::gen::arbitrary<bool>(); }
  void fill(double& x) { x = *rc::gen::arbitrary<double>(); }
  void fill(std::int64_t& x) { x = *rc::gen::arbitrary<std::int64_t>(); }
  void fill(int& x) { x = *rc::gen::inRange(0, std::numeric_limits<int>::max()); }
  void fill(std::uint64_t& x) { x = *rc::gen::arbitrary<std::uint64_t>() >> 1; }
  void fill(HeightWidth x) {
    fill(x.h);
    x.w = *rc::gen::arbitrary<bool>() ? x.h : *rc::gen::arbitrary<std::int64_t>();
  }
  void fill(CountOrClasses x) { x.count = *rc::gen::inRange<std::int64_t>(0, 1 << 20); }
  void fill(NamesOrIndices x) {
    fill(x.several);
    x.one.clear();
    if (x.several.empty()) fill(x.one);
  }
  void fill(WordOrNumber x) { fill(x.text); }
  void fill(WeightsOrBalanced x) {
    fill(x.weights);
    x.balanced = x.weights.empty() && *rc::gen::arbitrary<bool>();
  }
  void fill(Node& x) {
    x.layer = *rc::gen::elementOf(std::vector<Layer>(layer_prototypes().begin(), layer_prototypes().end()));
    fields(x, *this);
  }
  template <class T>
  void fill(std::optional<T>& x) {
    if (!*rc::gen::arbitrary<bool>()) return x.reset();
    fill(x.emplace());
  }
  template <class T>
  void fill(std::vector<T>& x) {
    x.clear();
    for (auto left = *rc::gen::inRange(0, 4); left > 0; --left) fill(x.emplace_back());
  }
  template <class T>
  void fill(T& x) {
    if constexpr (std::is_enum_v<T>)
      x = static_cast<T>(*rc::gen::inRange<std::size_t>(0, words(x).size()));
    else
      fields(x, *this);
  }
};

RC_GTEST_PROP(ToToml, ReadsBackAsAnEqualConfig, ()) {
  Config config;
  fields(config, Scramble{});
  const std::string text = to_toml(config);
  const Result<Config> back = parse_config(text, "written");
  if (!back) RC_FAIL(back.error().message + "\n" + text);
  RC_ASSERT(*back == config);
}

TEST(ToToml, IsReadable) {
  Config config = sound();
  config.preprocess = {{PreprocessKind::divide, 255, {}}};
  config.network.nodes = {{"", Conv2d{32, 5, 5, 1, 1, 2, 2}, {}, {}}, {"", Pool{}, {}, {}}, {"top", Linear{}, {}, {}}};
  EXPECT_THAT(to_toml(config), HasSubstr(R"(layers = [
  { type = "conv2d", out = 32, kernel = 5, padding = 2 },
  { type = "max_pool" },
  { type = "linear", name = "top", out = "classes" },
])"));
  EXPECT_THAT(to_toml(config), HasSubstr("\n[optimizer]\nkind = \"adam\"\nrate = 0.001\n"));
}

/// "| `elu` | `elu.alpha` = 1 |": how the table of layers begins a row; those without keys may share one.
std::string keys_column(Layer layer) {
  const std::string kind = layer_kind(layer);
  std::string keys;
  const auto add = [&](std::string_view field, const std::string& value) {
    keys += fmt::format("{}`{}.{}`{}", keys.empty() ? "" : ", ", kind, field, value);
  };
  const auto number = [](std::int64_t value) {
    return value == kMustBeGiven ? std::string(" (must be given)") : fmt::format(" = {}", value);
  };
  const bool pool = std::holds_alternative<Pool>(layer);
  const auto visit =
      Visit{[&](std::string_view field, HeightWidth x) { add(field, pool && field == "stride" ? " = size" : number(x.h)); },
            [&](std::string_view field, CountOrClasses x) { add(field, number(x.count)); },
            [&](std::string_view field, std::int64_t x) { add(field, number(x)); },
            [&](std::string_view field, bool x) { add(field, x ? " = true" : " = false"); },
            [&](std::string_view field, double x) { add(field, x == 1e-5 ? " = 1e-5" : fmt::format(" = {}", x)); }};
  std::visit([&](auto& each) { fields(each, visit); }, layer);
  return keys.empty() ? "`" + kind + "`" : fmt::format("| `{}` | {} |", kind, keys);
}

TEST(Documentation, ListsEveryKeyAndWord) {
  const Result<std::string> page = read_file(std::string(SOMA_SOURCE_DIR) + "/docs/training.md");
  ASSERT_TRUE(page) << page.error().message;
  for (const std::string& key : config_keys()) EXPECT_THAT(*page, HasSubstr("`" + key + "`")) << "docs/training.md lacks " << key;
  for (const Layer& layer : layer_prototypes()) EXPECT_THAT(*page, HasSubstr(keys_column(layer)));
  const auto listed = [&](std::span<const std::string_view> all) {
    for (const std::string_view word : all) EXPECT_THAT(*page, HasSubstr("`" + std::string(word) + "`"));
  };
  listed(kLossWords);
  listed(kOptimizerWords);
  listed(kScheduleWords);
  listed(kPreprocessWords);
  listed(kInitWords);
  listed(kDistributionWords);
}

}  // namespace
}  // namespace soma
