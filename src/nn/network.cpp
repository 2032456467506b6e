// a spec → the public Network: a prediction plan, first weights, and a team of its own.
#include "soma/network.h"

#include <algorithm>

#include "nn/init.h"
#include "nn/net.h"

namespace soma {

struct Network::State {
  Team team;
  Net<float> net;
  State(Plan plan, const Kernels<float>& kernels, int threads) : team(threads), net(std::move(plan), kernels, team) {}
};

Network::Network(std::unique_ptr<State> state) : state_(std::move(state)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Result<Network> Network::create(const NetworkSpec& spec, const NetworkOptions& options) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  auto network = resolve(spec);
  if (!network) return network.error();
  auto plan = make_plan(std::move(*network), options.max_batch, PlanFor::prediction);
  if (!plan) return plan.error();
  auto state = std::make_unique<State>(std::move(*plan), **kernels, options.threads);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < state->net.plan().parameters.size(); ++i)
    first.push_back(first_values(state->net.plan(), i, options.seed));
  state->net.set(state->net.parameters(), first).value();
  return Network(std::move(state));
}

const ResolvedNetwork& Network::resolved() const { return state_->net.plan().network; }
std::int64_t Network::input_size() const { return state_->net.input_size(); }
std::int64_t Network::output_size() const { return state_->net.output_size(); }
std::vector<Tensor> Network::parameters() const { return state_->net.published(state_->net.parameters()); }

Result<void> Network::set_parameters(std::span<const Tensor> parameters) {
  return state_->net.set(state_->net.parameters(), parameters);
}

void Network::forward(const float* x, float* y, std::int64_t rows) {
  Net<float>& net = state_->net;
  SOMA_REQUIRE(rows >= 1 && rows <= net.plan().max_batch);
  std::copy(x, x + rows * net.input_size(), net.input());
  net.forward(rows, {});
  std::copy(net.output(), net.output() + rows * net.output_size(), y);
}

}  // namespace soma
