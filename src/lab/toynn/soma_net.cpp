// a net's sizes → its config, rows and first weights; the same net on soma's own engine.
#include "lab/toynn/soma_net.h"

#include "core/random.h"

namespace soma {
namespace {

constexpr std::int64_t kRows = 120;

/// Three clouds of four numbers, as far apart as the flowers are.
Dataset drawn_rows() {
  Dataset set;
  set.name = "rows drawn from seed 1";
  set.shape = {4};
  set.count = kRows;
  set.class_names = {"0", "1", "2"};
  set.columns.resize(4);
  for (std::int64_t i = 0; i < kRows; ++i) {
    const auto label = static_cast<std::int32_t>(i % 3);
    set.labels.push_back(label);
    for (int j = 0; j < 4; ++j)
      set.floats.push_back(
          static_cast<float>(5 + 2 * label + random_normal(1, stream(Stream::test), static_cast<std::uint64_t>(4 * i + j))));
  }
  return set;
}

class SomaNet final : public ToyPlatform {
 public:
  SomaNet(Trainer trainer, Network network, const ToyRows& rows)
      : trainer_(std::move(trainer)), network_(std::move(network)), rows_(rows) {}

  void train(std::int64_t, std::int64_t) override { trainer_.step().value(); }
  void predict(std::int64_t first, std::int64_t rows, float* y) override {
    network_.forward(rows_.x.data() + first * rows_.features, y, rows);
  }
  [[nodiscard]] ToyLayers layers() const override;

 private:
  Trainer trainer_;
  Network network_;
  const ToyRows& rows_;
};

ToyLayers layers_of(const std::vector<Tensor>& parameters) {
  ToyLayers layers;
  for (std::size_t i = 0; i + 1 < parameters.size(); i += 2)
    layers.push_back({parameters[i].shape[1], parameters[i].shape[0], parameters[i].values, parameters[i + 1].values});
  return layers;
}

ToyLayers SomaNet::layers() const { return layers_of(trainer_.parameters()); }

}  // namespace

Result<ToySetting> toy_setting(ToySize size) {
  ToySetting setting;
  setting.config = preset(size == ToySize::large ? "iris-large" : "iris-small").value();
  Config& config = setting.config;
  config.optimizer = {.kind = OptimizerConfig::Kind::sgd};
  config.schedule = {};
  config.train.epochs = 1000000000;
  const auto iris = find_dataset("iris");
  if (!iris) return iris.error();
  setting.iris = iris->has_value();
  if (setting.iris) {
    auto data = load_run_data(config);
    if (!data) return data.error();
    setting.data = std::move(*data);
  } else {
    setting.data.train = drawn_rows();
    auto fitted = fit_preprocess(config.preprocess, setting.data.train);
    if (!fitted) return fitted.error();
    setting.data.preprocess = std::move(*fitted);
  }

  const Dataset& train = setting.data.train;
  setting.rows = {train.count, train.sample_size(), {}, {}};
  setting.rows.x.resize(static_cast<std::size_t>(train.count * train.sample_size()));
  Batches(train, setting.data.preprocess, {}, 0, false).fill(0, train.count, setting.rows.x.data(), nullptr);
  for (const std::int32_t label : train.labels)
    setting.rows.target.push_back(static_cast<float>(config.loss.codes[static_cast<std::size_t>(label)]));
  auto trainer = Trainer::create(config, setting.data);
  if (!trainer) return trainer.error();
  setting.layers = layers_of(trainer->parameters());
  return setting;
}

Result<std::unique_ptr<ToyPlatform>> make_soma(const ToySetting& setting, std::int64_t batch, double rate, int threads) {
  Config config = setting.config;
  config.train.batch = batch;
  config.train.threads = threads;
  config.optimizer.rate = rate;
  auto trainer = Trainer::create(config, setting.data);
  if (!trainer) return trainer.error();
  auto network = Network::create(trainer->config().network, {.max_batch = batch, .threads = threads});
  if (!network) return network.error();
  if (auto same = network->set_parameters(trainer->parameters()); !same) return same.error();
  return std::unique_ptr<ToyPlatform>(std::make_unique<SomaNet>(std::move(*trainer), std::move(*network), setting.rows));
}

}  // namespace soma
