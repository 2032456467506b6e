// requests on one thread → answers: who is asked is decided here, what is answered in the files beside.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/access_log.h"
#include "serve/batcher.h"
#include "serve/counters.h"
#include "serve/http.h"
#include "serve/infer_request.h"
#include "serve/monitor.h"
#include "serve/repository.h"
#include "soma/serve.h"

namespace soma {

/// What all threads of a server share.
struct Serving {
  explicit Serving(const ServeOptions& options_, int threads_)
      : options(options_), threads(threads_), repository(options.source, threads, options.max_batch) {
    for (int i = 0; i < threads; ++i) http.push_back(std::make_unique<HttpCounters>());
  }
  const ServeOptions options;
  const int threads;
  Repository repository;
  std::vector<std::unique_ptr<HttpCounters>> http;  // one per thread
  std::unique_ptr<http::Server> server;
  Monitor monitor;
  std::atomic<bool> draining{false};
  const http::Clock::time_point started = http::Clock::now();
};

/// A model version as one thread uses it.
struct ServedHere {
  std::shared_ptr<ServedVersion> version;
  std::shared_ptr<Batcher> batcher;
  ModelCounters* counters = nullptr;
};

class Service final : public http::Application {
 public:
  Service(Serving& serving, int thread);
  ~Service() override;

  void on_request(http::Exchange& exchange) override;
  void on_answered(const http::Exchange& exchange, int status) override;
  void on_tick() override;

  /// From now on these models. On this thread.
  void use(const ServedTable& table);

 private:
  struct Call;
  using Path = std::vector<std::string>;

  void route(http::Exchange& exchange);
  void route_v2(http::Exchange& exchange, const Path& path);
  void route_model(http::Exchange& exchange, const Path& path);
  void route_soma(http::Exchange& exchange, const Path& path);
  void route_repository(http::Exchange& exchange, const Path& path);
  bool authorized(const http::Exchange& exchange) const;
  bool allowed(http::Exchange& exchange, http::Method method);
  std::shared_ptr<ServedHere> find(http::Exchange& exchange, std::string_view name, std::string_view version);

  // service_page.cpp
  bool page(http::Exchange& exchange, const Path& path);
  void status(http::Exchange& exchange);
  void activations(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model);
  void sample_load();

  // service_infer.cpp
  void answer_plain(http::Exchange& exchange);
  void infer(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model);
  Call& take_call(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model);
  void give_back(Call& call);
  /// What the body holds, as POST / takes it: into call.samples, layout and count.
  Result<void> read_samples(Call& call);
  void submit(Call& call);
  void finish(Call& call, Job::Outcome outcome);
  void finish_plain(Call& call);
  void finish_infer(Call& call);

  // service_describe.cpp
  void health(http::Exchange& exchange, std::string_view what);
  void describe_server(http::Exchange& exchange);
  void describe_model(http::Exchange& exchange, const ServedVersion& version);
  void configuration(http::Exchange& exchange, const ServedVersion& version);
  void statistics(http::Exchange& exchange, std::string_view name, std::string_view version);
  void repository_index(http::Exchange& exchange);
  void repository_change(http::Exchange& exchange, const std::string& name, bool load);

  Serving& serving_;
  const int thread_;
  http::Loop& loop_;
  HttpCounters& http_;
  Log log_;
  std::map<std::string, std::shared_ptr<ServedHere>, std::less<>> models_;
  std::shared_ptr<ServedHere> default_;       // the model of POST /
  std::vector<std::unique_ptr<Call>> calls_;  // all of them
  std::vector<Call*> free_;
  Prediction prediction_;
};

/// {"error":"…"}.
void send_error(http::Exchange& exchange, int status, std::string_view message, std::string_view fields = {});
void send_json(http::Exchange& exchange, std::string_view json, int status = 200);

}  // namespace soma
