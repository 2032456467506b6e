// the page's questions → its files, the state of machine and server, and what each layer makes of one sample.
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "serve/plain_answer.h"
#include "serve/service_call.h"
#include "serve/web.h"

namespace soma {
namespace {

// The page's own files and nothing else: no frame around it, no script from elsewhere, no address of it told to others.
constexpr std::string_view kPageFields =
    "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";

/// "layers" of "?layers=2&x"; `otherwise` when it is not there, nothing when it is no number or there twice.
std::optional<std::size_t> number_in_query(std::string_view target, std::string_view name, std::size_t otherwise) {
  std::optional<std::size_t> found;
  std::string_view rest = target.substr(std::min(target.find('?'), target.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size());
    if (pair.substr(0, pair.find('=')) != name) continue;
    std::size_t value = 0;
    const std::string_view digits = pair.substr(std::min(pair.size(), name.size() + 1));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (found || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    found = value;
  }
  return found.value_or(otherwise);
}

/// Four significant digits: enough to draw, and half as long in JSON.
std::vector<float> drawn(std::vector<float> values) {
  for (float& value : values) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 4).ptr;
    std::from_chars(text, end, value);
  }
  return values;
}

}  // namespace

/// GET / for a browser, and GET /web/FILE.
void Service::page(http::Exchange& exchange) {
  const bool home = exchange.asked.name.empty();
  if (home && !http::accepts(exchange.head.accept, "text/html"))
    return send_error(exchange, 405, fmt::format("serve: wanted OPTIONS, POST, got {}", exchange.head.method_text),
                      "Allow: GET, HEAD, OPTIONS, POST\r\n");
  const WebFile* found = web_file(home ? "index.html" : exchange.asked.name);
  if (found == nullptr) return send_error(exchange, 404, "serve: the page has no such file; try /");
  exchange.reply.append(found->contents);
  exchange.send(200, found->content_type, kPageFields);
}

void Service::activations(http::Exchange& exchange, Call& call) {
  const ServedHere& model = *call.model;
  const auto most = number_in_query(call.exchange->head.target, "layers", SIZE_MAX);
  if (!call.read || call.count != 1 || !most) {
    const std::string message = !call.read        ? call.read.error().message
                                : call.count != 1 ? "request: wanted one sample, got several"
                                                  : "request: wanted layers=N once, got something else";
    give_back(call);
    return send_error(exchange, 400, message);
  }
  Engine& engine = model.batcher->engine();
  engine.fill(0, call.samples, 1, call.layout);
  const std::span<const float> y(engine.run(1), static_cast<std::size_t>(engine.output_size()));
  read_output(model.version->model, y, prediction_);
  std::vector<LayerActivation> layers = engine.activations();
  layers.resize(std::min(*most, layers.size()));
  const LayerActivation input = engine.input_activation();
  if (model.version->model.task == Task::reconstruct) prediction_.score = engine.score(0, y.data());

  JsonWriter json(exchange.reply);
  json.open('{').field("model", model.version->face.name).field("version", model.version->face.version);
  write_answer(json, model.version->model, prediction_);
  json.key("input").open('{').list("shape", input.shape).list("values", drawn(input.values)).close('}').key("layers").open('[');
  for (const LayerActivation& layer : layers)
    json.open('{')
        .field("name", layer.name)
        .field("kind", layer.kind)
        .list("shape", layer.shape)
        .list("values", drawn(layer.values))
        .close('}');
  json.close(']').close('}');
  give_back(call);
  exchange.send(200, "application/json");
}

}  // namespace soma
