// a plan + memory + a team → a network that runs forward and backward: what training and prediction share.
#include "nn/net.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace soma {
namespace {

/// Runs one step of a plan, and notes what it took where somebody wants to know.
template <class F>
void timed(double* seconds, F&& step) {
  if (seconds == nullptr) return step();
  const auto start = std::chrono::steady_clock::now();
  step();
  *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

template <class T>
Net<T>::Net(Plan plan, const Kernels<T>& kernels, Team& team)
    : plan_(std::move(plan)),
      kernels_(&kernels),
      team_(&team),
      activations_(plan_.activations),
      gradients_(plan_.gradients),
      parameters_(plan_.parameter_end),
      parameter_gradients_(plan_.purpose == PlanFor::training ? plan_.trained_end : 0),
      partials_(plan_.partials),
      masks_(plan_.masks),
      scratch_(plan_.scratch * team.size()),
      winners_(plan_.winners) {}

template <class T>
Run<T> Net<T>::run(std::int64_t rows, const Mode& mode, bool accumulate) {
  SOMA_REQUIRE(rows >= 1 && rows <= plan_.max_batch);
  SOMA_REQUIRE(plan_.purpose == PlanFor::training || !mode.training);
  return {plan_,
          *kernels_,
          *team_,
          activations_.data(),
          gradients_.data(),
          parameters(),
          parameter_gradients_.data(),
          partials_.data(),
          masks_.data(),
          scratch_.data(),
          winners_.data(),
          rows,
          mode.training,
          accumulate,
          mode.seed,
          mode.pass};
}

template <class T>
void Net<T>::forward(std::int64_t rows, const Mode& mode, double* seconds) {
  const Run<T> pass = run(rows, mode, false);
  for (std::size_t i = 0; i < plan_.steps.size(); ++i)
    timed(seconds == nullptr ? nullptr : seconds + i,
          [&] { std::visit([&](const auto& kind) { soma::forward(kind, pass); }, plan_.steps[i].kind); });
}

template <class T>
void Net<T>::backward(std::int64_t rows, const Mode& mode, bool accumulate, double* seconds, const FusedUpdate<T>* update) {
  SOMA_REQUIRE(update == nullptr || !accumulate);
  Run<T> pass = run(rows, mode, accumulate);
  pass.update = update;
  for (std::size_t i = plan_.steps.size(); i-- > 0;)
    timed(seconds == nullptr ? nullptr : seconds + i,
          [&] { std::visit([&](const auto& kind) { soma::backward(kind, pass); }, plan_.steps[i].kind); });
}

template <class T>
std::vector<Tensor> Net<T>::published(const T* arena, bool trained_only) const {
  std::vector<Tensor> tensors;
  for (const Parameter& p : plan_.parameters) {
    if (trained_only && !p.trained()) continue;
    Tensor& tensor = tensors.emplace_back(Tensor{p.name, p.shape, {}});
    tensor.values.reserve(static_cast<std::size_t>(elements(p.shape)));
    p.for_each_place([&](std::int64_t place) { tensor.values.push_back(static_cast<float>(arena[p.offset + place])); });
  }
  return tensors;
}

template <class T>
Result<void> Net<T>::set(T* arena, std::span<const Tensor> tensors, bool trained_only) const {
  std::vector<const Tensor*> found;
  for (const Parameter& p : plan_.parameters) {
    if (trained_only && !p.trained()) continue;
    const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == p.name; });
    if (it == tensors.end())
      return Error{Error::Kind::data,
                   fmt::format("parameters: wanted '{}' {}, got nothing of that name", p.name, to_string(p.shape))};
    if (it->shape != p.shape || it->values.size() != static_cast<std::size_t>(elements(p.shape)))
      return Error{Error::Kind::data,
                   fmt::format("parameters: wanted '{}' to be {}, got {}", p.name, to_string(p.shape), to_string(it->shape))};
    found.push_back(&*it);
  }
  std::size_t next = 0;
  for (const Parameter& p : plan_.parameters) {
    if (trained_only && !p.trained()) continue;
    const float* value = found[next++]->values.data();
    p.for_each_place([&](std::int64_t place) { arena[p.offset + place] = static_cast<T>(*value++); });
  }
  return {};
}

template <class T>
int Net<T>::first_not_finite(std::int64_t rows) const {
  for (const Step& step : plan_.steps) {
    const Value& value = plan_.values[static_cast<std::size_t>(written_value(step.kind))];
    const T* first = activations_.data() + value.offset;
    if (std::any_of(first, first + rows * value.extent.size(), [](T x) { return !std::isfinite(x); }))
      return static_cast<int>(step.node);
  }
  return -1;
}

template class Net<float>;
template class Net<double>;

}  // namespace soma
