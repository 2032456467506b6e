// a method and a path → who answers, and what that takes: all that can be asked, in one list.
#include "serve/routes.h"

#include <array>
#include <optional>

#include "serve/describe.h"
#include "serve/metrics.h"
#include "serve/service.h"

namespace soma {
namespace {

using http::Exchange;
using http::Method;

constexpr unsigned kOpen = Route::open, kControl = Route::control, kModel = Route::model;
constexpr unsigned kSamples = Route::samples | Route::other_origins;

// clang-format off
constexpr auto kRoutes = std::to_array<Route>({
    {Method::post, "/", [](Service& s, Exchange& e) { s.answer_plain(e); }, kSamples},
    {Method::get, "/", [](Service& s, Exchange& e) { s.page(e); }, kOpen},
    {Method::get, "/web/{name}", [](Service& s, Exchange& e) { s.page(e); }, kOpen},
    {Method::get, "/metrics", [](Service& s, Exchange& e) { send_metrics(s.serving(), e); }},
    {Method::get, "/soma/status", [](Service& s, Exchange& e) { describe_status(s.serving(), e); }},
    {Method::post, "/soma/models/{name}/activations", [](Service& s, Exchange& e) { s.activations(e); }, kModel | kSamples},
    {Method::get, "/v2", [](Service&, Exchange& e) { describe_server(e); }},
    {Method::get, "/v2/health/live", [](Service&, Exchange& e) { send_json(e, R"({"live":true})"); }, kOpen},
    {Method::get, "/v2/health/ready", [](Service& s, Exchange& e) { describe_health(s.serving(), e); }, kOpen},
    {Method::get, "/v2/models/stats", [](Service& s, Exchange& e) { describe_statistics(s.serving(), e); }},
    {Method::get, "/v2/models/{name}", [](Service& s, Exchange& e) { describe_model(s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/ready", [](Service& s, Exchange& e) { describe_ready(s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/config", [](Service& s, Exchange& e) { describe_configuration(s.serving(), s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/stats", [](Service& s, Exchange& e) { describe_statistics(s.serving(), e); }},
    {Method::post, "/v2/models/{name}/infer", [](Service& s, Exchange& e) { s.infer(e); }, kModel | kSamples},
    {Method::get, "/v2/models/{name}/versions/{version}", [](Service& s, Exchange& e) { describe_model(s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/versions/{version}/ready", [](Service& s, Exchange& e) { describe_ready(s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/versions/{version}/config", [](Service& s, Exchange& e) { describe_configuration(s.serving(), s.version(), e); }, kModel},
    {Method::get, "/v2/models/{name}/versions/{version}/stats", [](Service& s, Exchange& e) { describe_statistics(s.serving(), e); }},
    {Method::post, "/v2/models/{name}/versions/{version}/infer", [](Service& s, Exchange& e) { s.infer(e); }, kModel | kSamples},
    {Method::post, "/v2/repository/index", [](Service& s, Exchange& e) { describe_repository(s.serving(), e); }},
    {Method::post, "/v2/repository/models/{name}/load", [](Service& s, Exchange& e) { s.change(e, true); }, kControl},
    {Method::post, "/v2/repository/models/{name}/unload", [](Service& s, Exchange& e) { s.change(e, false); }, kControl},
});
// clang-format on

constexpr std::size_t kMostSegments = 6;

struct Segments {
  std::array<std::string_view, kMostSegments> at;
  std::size_t count = 0;  // beyond kMostSegments: too many for any route
  void add(std::string_view segment) {
    if (count < at.size()) at[count] = segment;
    ++count;
  }
};

/// Without decoding. A slash at the end says nothing.
Segments cut(std::string_view path) {
  Segments segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment.empty() && path.empty()) break;
    segments.add(segment);
  }
  return segments;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// False when an escape is malformed. `text` has room already: views into it stay.
bool decode(Segments& segments, std::string& text) {
  for (std::size_t s = 0; s < std::min(segments.count, kMostSegments); ++s) {
    const std::string_view raw = segments.at[s];
    const std::size_t begin = text.size();
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '%') {
        text += raw[i];
        continue;
      }
      if (i + 2 >= raw.size() || hex(raw[i + 1]) < 0 || hex(raw[i + 2]) < 0) return false;
      text += static_cast<char>(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
      i += 2;
    }
    segments.at[s] = std::string_view(text).substr(begin);
  }
  return true;
}

/// Fills name and version; what does not fit leaves them anything.
bool fits(std::string_view pattern, const Segments& path, http::Asked& asked) {
  asked.name = asked.version = {};
  const Segments wanted = cut(pattern);
  if (wanted.count != path.count) return false;
  for (std::size_t i = 0; i < wanted.count; ++i) {
    if (wanted.at[i] == "{name}")
      asked.name = path.at[i];
    else if (wanted.at[i] == "{version}")
      asked.version = path.at[i];
    else if (wanted.at[i] != path.at[i])
      return false;
  }
  return true;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Destination find_route(const http::Head& head, http::Asked& asked) {
  Destination destination;
  if (head.target == "*") {
    destination.allow = "GET, HEAD, OPTIONS, POST";
    return destination;
  }
  const std::string_view target = head.target.substr(0, head.target.find('?'));
  Segments path = cut(target);
  if (target.find('%') != std::string_view::npos) {
    asked.path.clear();
    asked.path.reserve(target.size());
    destination.malformed = !decode(path, asked.path);
    if (destination.malformed) return destination;
  }
  const Method method = head.method == Method::head ? Method::get : head.method;
  bool gets = false, posts = false;
  for (const Route& route : kRoutes) {
    if (!fits(route.pattern, path, asked)) continue;
    destination.other_origins |= route.is(Route::other_origins);
    if (route.method == method) {
      destination.route = asked.route = &route;
      destination.other_origins = route.is(Route::other_origins);
      return destination;
    }
    (route.method == Method::get ? gets : posts) = true;
  }
  if (gets || posts) destination.allow = std::string(gets ? "GET, HEAD, OPTIONS" : "OPTIONS") + (posts ? ", POST" : "");
  return destination;
}

}  // namespace soma
