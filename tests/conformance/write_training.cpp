// configs → a line of JSON for each: the rows a run saw and in which order, its first weights, and what it made of them.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "soma/train.h"

namespace soma {
namespace {

using Json = nlohmann::json;

Json as_json(const std::vector<Tensor>& arrays) {
  Json json = Json::object();
  for (const Tensor& array : arrays) json[array.name] = {{"shape", array.shape}, {"values", array.values}};
  return json;
}

/// Preprocessed rows in the order of the data, channels last.
Json as_json(const Dataset& data, const Preprocess& preprocess) {
  const Batches batches(data, preprocess, {}, 0, false);
  std::vector<float> x(static_cast<std::size_t>(data.count * batches.row_size()));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(data.count));
  batches.fill(0, data.count, x.data(), labels.data());
  return {{"x", x}, {"labels", labels}};
}

Result<Json> run(const char* file) {
  auto config = load_config(file);
  if (!config) return config.error();
  auto data = load_run_data(*config);
  if (!data) return data.error();
  auto trainer = Trainer::create(*config, *data);
  if (!trainer) return trainer.error();
  Json json;
  json["input"] = trainer->config().network.input;
  json["train"] = as_json(data->train, data->preprocess);
  if (data->validation) json["validation"] = as_json(*data->validation, data->preprocess);
  Batches batches(data->train, data->preprocess, config->augment, config->train.seed, true);
  for (std::int64_t epoch = 0; epoch < config->train.epochs; ++epoch) {
    batches.begin_epoch(epoch);
    std::vector<std::int64_t> order;
    for (std::int64_t p = 0; p < batches.count(); ++p) order.push_back(batches.sample_at(p));
    json["orders"].push_back(order);
  }
  json["first"] = as_json(trainer->parameters());
  const auto report = trainer->run();
  if (!report) return report.error();
  for (const EpochRecord& r : report->history) {
    Json record = {{"loss", r.loss}, {"accuracy", r.accuracy}, {"rate", r.rate}};
    if (r.validation_loss) record["validation_loss"] = *r.validation_loss, record["validation_accuracy"] = *r.validation_accuracy;
    json["history"].push_back(record);
  }
  json["last"] = as_json(report->model.parameters);
  return json;
}

}  // namespace
}  // namespace soma

int main(int count, char** files) {
  for (int i = 1; i < count; ++i) {
    const auto json = soma::run(files[i]);
    std::puts(json ? json->dump().c_str() : nlohmann::json{{"error", json.error().message}}.dump().c_str());
  }
  return 0;
}
