// bytes of samples → batcher → answers: POST / as a digit, and inference requests of the protocol.
#include <fmt/format.h>

#include <charconv>

#include "data/image.h"
#include "data/samples.h"
#include "serve/service_call.h"

namespace soma {
namespace {

constexpr std::size_t kKeptFloats = std::size_t{1} << 16;  // 256 KiB of a call's memory outlive it

template <class T>
void shrink(std::pmr::vector<T>& values) noexcept {
  values.clear();
  if (values.capacity() > kKeptFloats) std::pmr::vector<T>(values.get_allocator()).swap(values);
}

/// At most what reading a picture or a table takes beside the text itself, in bytes. A picture may be large when its file is not;
/// a cell takes 48 bytes while its line is read, and a number two characters of text and four of memory.
std::size_t memory_to_read(std::string_view text) {
  constexpr std::size_t kCell = 24;  // for each character
  if (is_image(text)) return memory_to_decode(text);
  std::size_t longest = 0;
  if (text.find('"') != std::string_view::npos) longest = text.size();  // a line may go on behind a quoted end of line
  for (std::string_view rest = text; longest == 0 || rest.size() > longest;) {
    const std::size_t end = rest.find('\n');
    longest = std::max({longest, std::min(end, rest.size()), std::size_t{1}});
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return 4 * text.size() + kCell * longest;
}

/// A body that is neither raw bytes nor raw floats: picture, NPY or table. The samples' bytes go to `to`.
Result<Layout> decode(std::span<const std::byte> body, const Model& model, http::Budget& budget,
                      std::pmr::vector<std::byte>& to) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  const http::Charge charge(budget, memory_to_read(text));
  DataOptions options = data_options(model);
  options.labelled = false;
  Result<Dataset> samples = parse_samples(text, "request", options);
  if (!samples) return samples.error();
  if (samples->shape != model.input)
    return Error{Error::Kind::data,
                 fmt::format("request: wanted samples of {}, got {}", to_string(model.input), to_string(samples->shape))};
  if (!samples->bytes.empty()) {
    const auto bytes = std::as_bytes(std::span<const std::uint8_t>(samples->bytes));
    to.assign(bytes.begin(), bytes.end());
    return Layout::bytes;
  }
  // Floats of images lie channels last in a Dataset and channels first in a request.
  const std::int64_t channels = samples->is_image() ? samples->shape[0] : 1, places = samples->sample_size() / channels;
  to.resize(samples->floats.size() * sizeof(float));
  std::byte* y = to.data();
  for (std::int64_t sample = 0; sample < samples->count; ++sample)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t i = 0; i < places; ++i, y += sizeof(float))
        std::memcpy(y, &samples->floats[static_cast<std::size_t>((sample * places + i) * channels + c)], sizeof(float));
  return Layout::floats;
}

bool looks_like_a_file(std::span<const std::byte> body) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  if (text.starts_with("\x89PNG") || text.starts_with("\xff\xd8") || text.starts_with("\x93NUMPY")) return true;
  return !text.empty() && text.find_first_not_of("0123456789+-.,;eE \t\r\n") == std::string_view::npos;
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
  shrink(call.decoded);
  free_.push_back(&call);
}

Result<void> Service::read_samples(Call& call) {
  const std::span<const std::byte> body = call.exchange->body;
  const Model& model = call.model->version->model;
  const auto size = static_cast<std::size_t>(call.model->batcher->engine().sample_size());
  call.samples = body.data();
  call.count = 1;
  if (model.input.size() == 3 && body.size() == size) {
    call.layout = Layout::bytes;
  } else if (body.size() == size * sizeof(float)) {
    call.layout = Layout::floats;
  } else if (looks_like_a_file(body)) {
    const auto layout = decode(body, model, serving_.budget, call.decoded);
    if (!layout) return layout.error();
    call.layout = *layout;
    call.samples = call.decoded.data();
    call.count = static_cast<std::int64_t>(call.decoded.size() / (size * (*layout == Layout::bytes ? 1 : sizeof(float))));
  } else {
    return Error{Error::Kind::usage, fmt::format("invalid image size {}", body.size())};
  }
  return {};
}

template <class Part>
void Service::guarded(Call& call, Part&& part) {
  try {
    part();
  } catch (...) {
    call.model->counters->failure.add(http::Clock::now() - call.exchange->arrived);
    give_back(call);
    throw;
  }
}

void Service::answer_plain(http::Exchange& exchange) {
  if (!default_) return send_error(exchange, 503, "serve: no model is loaded", "Retry-After: 1\r\n");
  Call& call = take_call(exchange, default_);
  call.kind = Call::Kind::plain;
  guarded(call, [&] {
    const auto samples = read_samples(call);
    if (samples) return submit(call);
    call.model->counters->failure.add(http::Clock::now() - exchange.arrived);
    give_back(call);
    if (samples.error().kind != Error::Kind::usage) return send_error(exchange, 400, samples.error().message);
    exchange.reply.append(samples.error().message);
    exchange.send(400, "text/plain; charset=utf-8");
  });
}

void Service::activations(http::Exchange& exchange) {
  Call& call = take_call(exchange, here_);
  guarded(call, [&] { activations(exchange, call); });
}

void Service::infer(http::Exchange& exchange) {
  Call& call = take_call(exchange, here_);
  call.kind = Call::Kind::infer;
  guarded(call, [&] {
    const ModelFace& face = call.model->version->face;
    // As many rows as an answer of the largest body may hold.
    const auto most = static_cast<std::int64_t>(serving_.options.max_body / sizeof(float)) / face.outputs;
    const auto read = read_infer_request(exchange.body, exchange.head.inference_header_length, face,
                                         {.rows = std::max<std::int64_t>(1, most)}, call.request);
    if (!read) {
      call.model->counters->failure.add(http::Clock::now() - exchange.arrived);
      give_back(call);
      return send_error(exchange, 400, read.error().message);
    }
    call.samples = call.request.samples.data();
    call.layout = call.request.layout;
    call.count = call.request.rows;
    submit(call);
  });
}

void Service::submit(Call& call) {
  const auto limit = std::chrono::microseconds(call.kind == Call::Kind::infer && call.request.timeout_us > 0
                                                   ? std::min<std::uint64_t>(call.request.timeout_us, std::uint64_t{1} << 40)
                                                   : 0);
  const auto most = std::chrono::microseconds(serving_.options.timeout);
  call.deadline = call.exchange->arrived + (limit.count() > 0 ? std::min(limit, most) : most);
  call.outputs.resize(static_cast<std::size_t>(call.count * call.model->batcher->engine().output_size()));
  call.y = call.outputs.data();
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
    send_error(exchange, 504, "serve: the request's time was over before its turn came; try again later");
  } catch (const std::exception&) {  // no memory for the answer
    if (call.model) give_back(call);
    exchange.fail();
  }
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

/// One line per sample: its class.
void Service::finish_plain(Call& call) {
  http::Exchange& exchange = *call.exchange;
  const Model& model = call.model->version->model;
  const auto width = static_cast<std::size_t>(call.model->version->face.outputs);
  for (std::int64_t row = 0; row < call.count; ++row) {
    read_output(model.loss, std::span<const float>(call.outputs).subspan(static_cast<std::size_t>(row) * width, width),
                prediction_);
    if (row > 0) exchange.reply.append('\n');
    const auto label = static_cast<std::size_t>(prediction_.label);
    if (label < model.class_names.size())
      exchange.reply.append(model.class_names[label]);
    else
      append_json(exchange.reply, static_cast<std::int64_t>(label));
  }
  ModelCounters& counters = *call.model->counters;
  const auto time = http::Clock::now() - exchange.arrived;
  counters.success.add(time);
  counters.request_time.observe(time);
  give_back(call);
  exchange.send(200, "text/plain; charset=utf-8");
}

void Service::finish_infer(Call& call) {
  http::Exchange& exchange = *call.exchange;
  ModelCounters& counters = *call.model->counters;
  const auto began = http::Clock::now();
  const auto json = write_infer_answer(call.request, call.model->version->face, call.outputs, exchange.reply);
  const auto ended = http::Clock::now();
  counters.output.add(ended - began);
  (json ? counters.success : counters.failure).add(ended - exchange.arrived);
  counters.request_time.observe(ended - exchange.arrived);
  give_back(call);
  if (!json) return send_error(exchange, 400, json.error().message);
  if (*json == 0) return exchange.send(200, "application/json");
  exchange.send(200, "application/octet-stream", fmt::format("Inference-Header-Content-Length: {}\r\n", *json));
}

}  // namespace soma
