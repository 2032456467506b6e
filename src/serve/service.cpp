// requests on one thread → answers: who is asked is decided here, what is answered in the files beside.
#include "serve/service.h"

#include <fmt/format.h>

#include "serve/metrics.h"
#include "serve/service_call.h"

namespace soma {
namespace {

constexpr std::string_view kCors =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: OPTIONS, POST\r\n"
    "Access-Control-Allow-Headers: Authorization, Content-Type, Inference-Header-Content-Length\r\n"
    "Allow: OPTIONS, POST\r\n";

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// "/v2/models/a%20b?x" → v2, models, "a b"; nothing when an escape is malformed. A slash at the end says nothing.
std::optional<std::vector<std::string>> segments(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  std::vector<std::string> path;
  while (!target.empty()) {
    target.remove_prefix(1);
    const std::string_view raw = target.substr(0, target.find('/'));
    target.remove_prefix(raw.size());
    if (raw.empty() && target.empty()) break;
    std::string& segment = path.emplace_back();
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '%') {
        segment += raw[i];
        continue;
      }
      if (i + 2 >= raw.size() || hex(raw[i + 1]) < 0 || hex(raw[i + 2]) < 0) return std::nullopt;
      segment += static_cast<char>(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
      i += 2;
    }
  }
  return path;
}

/// Takes as long for any wrong token of the same length.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace

void send_error(http::Exchange& exchange, int status, std::string_view message, std::string_view fields) {
  exchange.reply.clear();
  exchange.reply.append(http::error_json(message));
  exchange.send(status, "application/json", fields);
}

void send_json(http::Exchange& exchange, std::string_view json, int status) {
  exchange.reply.append(json);
  exchange.send(status, "application/json");
}

Service::Service(Serving& serving, int thread)
    : serving_(serving),
      thread_(thread),
      loop_(serving.server->loop(thread)),
      http_(*serving.http[static_cast<std::size_t>(thread)]),
      log_(serving.options.access_log, serving.options.log) {
  use(serving.repository.table());
}

Service::~Service() = default;

void Service::use(const ServedTable& table) {
  std::map<std::string, std::shared_ptr<ServedHere>, std::less<>> models;
  const auto thread = static_cast<std::size_t>(thread_);
  const Batcher::Options options = {
      serving_.options.max_delay,
      std::max<std::size_t>(1, serving_.options.max_queue / static_cast<std::size_t>(serving_.threads))};
  for (const auto& [name, version] : table) {
    const auto old = models_.find(name);
    if (old != models_.end() && old->second->version == version) {
      models[name] = old->second;
      continue;
    }
    auto here = std::make_shared<ServedHere>();
    here->version = version;
    here->counters = version->statistics->threads[thread].get();
    here->batcher = std::make_shared<Batcher>(*version->engines[thread], *here->counters, loop_, options);
    models[name] = std::move(here);
  }
  models_ = std::move(models);
  const auto chosen = serving_.options.default_model.empty() ? models_.begin() : models_.find(serving_.options.default_model);
  default_ = chosen == models_.end() ? nullptr : chosen->second;
}

void Service::on_request(http::Exchange& exchange) try {
  if (!authorized(exchange))
    return send_error(exchange, 401, "serve: wanted 'Authorization: Bearer TOKEN', got none or a wrong one",
                      "WWW-Authenticate: Bearer\r\n");
  if (exchange.head.method == http::Method::post && exchange.head.target == "/") return answer_plain(exchange);
  route(exchange);
} catch (const std::bad_alloc&) {
  send_error(exchange, 503, "serve: out of memory; try a smaller request", "Retry-After: 1\r\n");
}

void Service::on_answered(const http::Exchange& exchange, int status) {
  http_.answers[static_cast<std::size_t>(status) % http_.answers.size()].add();
  const auto time = http::Clock::now() - exchange.arrived;
  http_.request_time.observe(time);
  log_.answered(exchange, status, time);
}

void Service::on_tick() {
  if (thread_ == 0) sample_load();
  log_.flush();
}

bool Service::authorized(const http::Exchange& exchange) const {
  if (serving_.options.token.empty() || exchange.head.method == http::Method::options) return true;
  const std::string_view target = exchange.head.target;  // probes carry no secrets, and the page holds none
  if (target.starts_with("/v2/health/") || target.starts_with("/web/") ||
      (target == "/" && exchange.head.method == http::Method::get))
    return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = exchange.head.authorization;
  return given.starts_with(kScheme) && same_secret(given.substr(kScheme.size()), serving_.options.token);
}

/// 405 unless the method is the one the path has; HEAD is GET without a body.
bool Service::allowed(http::Exchange& exchange, http::Method method) {
  const http::Method asked = exchange.head.method == http::Method::head ? http::Method::get : exchange.head.method;
  if (asked == method) return true;
  const std::string_view allow = method == http::Method::get ? "GET, HEAD, OPTIONS" : "OPTIONS, POST";
  send_error(exchange, 405, fmt::format("serve: wanted {}, got {}", allow, exchange.head.method_text),
             fmt::format("Allow: {}\r\n", allow));
  return false;
}

void Service::route(http::Exchange& exchange) {
  if (exchange.head.method == http::Method::options) return exchange.send(200, "", kCors);
  const auto path = segments(exchange.head.target);
  if (!path) return send_error(exchange, 400, "serve: malformed path; try /v2");
  if (page(exchange, *path)) return;
  if (path->empty()) {
    if (!allowed(exchange, http::Method::post)) return;
    return answer_plain(exchange);
  }
  if (path->front() == "metrics" && path->size() == 1) {
    if (!allowed(exchange, http::Method::get)) return;
    exchange.reply.append(metrics_text(serving_));
    return exchange.send(200, "text/plain; version=0.0.4; charset=utf-8");
  }
  if (path->front() == "v2") return route_v2(exchange, *path);
  if (path->front() == "soma") return route_soma(exchange, *path);
  send_error(exchange, 404, fmt::format("serve: nothing at '{}'; try /v2 or POST /", exchange.head.target));
}

void Service::route_v2(http::Exchange& exchange, const Path& path) {
  if (path.size() == 1) return allowed(exchange, http::Method::get) ? describe_server(exchange) : void();
  if (path[1] == "health" && path.size() == 3 && (path[2] == "live" || path[2] == "ready"))
    return allowed(exchange, http::Method::get) ? health(exchange, path[2]) : void();
  if (path[1] == "models" && path.size() == 3 && path[2] == "stats")
    return allowed(exchange, http::Method::get) ? statistics(exchange, {}, {}) : void();
  if (path[1] == "models" && path.size() >= 3) return route_model(exchange, path);
  if (path[1] == "repository") return route_repository(exchange, path);
  send_error(exchange, 404, fmt::format("serve: nothing at '{}'; try /v2/models/NAME", exchange.head.target));
}

void Service::route_soma(http::Exchange& exchange, const Path& path) {
  if (path.size() == 2 && path[1] == "status") return allowed(exchange, http::Method::get) ? status(exchange) : void();
  if (path.size() != 4 || path[1] != "models" || path[3] != "activations")
    return send_error(exchange, 404, fmt::format("serve: nothing at '{}'; try /soma/status", exchange.head.target));
  if (!allowed(exchange, http::Method::post)) return;
  if (const std::shared_ptr<ServedHere> model = find(exchange, path[2], {})) activations(exchange, model);
}

/// /v2/models/NAME[/versions/VERSION][/WHAT]
void Service::route_model(http::Exchange& exchange, const Path& path) {
  const std::string& name = path[2];
  std::size_t next = 3;
  std::string version, what;
  if (path.size() > 3 && path[3] == "versions") {
    if (path.size() < 5) return send_error(exchange, 404, "serve: wanted /versions/VERSION, got no version");
    version = path[4];
    next = 5;
  }
  if (path.size() > next) what = path[next++];
  const bool posts = what == "infer";
  if (path.size() > next || !(what.empty() || what == "ready" || posts || what == "config" || what == "stats"))
    return send_error(exchange, 404, fmt::format("serve: nothing at '{}'; try /v2/models/{}/infer", exchange.head.target, name));
  if (!allowed(exchange, posts ? http::Method::post : http::Method::get)) return;
  if (what == "stats") return statistics(exchange, name, version);
  const std::shared_ptr<ServedHere> model = find(exchange, name, version);
  if (!model) return;
  if (posts) return infer(exchange, model);
  if (what == "ready") {
    exchange.reply.append("{\"name\":");
    append_json(exchange.reply, model->version->face.name);
    exchange.reply.append(",\"ready\":true}");
    return exchange.send(200, "application/json");
  }
  what.empty() ? describe_model(exchange, *model->version) : configuration(exchange, *model->version);
}

void Service::route_repository(http::Exchange& exchange, const Path& path) {
  const bool index = path.size() == 3 && path[2] == "index";
  const bool change = path.size() == 5 && path[2] == "models" && (path[4] == "load" || path[4] == "unload");
  if (!index && !change)
    return send_error(exchange, 404, fmt::format("serve: nothing at '{}'; try /v2/repository/index", exchange.head.target));
  if (!allowed(exchange, http::Method::post)) return;
  index ? repository_index(exchange) : repository_change(exchange, path[3], path[4] == "load");
}

/// Sends what is wrong when there is no such model.
std::shared_ptr<ServedHere> Service::find(http::Exchange& exchange, std::string_view name, std::string_view version) {
  const auto found = models_.find(name);
  if (found != models_.end() && (version.empty() || version == found->second->version->face.version)) return found->second;
  if (found != models_.end()) {
    send_error(exchange, 404,
               fmt::format("serve: model '{}' has no version '{}' loaded; loaded is {}", name, version,
                           found->second->version->face.version));
    return nullptr;
  }
  for (const ModelStatus& status : serving_.repository.index())
    if (status.name == name) {
      send_error(exchange, 503, fmt::format("serve: model '{}' is {}: {}", name, status.state, status.reason),
                 "Retry-After: 1\r\n");
      return nullptr;
    }
  send_error(exchange, 404, fmt::format("serve: no model '{}'; try POST /v2/repository/index", name));
  return nullptr;
}

}  // namespace soma
