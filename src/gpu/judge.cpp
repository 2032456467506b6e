// a network + a GPU → how far its every value, gradient and moved parameter there is from double precision on the CPU.
#include "gpu/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/random.h"
#include "gpu/canaries.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "nn/net.h"

namespace soma::gpu {
namespace {

float drawn(std::uint64_t what, std::int64_t i) {
  return static_cast<float>(random_normal(what, stream(Stream::test, 7), static_cast<std::uint64_t>(i)));
}

/// The longest sum that a step works out: what rounding errors grow with.
double longest_sum(const Plan& plan, std::int64_t rows) {
  std::int64_t longest = 16;
  for (const Step& step : plan.steps) {
    if (const auto* linear = std::get_if<LinearStep>(&step.kind)) longest = std::max({longest, linear->in, linear->out, rows});
    if (const auto* conv = std::get_if<ConvStep>(&step.kind)) {
      const std::int64_t kernel = conv->conv.kernel_h * conv->conv.kernel_w;
      longest = std::max({longest, kernel * conv->in.c, kernel * conv->out.c, rows * conv->out.h * conv->out.w});
    }
    if (const auto* norm = std::get_if<BatchNormStep>(&step.kind)) longest = std::max(longest, rows * norm->rows_per_sample);
  }
  return static_cast<double>(longest);
}

/// The largest difference, in units of ε · terms · the largest magnitude.
class Distance {
 public:
  explicit Distance(double terms) : unit_(terms * static_cast<double>(std::numeric_limits<float>::epsilon())) {}
  /// `least`: a magnitude that the array's terms have, whatever they add up to.
  double operator()(std::span<const float> got, const double* want, double least = 1e-3) const {
    double largest = least, error = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      largest = std::max(largest, std::abs(want[i]));
      const double off = std::abs(static_cast<double>(got[i]) - want[i]);
      error = off <= error ? error : off;  // NaN stays
    }
    return error / (unit_ * largest);
  }

 private:
  double unit_;
};

/// The same step on the CPU.
struct Reference {
  Team team{1};
  Net<double> net;
  std::vector<std::int32_t> labels;
  std::vector<float> numbers, weights;
  LossSum sum;

  Reference(const Plan& plan, const Trial& trial) : net(plan, reference_kernels<double>(), team) {
    std::vector<Tensor> first;
    for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
      first.push_back(first_values(plan, i, 11));
      for (std::size_t k = 0; k < first.back().values.size() && plan.parameters[i].role != Parameter::Role::weight; ++k)
        first.back().values[k] += 0.2F + 0.1F * std::abs(drawn(20 + i, static_cast<std::int64_t>(k)));
    }
    net.set(net.parameters(), first).value();
    const auto classes = static_cast<std::uint64_t>(trial.loss.codes.empty() ? net.output_size() : std::ssize(trial.loss.codes));
    for (std::int64_t i = 0; i < trial.rows; ++i)
      labels.push_back(
          static_cast<std::int32_t>(random_below(classes, 5, stream(Stream::test, 8), static_cast<std::uint64_t>(i))));
    const bool of_labels = trial.loss.kind == LossConfig::Kind::binary_cross_entropy;
    for (std::int64_t i = 0; trial.values && i < trial.rows * net.output_size(); ++i)
      numbers.push_back(of_labels ? (drawn(9, i) > 0 ? 1.0F : 0.0F) : drawn(9, i));
    for (std::int64_t i = 0; trial.row_weights && i < trial.rows; ++i) weights.push_back(std::abs(drawn(10, i)));
  }

  [[nodiscard]] LossTargets targets() const {
    return {numbers.empty() ? labels.data() : nullptr, numbers.empty() ? nullptr : numbers.data(),
            weights.empty() ? nullptr : weights.data()};
  }

  void step(const Trial& trial) {
    const Net<double>::Mode mode{true, 3, 2};
    for (std::int64_t i = 0; i < trial.rows * net.input_size(); ++i) net.input()[i] = static_cast<double>(drawn(1, i));
    net.forward(trial.rows, mode);
    sum = loss_and_gradient(trial.loss, net.output(), targets(), trial.rows, net.output_size(), net.output_gradient());
    net.backward(trial.rows, mode, false);
  }
};

template <class T>
Update<T> numbers_of(const Trial& trial) {
  const OptimizerConfig& c = trial.optimizer;
  Update<T> u;
  u.rule = trial.rule;
  u.rate = T(0.01);
  u.momentum = T(0.9);
  u.rho = T(0.95);
  u.beta1 = T(0.9);
  u.beta2 = T(0.99);
  u.epsilon = T(1e-2);  // large enough that the step does not turn on the sign of a rounding error
  u.rest_rho = T(0.05);
  u.rest1 = T(0.1);
  u.rest2 = T(0.01);
  u.step1 = T(0.1);
  u.step2 = T(0.02);
  u.root2 = T(1.5);
  u.clip_value = static_cast<T>(c.clip_value);
  u.l1 = static_cast<T>(c.l1);
  u.l2 = static_cast<T>(c.l2);
  u.weight_decay = static_cast<T>(c.weight_decay);
  return u;
}

std::vector<double> clipped(const Net<double>& net, double norm) {
  Net<double>& all = const_cast<Net<double>&>(net);
  std::vector<double> gradients(all.parameter_gradients(), all.parameter_gradients() + net.plan().trained_end);
  const double length = std::sqrt(std::inner_product(gradients.begin(), gradients.end(), gradients.begin(), 0.0));
  if (norm > 0)
    for (double& g : gradients) g *= std::min(1.0, norm / (length + 1e-6));
  return gradients;
}

}  // namespace

Settings settings_of(const Trial& trial) {
  Settings settings;
  settings.loss = trial.loss;
  settings.values = trial.values;
  settings.row_weights = trial.row_weights;
  settings.optimizer = trial.rule;
  settings.clip_norm = trial.optimizer.clip_norm;
  settings.seed = 3;
  settings.canaries = true;
  return settings;
}

Result<Plan> plan_of(const Trial& trial) {
  auto network = resolve(trial.network);
  if (!network) return network.error();
  auto plan = make_plan(*network, trial.batch, PlanFor::training);
  if (!plan) return plan.error();
  return with_guards(std::move(*plan));
}

Result<Verdict> judge(std::unique_ptr<Device>& device, const Trial& trial) {
  const auto plan = plan_of(trial);
  if (!plan) return plan.error();
  Reference want(*plan, trial);
  const Net<double>& net = want.net;
  const std::int64_t numbers = trial.rows * net.input_size(), trained = plan->trained_end, all = plan->parameter_end;
  const Settings settings = settings_of(trial);
  std::vector<float> samples, parameters(want.net.parameters(), want.net.parameters() + all), state0, state1;
  for (std::int64_t i = 0; i < numbers; ++i) samples.push_back(drawn(1, i));
  for (std::int64_t i = 0; i < trained; ++i) {
    state0.push_back(0.01F * std::abs(drawn(3, i)));
    state1.push_back(0.01F * std::abs(drawn(4, i)));
  }
  want.step(trial);

  std::vector<std::int32_t> order(static_cast<std::size_t>(trial.rows));
  std::iota(order.begin(), order.end(), 0);
  auto engine = Engine::create(std::move(device), *plan, settings,
                               {numbers, trial.rows * target_numbers(settings, net.output_size()), trial.rows, 0});
  if (!engine) return engine.error();
  Engine& e = **engine;
  const int states = state_arrays(trial.rule);
  const Update<float> update = numbers_of<float>(trial);
  std::vector<float> work(static_cast<std::size_t>(e.device().size(Arena::work))), moved(static_cast<std::size_t>(all)),
      gradients(static_cast<std::size_t>(trained));
  const Program program = lower(*plan, settings);  // as it has to be: a test may have bent the engine's
  Canaries canaries(program);
  if (auto filled = canaries.fill(e.device()); !filled) return filled.error();
  const auto put_parts = [&](Arena arena, std::span<const float> values) -> Result<void> {
    for (const Parameter& p : plan->parameters)
      if (const auto at = static_cast<std::size_t>(p.offset), size = static_cast<std::size_t>(p.size); at < values.size())
        if (auto put = e.put<float>(arena, values.subspan(at, size), p.offset); !put) return put;
    return {};
  };
  for (const auto& done :
       {e.put<float>(Arena::samples, samples), e.put_targets(0, trial.rows, want.targets()),
        e.put<std::int32_t>(Arena::order, order), e.put<float>(Arena::loss_table, program.loss_table),
        put_parts(Arena::parameters, parameters), states > 0 ? put_parts(Arena::state0, state0) : Result<void>(),
        states > 1 ? put_parts(Arena::state1, state1) : Result<void>(), canaries.before(e.device())})
    if (!done) return done.error();
  const auto trained_once = e.train({0, 2, trial.rows}, {&update, 1}, true);
  if (!trained_once) return trained_once.error();
  for (const auto& done : {e.get(Arena::work, work), e.get(Arena::parameters, moved), e.get(Arena::gradients, gradients)})
    if (!done) return done.error();

  Verdict verdict;
  verdict.name = trial.name;
  auto trespass = canaries.trespass(e.device());
  if (!trespass) return trespass.error();
  verdict.fault = std::move(*trespass);
  const Distance distance(4 * longest_sum(*plan, trial.rows));
  for (std::size_t v = 0; v < plan->values.size(); ++v) {
    const auto count = static_cast<std::size_t>(trial.rows * plan->values[v].extent.size());
    const auto part = [&](const Place& place) {
      return std::span<const float>(work).subspan(static_cast<std::size_t>(place.offset), count);
    };
    const auto id = static_cast<ValueId>(v);
    verdict.values = std::max(verdict.values, distance(part(program.values[v]), net.value(id)));
    if (plan->values[v].wants_gradient)
      verdict.gradients = std::max(
          verdict.gradients, distance(part(program.gradients[v]),
                                      want.net.output_gradient() - plan->values[static_cast<std::size_t>(plan->output)].offset +
                                          plan->values[v].offset));
  }
  const std::vector<double> clip = clipped(net, trial.optimizer.clip_norm);
  std::vector<double> w(parameters.begin(), parameters.end()), s0(state0.begin(), state0.end()), s1(state1.begin(), state1.end());
  std::copy(want.net.parameters() + trained, want.net.parameters() + all, w.begin() + trained);  // running statistics
  Update<double> numbers_in_double = numbers_of<double>(trial);
  net.kernels().update(numbers_in_double, w.data(), clip.data(), s0.data(), s1.data(), plan->weight_end);
  numbers_in_double.l1 = numbers_in_double.l2 = 0;
  net.kernels().update(numbers_in_double, w.data() + plan->weight_end, clip.data() + plan->weight_end,
                       s0.data() + plan->weight_end, s1.data() + plan->weight_end, trained - plan->weight_end);
  double largest = 1e-3;  // a bias in front of batch norm has a gradient of 0, the sum of terms as large as its neighbours'
  for (std::int64_t i = 0; i < trained; ++i) largest = std::max(largest, std::abs(want.net.parameter_gradients()[i]));
  for (const Parameter& p : plan->parameters) {
    std::vector<float> got, got_gradient;
    std::vector<double> wanted, wanted_gradient;
    p.for_each_place([&](std::int64_t at) {
      got.push_back(moved[static_cast<std::size_t>(p.offset + at)]);
      wanted.push_back(w[static_cast<std::size_t>(p.offset + at)]);
      if (!p.trained()) return;
      got_gradient.push_back(gradients[static_cast<std::size_t>(p.offset + at)]);
      wanted_gradient.push_back(want.net.parameter_gradients()[p.offset + at]);
    });
    verdict.moved = std::max(verdict.moved, distance(got, wanted.data()));
    if (p.trained())
      verdict.parameter_gradients =
          std::max(verdict.parameter_gradients, distance(got_gradient, wanted_gradient.data(), largest));
  }
  const StepRecord& record = (*trained_once)[0];
  verdict.loss = distance(std::span<const float>(&record.loss, 1), &want.sum.loss);
  if (verdict.fault.empty() &&
      (record.correct != want.sum.correct || std::abs(static_cast<double>(record.weight) - want.sum.weight) > 1e-4))
    verdict.fault = fmt::format("wanted {} hits of weight {}, got {} of {}", want.sum.correct, want.sum.weight, record.correct,
                                record.weight);
  device = e.release();
  return verdict;
}

}  // namespace soma::gpu
