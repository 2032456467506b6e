// options → a running server: models loaded, threads listening, and what changes while it runs.
#include "soma/serve.h"

#include <fmt/format.h>

#include <charconv>

#include "core/memory_limit.h"
#include "serve/datagrams.h"
#include "serve/service.h"
#include "soma/device.h"

namespace soma {
namespace {

constexpr std::size_t kLeastMemory = std::size_t{1} << 20;

/// "HOST:PORT", "[::1]:PORT", ":PORT" or "PORT".
Result<std::pair<std::string, std::uint16_t>> address(std::string_view listen) {
  const std::size_t colon = listen.rfind(':');
  std::string host(colon == std::string_view::npos ? "" : listen.substr(0, colon));
  const std::string_view digits = colon == std::string_view::npos ? listen : listen.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return Error{Error::Kind::usage, fmt::format("serve: wanted HOST:PORT to listen on, got '{}'; try 127.0.0.1:8000", listen)};
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::pair(host.empty() ? "127.0.0.1" : host, port);
}

/// Whether only programs of this machine reach it.
bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

Result<void> check(const ServeOptions& options) {
  const auto wrong = [](std::string_view what) { return Error{Error::Kind::usage, fmt::format("serve: {}", what)}; };
  if (options.max_batch < 1 || options.max_batch > 4096)
    return wrong("wanted a largest batch from 1 to 4096; try --max-batch 32");
  if (options.max_queue < 1) return wrong("wanted a queue of at least 1; try --max-queue 1024");
  if (options.threads < 0 || options.threads > 1024) return wrong("wanted 0 to 1024 threads; try --threads 0");
  if (options.max_body < 1024) return wrong("wanted bodies of at least 1024 bytes; try --max-body 67108864");
  if (options.max_memory > 0 && options.max_memory < kLeastMemory)
    return wrong("wanted at least 1 MiB for requests; try --max-memory 134217728");
  if (options.max_connections < 1) return wrong("wanted at least one connection; try --max-connections 16384");
  if (options.kernel != ServeKernel::no_port && !options.token.empty())
    return wrong("wanted a token or questions over UDP, which carry none, got both; try without --kernel");
  if (options.certificate.empty() != options.key.empty()) return wrong("wanted a certificate and its key, got one of them");
  return {};
}

}  // namespace

struct InferenceServer::State {
  State(const ServeOptions& options, int threads, std::size_t memory, double limit)
      : serving(options, threads, memory, limit), services(static_cast<std::size_t>(threads)) {}
  ~State() {
    serving.repository.stop();
    serving.aside.stop();
    serving.graphs.stop();
    serving.server.reset();  // joins the threads, whose services point into the rest
  }
  Serving serving;
  std::unique_ptr<Datagrams> datagrams;
  std::vector<Service*> services;  // owned by the server's threads
  std::string host;
};

InferenceServer::InferenceServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
InferenceServer::InferenceServer(InferenceServer&&) noexcept = default;
InferenceServer& InferenceServer::operator=(InferenceServer&&) noexcept = default;
InferenceServer::~InferenceServer() = default;

Result<InferenceServer> InferenceServer::start(const ServeOptions& options) {
  if (const auto fine = check(options); !fine) return fine.error();
  const auto where = address(options.listen);
  if (!where) return where.error();
  const std::uint64_t limit = memory_limit();
  const std::size_t memory = options.max_memory > 0 ? options.max_memory : static_cast<std::size_t>(limit / 2);
  auto state = std::make_unique<State>(options, options.threads > 0 ? options.threads : available_threads(), memory,
                                       static_cast<double>(limit));
  Serving& serving = state->serving;
  if (is_loopback(where->first) || !options.hosts.empty()) serving.hosts = options.hosts;
  if (is_loopback(where->first)) serving.hosts.insert(serving.hosts.end(), {"localhost", "127.0.0.1", "[::1]"});
  if (const auto loaded = serving.repository.load_all(); !loaded) return loaded.error();
  if (!options.default_model.empty() && !serving.repository.table().contains(options.default_model))
    return Error{Error::Kind::usage, fmt::format("serve: wanted a model '{}' for POST /, found none", options.default_model)};
  serving.default_model = options.default_model;
  if (options.default_model.empty() && !serving.repository.single_file())
    serving.default_model = serving.repository.table().begin()->first;

  http::ServerOptions http;
  http.host = state->host = where->first;
  http.port = where->second;
  http.threads = serving.threads;
  http.share_port = options.share_port;
  http.limits.body_bytes = options.max_body;
  http.limits.connections = options.max_connections;
  http.limits.idle = options.idle_timeout;
  http.certificate = options.certificate;
  http.key = options.key;
  http.budget = &serving.budget;
  http.aside = &serving.aside;
  auto server = http::Server::create(http);
  if (!server) return server.error();
  if (options.kernel != ServeKernel::no_port) {
    auto bound = Datagrams::bind(where->first, options, [&serving](const std::string& line) { serving.tell(line); });
    if (!bound) return bound.error();
    state->datagrams = std::move(*bound);
    if (const auto used = state->datagrams->use(serving.repository.table(), serving.default_model); !used) return used.error();
  }
  serving.server = std::move(*server);
  serving.server->start([&](int thread) {
    auto service = std::make_unique<Service>(serving, thread);
    state->services[static_cast<std::size_t>(thread)] = service.get();
    return service;
  });
  serving.repository.start([state = state.get()](const ServedTable& table, const std::function<void()>& then) {
    if (state->datagrams != nullptr) (void)state->datagrams->use(table, state->serving.default_model);  // fails at the start only
    const auto left = std::make_shared<std::atomic<int>>(state->serving.threads);
    for (int thread = 0; thread < state->serving.threads; ++thread)
      state->serving.server->loop(thread).post([service = state->services[static_cast<std::size_t>(thread)], table, left, then] {
        service->use(table);
        if (left->fetch_sub(1) == 1) then();
      });
  });
  return InferenceServer(std::move(state));
}

std::string InferenceServer::url() const {
  const bool tls = !state_->serving.options.certificate.empty();
  const bool v6 = state_->host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", tls ? "https" : "http", v6 ? "[" : "", state_->host, v6 ? "]" : "",
                     state_->serving.server->port());
}

std::vector<std::string> InferenceServer::warnings() const {
  const ServeOptions& options = state_->serving.options;
  std::vector<std::string> lines;
  if (!is_loopback(state_->host) && options.token.empty())
    lines.push_back(fmt::format("serve: whoever reaches {} may ask{}: no token is set; try --token-file FILE", options.listen,
                                options.control ? ", and change what is served" : ""));
  return lines;
}

std::vector<std::string> InferenceServer::models() const {
  std::vector<std::string> lines;
  const ServedTable table = state_->serving.repository.table();
  for (const ModelStatus& status : state_->serving.repository.index()) {
    const auto served = table.find(status.name);
    if (served != table.end() && status.state == "READY" && served->second->graph)
      lines.push_back(fmt::format("{} version {}: a graph of {} inputs and {} outputs", status.name, status.version,
                                  served->second->graph->inputs().size(), served->second->graph->outputs().size()));
    else if (served != table.end() && status.state == "READY")
      lines.push_back(fmt::format("{} version {}: {} → {} {}", status.name, status.version, to_string(served->second->face.input),
                                  served->second->face.outputs, served->second->face.labels.empty() ? "outputs" : "classes"));
    else
      lines.push_back(fmt::format("{} is not served: {}", status.name, status.reason));
  }
  return lines;
}

std::string InferenceServer::datagrams() const { return state_->datagrams == nullptr ? "" : state_->datagrams->who(); }

void InferenceServer::reload() {
  Serving& serving = state_->serving;
  serving.repository.reload();
  if (serving.options.certificate.empty()) return;
  if (const auto renewed = serving.server->use_certificate(serving.options.certificate, serving.options.key); !renewed)
    serving.tell(renewed.error().message);
}

void InferenceServer::use_token(const std::string& token) {
  for (int thread = 0; thread < state_->serving.threads; ++thread)
    state_->serving.server->loop(thread).post(
        [service = state_->services[static_cast<std::size_t>(thread)], token] { service->use_token(token); });
}

void InferenceServer::drain() {
  Serving& serving = state_->serving;
  if (serving.draining.exchange(true)) return;
  if (serving.options.drain_delay.count() == 0) return serving.server->drain(serving.options.drain);
  serving.server->loop(0).post([&serving] {
    serving.server->loop(0).after(
        serving.options.drain_delay,
        [](void* context) {
          Serving& self = *static_cast<Serving*>(context);
          self.server->drain(self.options.drain);
        },
        &serving);
  });
}

bool InferenceServer::finished() const { return state_->serving.server->finished(); }

}  // namespace soma
