// a plan + a GPU → parameters and samples sent there, recorded steps run, parameters and losses brought back.
#include "gpu/engine.h"

#include <bit>

namespace soma::gpu {
namespace {

void write(const Update<float>& u, float* to) {
  for (const float x : {u.rate, u.momentum, u.rho, u.beta1, u.beta2, u.epsilon, u.step1, u.step2, u.root2, u.gradient_scale,
                        u.clip_value, u.l1, u.l2, u.weight_decay, u.rest_rho, u.rest1, u.rest2})
    *to++ = x;
}

}  // namespace

Testing& testing() {
  static Testing forced;
  return forced;
}

Engine::Engine(std::unique_ptr<Device> device, Program program, std::int64_t outputs)
    : device_(std::move(device)), program_(std::move(program)), outputs_(outputs), records_(kMostSteps) {}

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<Device> device, const Plan& plan, const Settings& settings,
                                               const Room& room) {
  std::unique_ptr<Engine> engine(
      new Engine(std::move(device), lower(plan, settings), plan.values[static_cast<std::size_t>(plan.output)].extent.size()));
  if (testing().bend) testing().bend(engine->program_);
  auto sizes = engine->program_.sizes;
  const auto size = [&](Arena arena) -> std::int64_t& { return sizes[static_cast<std::size_t>(arena)]; };
  size(Arena::samples) = room.samples;
  size(Arena::targets) = room.targets;
  size(Arena::order) = room.order;
  size(Arena::table) = room.table;
  size(Arena::numbers) = kMostSteps * kUpdateNumbers;
  size(Arena::records) = kMostSteps * kRecordNumbers;
  for (std::int64_t& numbers : sizes) numbers += settings.canaries ? kParameterAlignment : 0;
  if (auto made = engine->device_->allocate(sizes, true); !made) return made.error();
  if (!engine->program_.loss_table.empty())
    if (auto put = engine->put<float>(Arena::loss_table, engine->program_.loss_table); !put) return put.error();
  for (const auto& [list, number] :
       {std::pair{&engine->program_.step, &engine->step_}, std::pair{&engine->program_.last_step, &engine->last_step_},
        std::pair{&engine->program_.evaluation, &engine->evaluation_}}) {
    auto loaded = engine->device_->load(*list);
    if (!loaded) return loaded.error();
    *number = *loaded;
  }
  return engine;
}

Result<void> Engine::put_targets(std::int64_t first, std::int64_t rows, const LossTargets& targets) {
  packed_.clear();
  for (std::int64_t i = 0; i < rows; ++i) {
    if (targets.values == nullptr) packed_.push_back(static_cast<std::uint32_t>(targets.labels[i]));
    for (std::int64_t j = 0; targets.values != nullptr && j < outputs_; ++j)
      packed_.push_back(std::bit_cast<std::uint32_t>(targets.values[i * outputs_ + j]));
    if (targets.weights != nullptr) packed_.push_back(std::bit_cast<std::uint32_t>(targets.weights[i]));
  }
  return put<std::uint32_t>(Arena::targets, packed_, rows > 0 ? first * std::ssize(packed_) / rows : 0);
}

Result<std::span<const StepRecord>> Engine::run(std::size_t program, const Start& start, std::int64_t steps, bool snapshot) {
  Mailbox& mail = device_->mailbox();
  mail.first_sample = static_cast<std::uint32_t>(start.sample);
  mail.first_pass_low = static_cast<std::uint32_t>(start.pass);
  mail.first_pass_high = static_cast<std::uint32_t>(start.pass >> 32);
  if (auto done = device_->run({program, steps, start.rows, snapshot, -1}); !done) return done.error();
  for (std::int64_t i = 0; i < steps; ++i) {
    const float* record = mail.records + i * kRecordNumbers;
    records_[static_cast<std::size_t>(i)] = {record[0], record[1], static_cast<std::int64_t>(record[2])};
  }
  return std::span<const StepRecord>(records_.data(), static_cast<std::size_t>(steps));
}

Result<std::span<const StepRecord>> Engine::train(const Start& start, std::span<const Update<float>> updates, bool last) {
  for (std::size_t i = 0; i < updates.size(); ++i)
    write(updates[i], device_->mailbox().numbers + static_cast<std::int64_t>(i) * kUpdateNumbers);
  return run(last ? last_step_ : step_, start, std::ssize(updates), true);
}

Result<std::span<const StepRecord>> Engine::evaluate(const Start& start, std::int64_t steps) {
  return run(evaluation_, start, steps, false);
}

Result<std::vector<double>> Engine::time_step(std::int64_t rows) {
  auto stamps = device_->time(step_, rows);
  if (!stamps) return stamps.error();
  std::vector<double> seconds;
  for (std::size_t i = 0; i + 1 < stamps->size(); ++i) seconds.push_back((*stamps)[i + 1] - (*stamps)[i]);
  return seconds;
}

}  // namespace soma::gpu
