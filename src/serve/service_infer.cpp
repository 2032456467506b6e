// bytes of samples → batcher → answers: POST / as a digit, and inference requests of the protocol.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "serve/graph_answer.h"
#include "serve/plain_answer.h"
#include "serve/service_call.h"

namespace soma {
namespace {

constexpr std::size_t kKeptFloats = std::size_t{1} << 16;  // 256 KiB of a call's memory outlive it
// What a thread of the server does itself, without holding up the others on it for 20 ms.
constexpr std::size_t kSoonRead = std::size_t{1} << 16;     // bytes of a body
constexpr std::size_t kSoonWritten = std::size_t{1} << 13;  // numbers of an answer

constexpr std::uint64_t kLongest = std::uint64_t{1} << 40;  // microseconds that a request may ask for
constexpr std::string_view kTooLate = "serve: the request's time was over before its turn came; try again later";

bool writes_long(std::span<const float> outputs) { return outputs.size() > kSoonWritten; }

template <class T>
void shrink(std::pmr::vector<T>& values) noexcept {
  values.clear();
  if (values.capacity() > kKeptFloats) std::pmr::vector<T>(values.get_allocator()).swap(values);
}

}  // namespace

Service::Call& Service::take_call(http::Exchange& exchange, const std::shared_ptr<ServedHere>& model) {
  if (free_.empty()) {
    free_.reserve(calls_.size() + 1);
    calls_.push_back(std::make_unique<Call>(&serving_.memory));
    free_.push_back(calls_.back().get());
    calls_.back()->service = this;
    calls_.back()->finish = [](Job& job, Job::Outcome outcome) {
      Call& call = static_cast<Call&>(job);
      call.service->finish(call, outcome);
    };
  }
  Call& call = *free_.back();
  free_.pop_back();
  call.exchange = &exchange;
  call.model = model;
  return call;
}

void Service::give_back(Call& call) noexcept {
  call.model.reset();
  shrink(call.outputs);
  shrink(call.request.values);
  call.request.words = JsonWords(&serving_.memory);
  shrink(call.decoded.bytes);
  shrink(call.decoded.floats);
  free_.push_back(&call);
}

Result<void> Service::read_samples(Call& call) {
  const http::Exchange& exchange = *call.exchange;
  const auto read =
      read_plain_body(exchange.body, exchange.head.content_type, call.model->version->face, serving_.budget, call.decoded);
  if (!read) return read;
  call.layout = call.decoded.layout;
  call.samples = call.decoded.data;
  call.count = call.decoded.count;
  return {};
}

template <class Part>
void Service::guarded(Call& call, Part&& part) {
  try {
    part();
  } catch (...) {
    if (call.model) {  // not yet given back
      call.model->counters->failure.add(http::Clock::now() - call.exchange->arrived);
      give_back(call);
    }
    throw;
  }
}

template <class Work, class Then>
void Service::apart(Call& call, bool long_, Work work, Then then) {
  if (!long_) return work(), then();
  beside(serving_.aside, call, std::move(work), std::move(then));
}

template <class Work, class Then>
void Service::beside(http::Aside& aside, Call& call, Work work, Then then) {
  aside.run(
      loop_,
      [&call, work] {
        call.thrown = nullptr;
        try {
          work();
        } catch (const std::exception&) {
          call.thrown = std::current_exception();
        }
      },
      [this, &call, then] {
        http::Exchange& exchange = *call.exchange;
        try {
          guarded(call, [&] { call.thrown ? std::rethrow_exception(std::exchange(call.thrown, nullptr)) : then(); });
        } catch (const std::exception&) {  // no memory for it
          exchange.fail();
        }
      });
}

void Service::refuse(Call& call, const Error& error) {
  http::Exchange& exchange = *call.exchange;
  call.model->counters->failure.add(http::Clock::now() - exchange.arrived);
  give_back(call);
  if (error.kind != Error::Kind::usage) return send_error(exchange, 400, error.message);
  exchange.reply.append(error.message);
  exchange.send(400, "text/plain; charset=utf-8");
}

void Service::answer_plain(http::Exchange& exchange) {
  if (!default_) return send_error(exchange, 503, "serve: no model is loaded", "Retry-After: 1\r\n");
  if (is_graph(exchange, *default_)) return;
  Call& call = take_call(exchange, default_);
  call.kind = Call::Kind::plain;
  guarded(call, [&] {
    apart(
        call, reads_long(exchange.body, exchange.head.content_type), [this, &call] { call.read = read_samples(call); },
        [this, &call] { call.read ? submit(call) : refuse(call, call.read.error()); });
  });
}

void Service::activations(http::Exchange& exchange) {
  if (is_graph(exchange, *here_)) return;
  Call& call = take_call(exchange, here_);
  guarded(call, [&] {
    apart(
        call, reads_long(exchange.body, exchange.head.content_type), [this, &call] { call.read = read_samples(call); },
        [this, &call] { activations(*call.exchange, call); });
  });
}

Result<void> Service::read_infer(Call& call) {
  const http::Exchange& exchange = *call.exchange;
  const ModelFace& face = call.model->version->face;
  // As many rows as an answer of the largest body may hold.
  const auto most = static_cast<std::int64_t>(serving_.options.max_body / sizeof(float)) / face.outputs;
  const auto read = read_infer_request(exchange.body, exchange.head.inference_header_length, face,
                                       {.rows = std::max<std::int64_t>(1, most)}, serving_.budget, call.request);
  if (!read) return Error{Error::Kind::data, read.error().message};
  call.samples = call.request.samples.data();
  call.layout = call.request.layout;
  call.count = call.request.rows;
  return {};
}

void Service::infer(http::Exchange& exchange) {
  Call& call = take_call(exchange, here_);
  call.kind = Call::Kind::infer;
  guarded(call, [&] {
    if (call.model->version->graph) return infer_graph(call);
    apart(
        call, exchange.body.size() > kSoonRead, [this, &call] { call.read = read_infer(call); },
        [this, &call] { call.read ? submit(call) : refuse(call, call.read.error()); });
  });
}

void Service::submit(Call& call) {
  const auto limit = std::chrono::microseconds(
      call.kind == Call::Kind::infer && call.request.timeout_us > 0 ? std::min(call.request.timeout_us, kLongest) : 0);
  const auto most = std::chrono::microseconds(serving_.options.timeout);
  call.deadline = call.exchange->arrived + (limit.count() > 0 ? std::min(limit, most) : most);
  call.outputs.resize(static_cast<std::size_t>(call.count * call.model->batcher->engine().output_size()));
  call.y = call.outputs.data();
  call.scores.assign(call.model->version->model.task == Task::reconstruct ? static_cast<std::size_t>(call.count) : 0, 0.0);
  call.score = call.scores.empty() ? nullptr : call.scores.data();
  if (call.count == 0) return finish(call, Job::Outcome::done);
  if (call.model->batcher->submit(call)) return;
  http::Exchange& exchange = *call.exchange;
  call.model->counters->failure.add(http::Clock::now() - exchange.arrived);
  give_back(call);
  send_error(exchange, 503, "serve: too many requests wait for this model; try again later", "Retry-After: 1\r\n");
}

void Service::finish(Call& call, Job::Outcome outcome) noexcept {
  http::Exchange& exchange = *call.exchange;
  ModelCounters& counters = *call.model->counters;
  const std::shared_ptr<ServedHere> model = call.model;  // the counters are its
  try {
    if (outcome == Job::Outcome::done) return call.kind == Call::Kind::plain ? finish_plain(call) : finish_infer(call);
    counters.failure.add(http::Clock::now() - exchange.arrived);
    give_back(call);
    send_error(exchange, 504, kTooLate);
  } catch (const std::exception&) {  // no memory for the answer
    if (call.model) give_back(call);
    exchange.fail();
  }
}

bool Service::is_graph(http::Exchange& exchange, const ServedHere& model) {
  if (!model.version->graph) return false;
  send_error(exchange, 400,
             fmt::format("serve: model '{0}' is a graph, which takes tensors; try POST /v2/models/{0}/infer, whose inputs "
                         "GET /v2/models/{0} names",
                         model.version->face.name));
  return true;
}

/// Read, computed and written beside, in one piece: what a graph takes is known to nobody in advance.
void Service::infer_graph(Call& call) {
  const std::size_t most = std::max<std::size_t>(1, serving_.options.max_queue / static_cast<std::size_t>(serving_.threads));
  http::Exchange& asked = *call.exchange;
  if (graph_calls_ == most) {
    call.model->counters->failure.add(http::Clock::now() - asked.arrived);
    give_back(call);
    return send_error(asked, 503, "serve: too many requests wait for this model; try again later", "Retry-After: 1\r\n");
  }
  call.deadline = asked.arrived + std::chrono::microseconds(serving_.options.timeout);
  asked.reply.start_again(serving_.aside.slabs);
  beside(
      serving_.graphs, call,
      [this, &call] {
        const http::Exchange& exchange = *call.exchange;
        const ServedVersion& version = *call.model->version;
        call.run_time = {};
        const Error late = {Error::Kind::unavailable, std::string(kTooLate)};
        if (http::Clock::now() > call.deadline) return void(call.written = late);
        const auto request = read_graph_request(exchange.body, exchange.head.inference_header_length, *version.graph,
                                                InferLimits().depth, &serving_.memory, serving_.budget);
        if (!request) return void(call.written = request.error());
        const auto own = std::chrono::microseconds(std::min(request->timeout_us, kLongest));
        if (own.count() > 0 && http::Clock::now() > exchange.arrived + own) return void(call.written = late);
        const auto began = http::Clock::now();
        const auto made = version.graph->run(request->inputs);
        call.run_time = http::Clock::now() - began;
        call.written = made ? write_graph_answer(*request, version.face.name, version.face.version, *version.graph, *made,
                                                 call.exchange->reply)
                            : made.error();
      },
      [this, &call] {
        --graph_calls_;
        ModelCounters& counters = *call.model->counters;
        counters.infer.add(call.run_time);
        counters.inference_time.observe(call.run_time);
        finish_written(call);
      });
  ++graph_calls_;
}

void Service::change(http::Exchange& exchange, bool load) {
  const std::string name(exchange.asked.name);
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

/// One line per sample. Whoever asks for JSON gets more of it.
void Service::finish_plain(Call& call) {
  const auto finite = [](double value) { return std::isfinite(value); };
  const bool all = std::all_of(call.outputs.begin(), call.outputs.end(), finite) &&
                   std::all_of(call.scores.begin(), call.scores.end(), finite);
  http::Exchange& exchange = *call.exchange;
  const auto time = http::Clock::now() - exchange.arrived;
  (all ? call.model->counters->success : call.model->counters->failure).add(time);
  call.model->counters->request_time.observe(time);
  if (!all) {
    give_back(call);
    return send_error(exchange, 400, "serve: the model's answer to this is not finite: no class; try other numbers");
  }
  const bool json = http::accepts(exchange.head.accept, "application/json"), long_ = writes_long(call.outputs);
  if (long_) exchange.reply.start_again(serving_.aside.slabs);
  apart(
      call, long_,
      [&call, json] {
        const ServedVersion& version = *call.model->version;
        const PlainAnswers answers = {version.model, version.face, call.outputs, call.scores, call.count};
        json ? write_plain_json(answers, call.exchange->reply) : write_plain_text(answers, call.exchange->reply);
      },
      [this, &call, json] {
        http::Exchange& asked = *call.exchange;
        give_back(call);
        asked.send(200, json ? "application/json" : "text/plain; charset=utf-8");
      });
}

void Service::finish_infer(Call& call) {
  const bool long_ = writes_long(call.outputs);
  if (long_) call.exchange->reply.start_again(serving_.aside.slabs);
  const auto began = http::Clock::now();
  apart(
      call, long_,
      [&call] { call.written = write_infer_answer(call.request, call.model->version->face, call.outputs, call.exchange->reply); },
      [this, &call, began] {
        call.model->counters->output.add(http::Clock::now() - began);
        finish_written(call);
      });
}

/// Sends what was written, or why there is nothing.
void Service::finish_written(Call& call) {
  http::Exchange& exchange = *call.exchange;
  ModelCounters& counters = *call.model->counters;
  const auto time = http::Clock::now() - exchange.arrived;
  const Result<std::size_t> json = std::move(call.written);
  (json ? counters.success : counters.failure).add(time);
  counters.request_time.observe(time);
  give_back(call);
  if (!json) return send_error(exchange, json.error().kind == Error::Kind::unavailable ? 504 : 400, json.error().message);
  if (*json == 0) return exchange.send(200, "application/json");
  exchange.send(200, "application/octet-stream", fmt::format("Inference-Header-Content-Length: {}\r\n", *json));
}

}  // namespace soma
