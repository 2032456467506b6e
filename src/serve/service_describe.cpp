// what is served and how it fares → the JSON of the protocol: health, metadata, configuration, statistics, repository.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "serve/service_call.h"
#include "soma/device.h"

namespace soma {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json timed(std::int64_t count, std::int64_t nanoseconds) { return {{"count", count}, {"ns", nanoseconds}}; }

struct Sum {
  std::int64_t count = 0, nanoseconds = 0;
  void add(const Timed& timed) { count += timed.count.get(), nanoseconds += timed.nanoseconds.get(); }
  [[nodiscard]] Json json() const { return timed(count, nanoseconds); }
};

/// The protocol's statistics of one version, over all threads.
Json model_stats(const std::string& name, const std::string& version, const ModelStatistics& statistics) {
  Sum success, failure, queue, input, infer, output;
  std::int64_t rows = 0, executions = 0, last = 0;
  std::vector<Sum> batches;
  for (const auto& thread : statistics.threads) {
    success.add(thread->success), failure.add(thread->failure), queue.add(thread->queue), input.add(thread->input);
    infer.add(thread->infer), output.add(thread->output);
    rows += thread->rows.get(), executions += thread->executions.get();
    last = std::max(last, thread->last_inference_ms.get());
    batches.resize(std::max(batches.size(), thread->batches.size()));
    for (std::size_t i = 0; i < thread->batches.size(); ++i) batches[i].add(thread->batches[i]);
  }
  Json sizes = Json::array();
  for (std::size_t i = 1; i < batches.size(); ++i)
    if (batches[i].count > 0)
      sizes.push_back({{"batch_size", i},
                       {"compute_input", timed(batches[i].count, 0)},
                       {"compute_infer", batches[i].json()},
                       {"compute_output", timed(batches[i].count, 0)}});
  return {{"name", name},
          {"version", version},
          {"last_inference", last},
          {"inference_count", rows},
          {"execution_count", executions},
          {"inference_stats",
           {{"success", success.json()},
            {"fail", failure.json()},
            {"queue", queue.json()},
            {"compute_input", input.json()},
            {"compute_infer", infer.json()},
            {"compute_output", output.json()},
            {"cache_hit", timed(0, 0)},
            {"cache_miss", timed(0, 0)}}},
          {"batch_stats", std::move(sizes)}};
}

Json tensor(std::string_view name, const Shape& sample) {
  Json shape = Json::array({-1});
  for (const std::int64_t extent : sample) shape.push_back(extent);
  return {{"name", name}, {"datatype", "FP32"}, {"shape", std::move(shape)}};
}

}  // namespace

void Service::health(http::Exchange& exchange, std::string_view what) {
  if (what == "live") return send_json(exchange, R"({"live":true})");
  if (serving_.draining.load(std::memory_order_relaxed))
    return send_json(exchange, R"({"live":true,"ready":false,"error":"serve: draining"})", 503);
  if (!serving_.repository.ready())
    return send_json(exchange,
                     R"({"live":true,"ready":false,"error":"serve: a model is not loaded; try POST /v2/repository/index"})", 503);
  send_json(exchange, R"({"live":true,"ready":true})");
}

void Service::describe_server(http::Exchange& exchange) {
  send_json(
      exchange,
      text({{"name", "soma"},
            {"version", version()},
            {"extensions",
             {"binary_tensor_data", "classification", "model_repository", "model_configuration", "statistics", "parameters"}}}));
}

void Service::describe_model(http::Exchange& exchange, const ServedVersion& version) {
  const ModelFace& face = version.face;
  send_json(exchange, text({{"name", face.name},
                            {"versions", {face.version}},
                            {"platform", "soma_onnx"},
                            {"inputs", {tensor(kInputName, face.input)}},
                            {"outputs", {tensor(kOutputName, {face.outputs})}}}));
}

void Service::configuration(http::Exchange& exchange, const ServedVersion& version) {
  const ModelFace& face = version.face;
  const auto side = [](std::string_view name, const Shape& dims) -> Json {
    return {{"name", name}, {"data_type", "TYPE_FP32"}, {"dims", dims}};
  };
  send_json(exchange, text({{"name", face.name},
                            {"platform", "soma_onnx"},
                            {"backend", "soma"},
                            {"version_policy", {{"latest", {{"num_versions", 1}}}}},
                            {"max_batch_size", serving_.options.max_batch},
                            {"input", {side(kInputName, face.input)}},
                            {"output", {side(kOutputName, {face.outputs})}},
                            {"dynamic_batching", {{"max_queue_delay_microseconds", serving_.options.max_delay.count()}}},
                            {"default_model_filename", "model.onnx"}}));
}

void Service::statistics(http::Exchange& exchange, std::string_view name, std::string_view version) {
  Json stats = Json::array();
  const ServedTable table = serving_.repository.table();
  for (const auto& [key, statistics] : serving_.repository.statistics()) {
    const auto served = table.find(key.first);
    const bool current = served != table.end() && served->second->face.version == key.second;
    if (name.empty() ? current : key.first == name && (version.empty() ? current : key.second == version))
      stats.push_back(model_stats(key.first, key.second, *statistics));
  }
  if (stats.empty() && !name.empty()) return send_error(exchange, 404, fmt::format("serve: no model '{}' of that version", name));
  send_json(exchange, text({{"model_stats", std::move(stats)}}));
}

void Service::repository_index(http::Exchange& exchange) {
  bool only_ready = false;
  if (!exchange.body.empty()) {
    const auto* begin = reinterpret_cast<const char*>(exchange.body.data());
    const std::string_view body(begin, exchange.body.size());
    // Two levels are enough for what this body may say, and no deeper one is ever built.
    const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= 2; };
    const Json wish = Json::parse(body, shallow, false);
    if (!wish.is_object()) return send_error(exchange, 400, "serve: wanted a JSON object or no body");
    const auto ready = wish.find("ready");
    if (ready != wish.end() && !ready->is_boolean()) return send_error(exchange, 400, "serve: wanted true or false for 'ready'");
    only_ready = ready != wish.end() && ready->get<bool>();
  }
  Json lines = Json::array();
  for (const ModelStatus& status : serving_.repository.index())
    if (!only_ready || status.state == "READY")
      lines.push_back({{"name", status.name}, {"version", status.version}, {"state", status.state}, {"reason", status.reason}});
  send_json(exchange, text(lines));
}

void Service::repository_change(http::Exchange& exchange, const std::string& name, bool load) {
  const std::string_view body(reinterpret_cast<const char*>(exchange.body.data()), exchange.body.size());
  if (load && body.find("\"parameters\"") != std::string_view::npos &&
      (body.find("\"config\"") != std::string_view::npos || body.find("\"file:") != std::string_view::npos))
    return send_error(exchange, 501,
                      "serve: models are loaded from the repository's directory; 'config' and 'file:' are not supported");
  // The exchange waits on this thread; the loader comes back to it through the loop.
  auto done = [this, &exchange](const Result<void>& result) {
    std::string message = result ? "" : result.error().message;
    const int status = result ? 200 : result.error().kind == Error::Kind::usage ? 404 : 400;
    loop_.post([&exchange, message = std::move(message), status] {
      if (status != 200) return send_error(exchange, status, message);
      exchange.send(200, "application/json");
    });
  };
  load ? serving_.repository.load(name, std::move(done)) : serving_.repository.unload(name, std::move(done));
}

}  // namespace soma
