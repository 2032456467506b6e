// counters of all threads → the text Prometheus reads.
#include "serve/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "serve/service.h"
#include "soma/device.h"

namespace soma {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNanosecond = 1e-9;

class Families {
 public:
  /// A family that starts here; what follows goes into it.
  void family(std::string name, std::string help, MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }

  void value(Labels labels, double number) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
    families_.back().metric.push_back(std::move(metric));
  }

  void histogram(Labels labels, const std::vector<const TimeHistogram*>& threads) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= TimeHistogram::kBounds.size(); ++i) {
      for (const TimeHistogram* thread : threads) count += static_cast<std::uint64_t>(thread->buckets[i].get());
      if (i < TimeHistogram::kBounds.size())
        metric.histogram.bucket.push_back({count, static_cast<double>(TimeHistogram::kBounds[i]) * 1e-6});
    }
    for (const TimeHistogram* thread : threads)
      metric.histogram.sample_sum += static_cast<double>(thread->nanoseconds.get()) * kNanosecond;
    metric.histogram.sample_count = count;
    families_.back().metric.push_back(std::move(metric));
  }

  /// Sizes from 1 to counts.size() − 1, in buckets of powers of two.
  void sizes(Labels labels, const std::vector<std::uint64_t>& counts) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    std::size_t next = 1;
    for (std::size_t size = 1; size < counts.size(); ++size) {
      count += counts[size];
      metric.histogram.sample_sum += static_cast<double>(counts[size] * size);
      if (size != next && size + 1 != counts.size()) continue;
      metric.histogram.bucket.push_back({count, static_cast<double>(size)});
      next *= 2;
    }
    metric.histogram.sample_count = count;
    families_.back().metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

using Statistics = std::vector<std::pair<std::pair<std::string, std::string>, std::shared_ptr<ModelStatistics>>>;

std::int64_t sum(const ModelStatistics& statistics, const std::function<std::int64_t(const ModelCounters&)>& of) {
  std::int64_t total = 0;
  for (const auto& thread : statistics.threads) total += of(*thread);
  return total;
}

std::vector<const TimeHistogram*> over_threads(const ModelStatistics& statistics, TimeHistogram ModelCounters::*member) {
  std::vector<const TimeHistogram*> all;
  for (const auto& thread : statistics.threads) all.push_back(&((*thread).*member));
  return all;
}

void add_http(Families& families, const Serving& serving) {
  std::map<std::size_t, std::int64_t> answers;
  std::vector<const TimeHistogram*> times;
  for (const auto& thread : serving.http) {
    times.push_back(&thread->request_time);
    for (std::size_t status = 0; status < thread->answers.size(); ++status)
      if (const std::int64_t count = thread->answers[status].get(); count > 0) answers[status] += count;
  }
  families.family("soma_http_responses_total", "Answers by status; 499 is a client that left before its answer.",
                  MetricType::Counter);
  for (const auto& [status, count] : answers) families.value({{"code", std::to_string(status)}}, static_cast<double>(count));

  static constexpr std::pair<std::size_t, const char*> kKinds[] = {
      {400, "bad_request"}, {401, "unauthorized"}, {404, "not_found"}, {408, "slow_request"}, {413, "too_large"},
      {431, "too_large"},   {499, "disconnected"}, {500, "internal"},  {503, "overloaded"},   {504, "deadline"}};
  std::map<std::string, std::int64_t> errors;
  for (const auto& [status, kind] : kKinds) errors[kind] += answers.contains(status) ? answers[status] : 0;
  families.family("soma_errors_total", "Requests that were not answered as asked, by kind.", MetricType::Counter);
  for (const auto& [kind, count] : errors) families.value({{"kind", kind}}, static_cast<double>(count));

  families.family("soma_http_request_duration_seconds", "From a request's first byte to its answer's last.",
                  MetricType::Histogram);
  families.histogram({}, times);
  families.family("soma_http_connections", "Open connections.", MetricType::Gauge);
  families.value({}, static_cast<double>(serving.server->connections()));
}

void add_models(Families& families, const Serving& serving) {
  const Statistics statistics = serving.repository.statistics();
  const auto each = [&](auto&& add) {
    for (const auto& [key, one] : statistics) add(Labels{{"model", key.first}, {"version", key.second}}, *one);
  };
  const auto number = [&](const char* name, const char* help, MetricType type, auto of) {
    families.family(name, help, type);
    each(
        [&](Labels labels, const ModelStatistics& one) { families.value(std::move(labels), static_cast<double>(sum(one, of))); });
  };
  families.family("soma_requests_total", "Inference requests by result.", MetricType::Counter);
  each([&](const Labels& labels, const ModelStatistics& one) {
    for (const bool success : {true, false}) {
      Labels more = labels;
      more.push_back({"result", success ? "success" : "failure"});
      families.value(more, static_cast<double>(
                               sum(one, [&](const ModelCounters& c) { return (success ? c.success : c.failure).count.get(); })));
    }
  });
  families.family("soma_request_duration_seconds", "Inference requests, from their first byte until the answer is written.",
                  MetricType::Histogram);
  each([&](Labels labels, const ModelStatistics& one) {
    families.histogram(std::move(labels), over_threads(one, &ModelCounters::request_time));
  });
  families.family("soma_inference_duration_seconds", "The network alone, one batch.", MetricType::Histogram);
  each([&](Labels labels, const ModelStatistics& one) {
    families.histogram(std::move(labels), over_threads(one, &ModelCounters::inference_time));
  });
  families.family("soma_batch_size", "Rows that went through the network together.", MetricType::Histogram);
  each([&](Labels labels, const ModelStatistics& one) {
    std::vector<std::uint64_t> counts(one.threads.front()->batches.size());
    for (const auto& thread : one.threads)
      for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += static_cast<std::uint64_t>(thread->batches[i].count.get());
    families.sizes(std::move(labels), counts);
  });
  number("soma_queue_depth", "Requests that wait.", MetricType::Gauge, [](const ModelCounters& c) { return c.waiting.get(); });
  number("soma_queue_rejected_total", "Requests that found the queue full.", MetricType::Counter,
         [](const ModelCounters& c) { return c.rejected.get(); });
  number("soma_queue_timeouts_total", "Requests whose time was over before their turn.", MetricType::Counter,
         [](const ModelCounters& c) { return c.late.get(); });

  families.family("soma_model_state", "1 for each version the repository knows, with its state.", MetricType::Gauge);
  for (const ModelStatus& status : serving.repository.index())
    families.value({{"model", status.name}, {"version", status.version}, {"state", status.state}}, 1);
}

void add_process(Families& families, const Serving& serving) {
  families.family("soma_ready", "1 when /v2/health/ready says so.", MetricType::Gauge);
  families.value({}, !serving.draining && serving.repository.ready() ? 1 : 0);
  families.family("soma_model_load_failures_total", "Versions that could not be loaded.", MetricType::Counter);
  families.value({}, static_cast<double>(serving.repository.failures()));
  families.family("soma_models_well", "1 when the last attempt to load each model went well.", MetricType::Gauge);
  families.value({}, serving.repository.all_well() ? 1 : 0);
  families.family("soma_log_lines_dropped_total", "Lines of the log for which there was no room.", MetricType::Counter);
  families.value({}, static_cast<double>(serving.log.dropped()));
  families.family("soma_request_memory_bytes", "What requests and answers hold now, of --max-memory.", MetricType::Gauge);
  families.value({}, static_cast<double>(serving.budget.used()));
  families.family("soma_info", "1, with what is running.", MetricType::Gauge);
  families.value({{"version", std::string(version())}, {"target", target().ok() ? *target() : ""}}, 1);
  families.family("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge);
  families.value({}, static_cast<double>(serving.monitor.load().process_memory_bytes));
  families.family("process_cpu_seconds_total", "Processor time of all threads.", MetricType::Counter);
  families.value({}, static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
}

}  // namespace

void send_metrics(const Serving& serving, http::Exchange& exchange) {
  Families families;
  add_http(families, serving);
  add_models(families, serving);
  add_process(families, serving);
  exchange.reply.append(families.text());
  exchange.send(200, "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace soma
