// requests on one thread → answers: who is asked is decided here, what is answered in the files beside.
#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "serve/service_call.h"

namespace soma {
namespace {

constexpr std::string_view kAnyOrigin =
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Inference-Header-Content-Length\r\n";
constexpr std::string_view kMayPost =
    "Access-Control-Allow-Methods: OPTIONS, POST\r\n"
    "Access-Control-Allow-Headers: Authorization, Content-Type, Inference-Header-Content-Length\r\n"
    "Access-Control-Max-Age: 600\r\n";
constexpr std::size_t kLittle = std::size_t{1} << 16;  // bytes of a body that is no sample

/// "[::1]:8000" and "localhost:8000" → without the port.
std::string_view without_port(std::string_view host) {
  const std::size_t bracket = host.rfind(']'), colon = host.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return host;
  return host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos ? host.substr(0, colon) : host;
}

/// Whether a page of `origin` ("http://host:port") came from the server that is called `host`; default ports may be left out.
bool same_origin(std::string_view origin, std::string_view host) {
  const std::size_t mark = origin.find("://");
  if (mark == std::string_view::npos) return false;
  const std::string_view port = http::same_word(origin.substr(0, mark), "https") ? ":443" : ":80";
  const auto bare = [&](std::string_view name) {
    return name.ends_with(port) ? name.substr(0, name.size() - port.size()) : name;
  };
  return http::same_word(bare(origin.substr(mark + 3)), bare(host));
}

/// Takes as long for any wrong token of the same length.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace

Service::Service(Serving& serving, int thread)
    : serving_(serving),
      thread_(thread),
      loop_(serving.server->loop(thread)),
      http_(*serving.http[static_cast<std::size_t>(thread)]),
      log_(serving.options.access_log, serving.log),
      token_(serving.options.token) {
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
    if (!version->graph) here->batcher = std::make_shared<Batcher>(*version->engines[thread], *here->counters, loop_, options);
    models[name] = std::move(here);
  }
  models_ = std::move(models);
  const auto chosen = serving_.default_model.empty() ? models_.begin() : models_.find(serving_.default_model);
  default_ = chosen == models_.end() ? nullptr : chosen->second;
}

/// In this order: is this server meant, who asks, is there such a thing, may it be changed, is there such a model.
bool Service::on_head(http::Exchange& exchange) {
  const http::Head& head = exchange.head;
  const auto named = [&](const std::string& name) { return http::same_word(name, without_port(head.host)); };
  if (!serving_.hosts.empty() && head.has_host && !std::any_of(serving_.hosts.begin(), serving_.hosts.end(), named))
    return send_error(exchange, 421, fmt::format("serve: this server is not called '{}'; try --host NAME", head.host)), false;
  const Destination destination = find_route(head, exchange.asked);
  if (destination.other_origins) exchange.always = kAnyOrigin;
  if (!may_ask(exchange, destination)) return false;
  const Route& route = *exchange.asked.route;
  if (!route.is(Route::samples)) exchange.most_body = std::min(exchange.most_body, kLittle);
  return !route.is(Route::model) || find(exchange) != nullptr;
}

/// Sends why not.
bool Service::may_ask(http::Exchange& exchange, const Destination& destination) const {
  const http::Head& head = exchange.head;
  const auto no = [&](int status, std::string_view why, std::string_view fields = {}) {
    return send_error(exchange, status, why, fields), false;
  };
  if (head.method == http::Method::options && !destination.allow.empty()) {
    exchange.send(200, "", fmt::format("Allow: {}\r\n{}", destination.allow, destination.other_origins ? kMayPost : ""));
    return false;
  }
  const bool open = destination.route != nullptr && destination.route->is(Route::open);
  if (!open && !authorized(head))
    return no(401, "serve: wanted 'Authorization: Bearer TOKEN', got none or a wrong one", "WWW-Authenticate: Bearer\r\n");
  if (destination.malformed) return no(400, "serve: malformed path; try /v2");
  if (destination.route == nullptr && destination.allow.empty())
    return no(404, fmt::format("serve: nothing at '{}'; try /v2 or POST /", head.target.substr(0, 500)));
  if (destination.route == nullptr)
    return no(405, fmt::format("serve: wanted {}, got {}", destination.allow, head.method_text.substr(0, 50)),
              fmt::format("Allow: {}\r\n", destination.allow));
  if (!destination.route->is(Route::control)) return true;
  if (!serving_.options.control)
    return no(403, "serve: what is served is not changed over HTTP; try soma serve --control, or SIGHUP");
  if (!head.origin.empty() && !same_origin(head.origin, head.host))
    return no(403, "serve: pages of other origins may not change what is served");
  return true;
}

void Service::on_request(http::Exchange& exchange) {
  const Route& route = *exchange.asked.route;
  if (route.is(Route::model) && !(here_ = find(exchange))) return;  // it may have gone while the body came
  route.answer(*this, exchange);
  here_.reset();
}

void Service::on_answered(const http::Exchange& exchange, int status) {
  http_.answers[static_cast<std::size_t>(status) % http_.answers.size()].add();
  const auto time = http::Clock::now() - exchange.arrived;
  http_.request_time.observe(time);
  try {
    log_.answered(exchange, status, time);
  } catch (const std::bad_alloc&) {  // then this line is missing
  }
}

void Service::on_tick() {
  if (thread_ == 0) sample_load(serving_);
  for (const auto& [name, model] : models_)
    if (model->batcher) model->batcher->wake();
  log_.flush();
}

bool Service::authorized(const http::Head& head) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (token_.empty()) return true;
  std::string_view given = head.authorization;
  if (!http::same_word(given.substr(0, kScheme.size()), kScheme)) return false;
  while (given.size() > kScheme.size() && given[kScheme.size()] == ' ') given.remove_prefix(1);
  return same_secret(given.substr(kScheme.size()), token_);
}

/// Sends what is wrong when there is no such model.
std::shared_ptr<ServedHere> Service::find(http::Exchange& exchange) {
  const std::string_view name = exchange.asked.name, version = exchange.asked.version;
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
