// the page's questions → its files, the state of machine and server, and what each layer makes of one sample.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "serve/service_call.h"
#include "serve/web.h"
#include "soma/device.h"

namespace soma {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t total(const std::vector<std::unique_ptr<HttpCounters>>& threads) {
  std::int64_t sum = 0;
  for (const auto& thread : threads)
    for (const Counter& counter : thread->answers) sum += counter.get();
  return sum;
}

double tenths(double value) { return std::round(value * 10) / 10; }

/// "layers" of "?layers=2&x"; `otherwise` when it is not there or not a number.
std::size_t number_in_query(std::string_view target, std::string_view name, std::size_t otherwise) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return otherwise;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (!pair.starts_with(name) || pair.size() <= name.size() || pair[name.size()] != '=') continue;
    std::size_t value = otherwise;
    std::from_chars(pair.data() + name.size() + 1, pair.data() + pair.size(), value);
    return value;
  }
  return otherwise;
}

/// Four significant digits: enough to draw. What is not finite becomes null.
void append_values(http::Buffer& body, std::span<const float> values) {
  body.append('[');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) body.append(',');
    if (!std::isfinite(values[i])) {
      body.append("null");
      continue;
    }
    char* to = body.room(32);
    body.commit(static_cast<std::size_t>(std::to_chars(to, to + 32, values[i], std::chars_format::general, 4).ptr - to));
  }
  body.append(']');
}

void append_shape(http::Buffer& body, const Shape& shape) { body.append(fmt::format("[{}]", fmt::join(shape, ","))); }

}  // namespace

void Service::sample_load() { serving_.monitor.sample(total(serving_.http)); }

/// GET / for a browser and GET /web/FILE; false when this is neither.
bool Service::page(http::Exchange& exchange, const Path& path) {
  const bool home = path.empty() && exchange.head.accept.find("text/html") != std::string_view::npos;
  const bool file = path.size() == 2 && path[0] == "web";
  if ((!home && !file) || (exchange.head.method != http::Method::get && exchange.head.method != http::Method::head)) return false;
  const WebFile* found = web_file(home ? "index.html" : path[1]);
  if (found == nullptr) return false;
  exchange.reply.append(found->contents);
  exchange.send(200, found->content_type, "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n");
  return true;
}

void Service::status(http::Exchange& exchange) {
  serving_.monitor.sample(total(serving_.http));
  const MachineLoad load = serving_.monitor.load();
  const ServedTable table = serving_.repository.table();
  Json models = Json::array();
  for (const ModelStatus& status : serving_.repository.index()) {
    Json line = {{"name", status.name}, {"version", status.version}, {"state", status.state}, {"reason", status.reason}};
    const auto served = table.find(status.name);
    if (served != table.end() && served->second->face.version == status.version) {
      line["input"] = served->second->face.input;
      line["outputs"] = served->second->face.outputs;
      line["classes"] = served->second->model.class_names;
      line["parameters"] = served->second->parameters;
    }
    models.push_back(std::move(line));
  }
  const std::chrono::duration<double> up = http::Clock::now() - serving_.started;
  const Json all = {{"machine", machine()},
                    {"cores", available_threads()},
                    {"target", target().ok() ? *target() : ""},
                    {"version", version()},
                    {"uptime_seconds", tenths(up.count())},
                    {"draining", serving_.draining.load()},
                    {"cpu_percent", tenths(load.cpu_percent)},
                    {"memory_percent", tenths(load.memory_percent)},
                    {"memory_total_bytes", load.memory_total_bytes},
                    {"process_memory_bytes", load.process_memory_bytes},
                    {"requests_per_second", tenths(load.requests_per_second)},
                    {"requests_total", total(serving_.http)},
                    {"connections", serving_.server->connections()},
                    {"models", std::move(models)}};
  send_json(exchange, all.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void Service::activations(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model) {
  Call& call = take_call(exchange, model);
  if (const auto samples = read_samples(call); !samples || call.count != 1) {
    const std::string message = samples ? "request: wanted one sample, got several" : samples.error().message;
    give_back(call);
    return send_error(exchange, 400, message);
  }
  Engine& engine = model->batcher->engine();
  engine.fill(0, call.samples, 1, call.layout);
  const std::span<const float> y(engine.run(1), static_cast<std::size_t>(engine.output_size()));
  read_output(model->version->model.loss, y, prediction_);
  const auto label = static_cast<std::size_t>(prediction_.label);
  const std::vector<std::string>& names = model->version->model.class_names;

  http::Buffer& body = exchange.reply;
  body.append("{\"model\":");
  append_json(body, model->version->face.name);
  body.append(",\"version\":");
  append_json(body, model->version->face.version);
  body.append(fmt::format(",\"label\":{},\"class\":", label));
  append_json(body, label < names.size() ? std::string_view(names[label]) : std::string_view());
  body.append(",\"probabilities\":");
  append_values(body, prediction_.probabilities);
  body.append(",\"input\":{\"shape\":");
  const LayerActivation input = engine.input_activation();
  append_shape(body, input.shape);
  body.append(",\"values\":");
  append_values(body, input.values);
  body.append("},\"layers\":[");
  const std::size_t most = number_in_query(exchange.head.target, "layers", SIZE_MAX);
  std::vector<LayerActivation> layers = engine.activations();
  for (std::size_t i = 0; i < std::min(most, layers.size()); ++i) {
    body.append(i > 0 ? ",{\"name\":" : "{\"name\":");
    append_json(body, layers[i].name);
    body.append(",\"kind\":");
    append_json(body, layers[i].kind);
    body.append(",\"shape\":");
    append_shape(body, layers[i].shape);
    body.append(",\"values\":");
    append_values(body, layers[i].values);
    body.append('}');
  }
  body.append("]}");
  give_back(call);
  exchange.send(200, "application/json", "Access-Control-Allow-Origin: *\r\n");
}

}  // namespace soma
