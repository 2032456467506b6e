// requests on one thread → answers: who is asked is decided here, what is answered in the files beside.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/access_log.h"
#include "serve/aside.h"
#include "serve/batcher.h"
#include "serve/budget.h"
#include "serve/counters.h"
#include "serve/describe.h"
#include "serve/http.h"
#include "serve/infer_request.h"
#include "serve/log_queue.h"
#include "serve/monitor.h"
#include "serve/repository.h"
#include "serve/routes.h"
#include "soma/serve.h"

namespace soma {

/// What all threads of a server share.
struct Serving {
  /// `limit`: bytes that the process may take. Models get what requests leave of it, a quarter at least.
  Serving(const ServeOptions& options_, int threads_, std::size_t max_memory, double limit)
      : options(options_),
        threads(threads_),
        budget(max_memory),
        log(options.log),
        repository(
            options.source, threads, options.max_batch, std::max(limit / 4, limit - static_cast<double>(max_memory)),
            options.changed, options.reading, options.require_models, [this](const std::string& line) { tell(line); },
            options.kernel != ServeKernel::no_port) {
    for (int i = 0; i < threads; ++i) http.push_back(std::make_unique<HttpCounters>());
  }
  const ServeOptions options;
  const int threads;
  http::Budget budget;
  http::BudgetMemory memory{budget};
  http::Aside aside{&budget};
  http::Aside graphs{&budget};  ///< what is no list of layers is computed there, one request after the other
  LogQueue log;
  std::vector<std::string> hosts;  ///< the Host fields that are answered, without port; none = any
  std::string default_model;       ///< the model of POST /, chosen at the start for ever; "" = the one of a single file
  Repository repository;
  std::vector<std::unique_ptr<HttpCounters>> http;  // one per thread
  std::unique_ptr<http::Server> server;
  Monitor monitor;
  std::atomic<bool> draining{false};
  const http::Clock::time_point started = http::Clock::now();

  /// A line for whoever runs the server.
  void tell(const std::string& line) { log.push("soma: " + line + "\n"); }
};

/// A model version as one thread uses it.
struct ServedHere {
  std::shared_ptr<ServedVersion> version;
  std::shared_ptr<Batcher> batcher;  // none for a graph
  ModelCounters* counters = nullptr;
};

class Service final : public http::Application {
 public:
  Service(Serving& serving, int thread);
  ~Service() override;

  bool on_head(http::Exchange& exchange) override;
  void on_request(http::Exchange& exchange) override;
  void on_answered(const http::Exchange& exchange, int status) override;
  void on_tick() override;

  /// From now on these models, this token. On this thread.
  void use(const ServedTable& table);
  void use_token(std::string token) { token_ = std::move(token); }

  // What the list of routes calls.
  [[nodiscard]] Serving& serving() { return serving_; }
  /// The model that is asked for, while a route answers that wants one.
  [[nodiscard]] const ServedVersion& version() const { return *here_->version; }
  void page(http::Exchange& exchange);
  void activations(http::Exchange& exchange);
  void answer_plain(http::Exchange& exchange);
  void infer(http::Exchange& exchange);
  void change(http::Exchange& exchange, bool load);

 private:
  struct Call;

  bool may_ask(http::Exchange& exchange, const Destination& destination) const;
  [[nodiscard]] bool authorized(const http::Head& head) const;
  std::shared_ptr<ServedHere> find(http::Exchange& exchange);

  void activations(http::Exchange& exchange, Call& call);
  // service_infer.cpp
  Call& take_call(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model);
  void give_back(Call& call) noexcept;
  /// Runs `part`; when it throws, the call is given back first.
  template <class Part>
  void guarded(Call& call, Part&& part);
  /// Runs `work` here, or where it takes `long_` beside this thread; then `then` here. What either throws ends the connection.
  template <class Work, class Then>
  void apart(Call& call, bool long_, Work work, Then then);
  template <class Work, class Then>
  void beside(http::Aside& aside, Call& call, Work work, Then then);
  /// What the body holds, as POST / takes it: into call.samples, layout and count.
  Result<void> read_samples(Call& call);
  /// What the body of an inference request holds: the same.
  Result<void> read_infer(Call& call);
  void refuse(Call& call, const Error& error);
  void submit(Call& call);
  void finish(Call& call, Job::Outcome outcome) noexcept;
  void finish_plain(Call& call);
  void finish_infer(Call& call);
  void finish_written(Call& call);
  void infer_graph(Call& call);
  /// Sends that a graph takes nothing but tensors; false: it is none.
  bool is_graph(http::Exchange& exchange, const ServedHere& model);

  Serving& serving_;
  std::shared_ptr<ServedHere> here_;  // see version()
  const int thread_;
  http::Loop& loop_;
  HttpCounters& http_;
  Log log_;
  std::string token_;
  std::map<std::string, std::shared_ptr<ServedHere>, std::less<>> models_;
  std::shared_ptr<ServedHere> default_;       // the model of POST /
  std::vector<std::unique_ptr<Call>> calls_;  // all of them
  std::vector<Call*> free_;
  std::size_t graph_calls_ = 0;  // that wait or run
  Prediction prediction_;
};

/// Reads how busy the machine is; cheap, and does so once a second at most.
void sample_load(Serving& serving);

}  // namespace soma
