// what is served and how it fares → the JSON of the protocol and of the page: health, metadata, configuration, statistics, state.
#include "serve/describe.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "serve/graph_request.h"
#include "serve/json_text.h"
#include "serve/service.h"
#include "soma/device.h"
#include "soma/words.h"

namespace soma {
namespace {

void send(http::Exchange& exchange) { exchange.send(200, "application/json"); }

struct Sum {
  std::int64_t count = 0, nanoseconds = 0;
  void add(const Timed& timed) { count += timed.count.get(), nanoseconds += timed.nanoseconds.get(); }
};

void timed(JsonWriter& json, std::string_view name, std::int64_t count, std::int64_t nanoseconds) {
  json.key(name).open('{').field("count", count).field("ns", nanoseconds).close('}');
}

void timed(JsonWriter& json, std::string_view name, const Sum& sum) { timed(json, name, sum.count, sum.nanoseconds); }

/// The protocol's statistics of one version, over all threads.
void model_stats(JsonWriter& json, const std::string& name, const std::string& version, const ModelStatistics& statistics) {
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
  json.open('{').field("name", name).field("version", version).field("last_inference", last);
  json.field("inference_count", rows).field("execution_count", executions).key("inference_stats").open('{');
  timed(json, "success", success);
  timed(json, "fail", failure);
  timed(json, "queue", queue);
  timed(json, "compute_input", input);
  timed(json, "compute_infer", infer);
  timed(json, "compute_output", output);
  timed(json, "cache_hit", 0, 0);
  timed(json, "cache_miss", 0, 0);
  json.close('}').key("batch_stats").open('[');
  for (std::size_t i = 1; i < batches.size(); ++i) {
    if (batches[i].count == 0) continue;
    json.open('{').field("batch_size", i);
    timed(json, "compute_input", batches[i].count, 0);
    timed(json, "compute_infer", batches[i]);
    timed(json, "compute_output", batches[i].count, 0);
    json.close('}');
  }
  json.close(']').close('}');
}

/// `parameters`: a name and JSON as a string, since the protocol's parameters are strings, numbers and booleans.
void tensor(JsonWriter& json, std::string_view name, const Shape& sample, std::string_view parameter = {},
            std::string_view text = {}) {
  json.open('{').field("name", name).field("datatype", "FP32").key("shape").open('[').value(-1);
  for (const std::int64_t extent : sample) json.value(extent);
  json.close(']');
  if (!parameter.empty()) json.key("parameters").open('{').field(parameter, text).close('}');
  json.close('}');
}

/// The inputs or outputs of a graph: its own types and extents, -1 where it leaves one free.
void ports(JsonWriter& json, std::string_view which, const std::vector<GraphPort>& all) {
  json.key(which).open('[');
  for (const GraphPort& port : all)
    json.open('{')
        .field("name", port.name)
        .field("datatype", name_of(data_type_of(port.type)))
        .list("shape", port.extents)
        .close('}');
  json.close(']');
}

/// What `write` writes, as text.
template <class Write>
std::string written(Write&& write) {
  http::SlabPool pool;
  http::Buffer buffer;
  buffer.start(pool, 0);
  JsonWriter json(buffer);
  write(json);
  return std::string(buffer.view());
}

constexpr int kDepth = 64;

/// [{"name":…,"kind":"number"|"words"|"date","categories":[…]}].
void columns(JsonWriter& json, const std::vector<Column>& columns) {
  json.open('[');
  for (const Column& column : columns) {
    const bool words = !column.categories.empty();
    json.open('{').field("name", column.name).field("kind", words ? "words" : column.date.empty() ? "number" : "date");
    if (words) json.list("categories", column.categories);
    json.close('}');
  }
  json.close(']');
}

/// The one key a body of the index may have.
struct ReadyOnly : nlohmann::json_sax<nlohmann::json> {
  bool ready = false, top = false;
  int depth = 0;
  std::string name;
  [[nodiscard]] bool is_ready() const { return depth == 1 && name == "ready"; }
  bool scalar() { return depth > 0 && !is_ready(); }
  bool null() override { return scalar(); }
  bool boolean(bool value) override {
    if (is_ready()) ready = value;
    return depth > 0;
  }
  bool number_integer(number_integer_t) override { return scalar(); }
  bool number_unsigned(number_unsigned_t) override { return scalar(); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool string(string_t&) override { return scalar(); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& text) override { return name = text, true; }
  bool start_object(std::size_t) override {
    top = true;
    return !is_ready() && ++depth <= kDepth;
  }
  bool start_array(std::size_t) override { return depth > 0 && !is_ready() && ++depth <= kDepth; }
  bool end_object() override { return --depth, true; }
  bool end_array() override { return --depth, true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }
};

std::int64_t total(const Serving& serving) {
  std::int64_t sum = 0;
  for (const auto& thread : serving.http)
    for (const Counter& counter : thread->answers) sum += counter.get();
  return sum;
}

double tenths(double value) { return std::round(value * 10) / 10; }

}  // namespace

void send_error(http::Exchange& exchange, int status, std::string_view message, std::string_view fields) {
  exchange.reply.clear();
  http::append_error(exchange.reply, message);
  exchange.send(status, "application/json", fields);
}

void send_json(http::Exchange& exchange, std::string_view json, int status) {
  exchange.reply.append(json);
  exchange.send(status, "application/json");
}

void describe_health(Serving& serving, http::Exchange& exchange) {
  if (serving.draining.load(std::memory_order_relaxed))
    return send_json(exchange, R"({"live":true,"ready":false,"error":"serve: draining"})", 503);
  if (!serving.repository.ready())
    return send_json(exchange,
                     R"({"live":true,"ready":false,"error":"serve: a model is not loaded; try POST /v2/repository/index"})", 503);
  send_json(exchange, R"({"live":true,"ready":true})");
}

void describe_server(http::Exchange& exchange) {
  static constexpr std::string_view kExtensions[] = {"binary_tensor_data",  "classification", "model_repository",
                                                     "model_configuration", "statistics",     "parameters"};
  JsonWriter(exchange.reply)
      .open('{')
      .field("name", "soma")
      .field("version", version())
      .list("extensions", kExtensions)
      .close('}');
  send(exchange);
}

void describe_model(const ServedVersion& version, http::Exchange& exchange) {
  const ModelFace& face = version.face;
  JsonWriter json(exchange.reply);
  json.open('{').field("name", face.name).key("versions").open('[').value(face.version).close(']');
  json.field("platform", "soma_onnx");
  if (version.graph) {
    ports(json, "inputs", version.graph->inputs());
    ports(json, "outputs", version.graph->outputs());
    json.close('}');
    return send(exchange);
  }
  json.key("inputs").open('[');
  if (face.columns.empty())
    tensor(json, face.input_name, face.input);
  else
    tensor(json, face.input_name, face.input, "columns", written([&](JsonWriter& text) { columns(text, face.columns); }));
  json.close(']').key("outputs").open('[');
  const std::string_view names = version.model.task == Task::classes ? "classes" : word(version.model.task);
  const auto& known = version.model.task == Task::classes ? version.model.class_names : version.model.target_names;
  if (face.columns.empty() || known.empty())  // pictures: nothing that a strict schema does not know
    tensor(json, face.output_name, {face.outputs});
  else
    tensor(json, face.output_name, {face.outputs}, names, written([&](JsonWriter& text) {
             text.open('[');
             for (const std::string& name : known) text.value(name);
             text.close(']');
           }));
  json.close(']').close('}');
  send(exchange);
}

void describe_ready(const ServedVersion& version, http::Exchange& exchange) {
  JsonWriter(exchange.reply).open('{').field("name", version.face.name).field("ready", true).close('}');
  send(exchange);
}

void describe_configuration(const Serving& serving, const ServedVersion& version, http::Exchange& exchange) {
  const ModelFace& face = version.face;
  JsonWriter json(exchange.reply);
  const auto side = [&](std::string_view which, std::string_view name, const Shape& dims) {
    json.key(which)
        .open('[')
        .open('{')
        .field("name", name)
        .field("data_type", "TYPE_FP32")
        .list("dims", dims)
        .close('}')
        .close(']');
  };
  json.open('{').field("name", face.name).field("platform", "soma_onnx").field("backend", "soma");
  json.key("version_policy").open('{').key("latest").open('{').field("num_versions", 1).close('}').close('}');
  if (version.graph) {
    const auto sides = [&](std::string_view which, const std::vector<GraphPort>& all) {
      json.key(which).open('[');
      for (const GraphPort& port : all) {
        const std::string_view type = name_of(data_type_of(port.type));
        json.open('{').field("name", port.name).field("data_type", fmt::format("TYPE_{}", type == "BYTES" ? "STRING" : type));
        json.list("dims", port.extents).close('}');
      }
      json.close(']');
    };
    json.field("max_batch_size", 0);  // shapes are whole
    sides("input", version.graph->inputs());
    sides("output", version.graph->outputs());
    json.field("default_model_filename", "model.onnx").close('}');
    return send(exchange);
  }
  json.field("max_batch_size", serving.options.max_batch);
  side("input", face.input_name, face.input);
  side("output", face.output_name, {face.outputs});
  json.key("dynamic_batching").open('{').field("max_queue_delay_microseconds", serving.options.max_delay.count()).close('}');
  json.field("default_model_filename", "model.onnx").close('}');
  send(exchange);
}

void describe_statistics(Serving& serving, http::Exchange& exchange) {
  const std::string_view name = exchange.asked.name, version = exchange.asked.version;
  const ServedTable table = serving.repository.table();
  JsonWriter json(exchange.reply);
  json.open('{').key("model_stats").open('[');
  bool any = false;
  for (const auto& [key, statistics] : serving.repository.statistics()) {
    const auto served = table.find(key.first);
    const bool current = served != table.end() && served->second->face.version == key.second;
    if (!(name.empty() ? current : key.first == name && (version.empty() ? current : key.second == version))) continue;
    model_stats(json, key.first, key.second, *statistics);
    any = true;
  }
  if (!any && !name.empty()) return send_error(exchange, 404, fmt::format("serve: no model '{}' of that version", name));
  json.close(']').close('}');
  send(exchange);
}

void describe_repository(Serving& serving, http::Exchange& exchange) {
  ReadyOnly wish;
  if (!exchange.body.empty()) {
    const auto* text = reinterpret_cast<const char*>(exchange.body.data());
    if (!nlohmann::json::sax_parse(text, text + exchange.body.size(), &wish) || !wish.top)
      return send_error(exchange, 400, "serve: wanted no body or a JSON object with true or false for 'ready'");
  }
  JsonWriter json(exchange.reply);
  json.open('[');
  for (const ModelStatus& status : serving.repository.index()) {
    if (wish.ready && status.state != "READY") continue;
    json.open('{').field("name", status.name).field("version", status.version).field("state", status.state);
    json.field("reason", status.reason).close('}');
  }
  json.close(']');
  send(exchange);
}

void sample_load(Serving& serving) { serving.monitor.sample(total(serving)); }

void describe_status(Serving& serving, http::Exchange& exchange) {
  sample_load(serving);
  const MachineLoad load = serving.monitor.load();
  const ServedTable table = serving.repository.table();
  const std::chrono::duration<double> up = http::Clock::now() - serving.started;
  JsonWriter json(exchange.reply);
  json.open('{').field("machine", machine()).field("cores", available_threads());
  json.field("target", target().ok() ? *target() : "").field("version", version());
  json.field("uptime_seconds", tenths(up.count())).field("draining", serving.draining.load());
  json.field("cpu_percent", tenths(load.cpu_percent)).field("memory_percent", tenths(load.memory_percent));
  json.field("memory_total_bytes", load.memory_total_bytes).field("process_memory_bytes", load.process_memory_bytes);
  json.field("requests_per_second", tenths(load.requests_per_second)).field("requests_total", total(serving));
  json.field("connections", serving.server->connections()).key("models").open('[');
  for (const ModelStatus& status : serving.repository.index()) {
    json.open('{').field("name", status.name).field("version", status.version).field("state", status.state);
    json.field("reason", status.reason);
    const auto served = table.find(status.name);
    if (served != table.end() && served->second->face.version == status.version && served->second->graph) {
      ports(json, "inputs", served->second->graph->inputs());
      ports(json, "outputs", served->second->graph->outputs());
    } else if (served != table.end() && served->second->face.version == status.version) {
      json.list("input", served->second->face.input).field("outputs", served->second->face.outputs);
      const Model& model = served->second->model;
      json.field("task", word(model.task)).list("classes", model.class_names).list("targets", model.target_names);
      json.field("parameters", served->second->parameters);
      if (!served->second->face.columns.empty()) columns(json.key("columns"), served->second->face.columns);
    }
    json.close('}');
  }
  json.close(']').close('}');
  send(exchange);
}

}  // namespace soma
