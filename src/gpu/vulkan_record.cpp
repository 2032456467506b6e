// dispatches → pipelines and descriptor sets; a program, steps and rows → a command buffer, kept and run.
#include <algorithm>

#include "gpu/barriers.h"
#include "gpu/vulkan.h"

namespace soma::gpu {
namespace {

constexpr auto kCompute = vk::PipelineStageFlagBits::eComputeShader;
constexpr auto kTransfer = vk::PipelineStageFlagBits::eTransfer;

void barrier(vk::raii::CommandBuffer& commands, vk::PipelineStageFlags from, vk::PipelineStageFlags to, vk::AccessFlags wrote,
             vk::AccessFlags next) {
  commands.pipelineBarrier(from, to, {}, vk::MemoryBarrier(wrote, next), {}, {});
}

}  // namespace

vk::Pipeline VulkanDevice::pipeline(const Dispatch& dispatch) {
  auto& made = pipelines_.try_emplace({dispatch.shader, dispatch.constants}, nullptr).first->second;
  if (*made) return *made;
  auto& module = modules_.try_emplace(dispatch.shader, nullptr).first->second;
  if (!*module) {
    const std::span<const std::uint32_t> words = words_of(dispatch.shader);
    module = vk::raii::ShaderModule(device_, vk::ShaderModuleCreateInfo({}, words.size_bytes(), words.data()));
  }
  std::vector<vk::SpecializationMapEntry> entries;
  for (std::uint32_t i = 0; i < dispatch.constants.size(); ++i) entries.emplace_back(i, i * 4, 4);
  const vk::SpecializationInfo constants(static_cast<std::uint32_t>(entries.size()), entries.data(),
                                         dispatch.constants.size() * 4, dispatch.constants.data());
  const vk::PipelineShaderStageCreateInfo stage({}, vk::ShaderStageFlagBits::eCompute, *module, "main", &constants);
  made = vk::raii::Pipeline(device_, cache_, vk::ComputePipelineCreateInfo({}, stage, *layout_));
  built_ = true;
  return *made;
}

Result<std::size_t> VulkanDevice::load(std::span<const Dispatch> dispatches) {
  const vk::DeviceSize longest = physical_.getProperties().limits.maxStorageBufferRange;
  Loaded program;
  program.dispatches.assign(dispatches.begin(), dispatches.end());
  for (Dispatch& each : program.dispatches)
    for (Range& range : each.ranges) {
      range.size = std::min(range.size, arena(range.arena).bytes / 4 - range.offset);
      SOMA_REQUIRE(range.offset % 64 == 0 && range.size >= 0);
      if (static_cast<vk::DeviceSize>(range.size) * 4 > longest)
        return Error{Error::Kind::unavailable,
                     fmt::format("--device {}: wanted {} MB in one range, its driver allows {} MB; try a smaller train.batch",
                                 about_.id, range.size * 4 >> 20, longest >> 20)};
    }
  const auto done = guarded([&] {
    const auto count = static_cast<std::uint32_t>(std::max<std::size_t>(dispatches.size(), 1));
    const vk::DescriptorPoolSize size(vk::DescriptorType::eStorageBuffer, count * kBindings);
    program.pool = vk::raii::DescriptorPool(device_, vk::DescriptorPoolCreateInfo({}, count, size));
    const std::vector<vk::DescriptorSetLayout> layouts(dispatches.size(), *bindings_);
    program.sets = (*device_).allocateDescriptorSets({*program.pool, layouts}, *device_.getDispatcher());
    program.pipelines.resize(dispatches.size());
    program.nothing = make_buffer(count * kBindings * kNothingBytes, vk::BufferUsageFlagBits::eStorageBuffer,
                                  vk::MemoryPropertyFlagBits::eDeviceLocal);
    for (std::size_t i = 0; i < dispatches.size(); ++i) {
      const Dispatch& each = program.dispatches[i];
      std::array<vk::DescriptorBufferInfo, kBindings> infos;
      for (std::size_t b = 0; b < kBindings; ++b) {
        infos[b] = vk::DescriptorBufferInfo(*program.nothing.buffer, (i * kBindings + b) * kNothingBytes, kNothingBytes);
        if (b >= each.ranges.size() || each.ranges[b].size == 0) continue;
        const Range& range = each.ranges[b];
        const std::int64_t bound = std::min(range.size + range.guard, arena(range.arena).bytes / 4 - range.offset);
        infos[b] = vk::DescriptorBufferInfo(*arena(range.arena).buffer, static_cast<vk::DeviceSize>(range.offset) * 4,
                                            static_cast<vk::DeviceSize>(bound) * 4);
      }
      device_.updateDescriptorSets(
          vk::WriteDescriptorSet(program.sets[i], 0, 0, kBindings, vk::DescriptorType::eStorageBuffer, nullptr, infos.data()),
          {});
    }
  });
  if (!done) return done.error();
  programs_.push_back(std::move(program));
  return programs_.size() - 1;
}

void VulkanDevice::dispatch(vk::raii::CommandBuffer& commands, const Loaded& program, std::size_t i, std::int64_t step,
                            std::int64_t rows) {
  commands.bindPipeline(vk::PipelineBindPoint::eCompute, program.pipelines[i]);
  commands.bindDescriptorSets(vk::PipelineBindPoint::eCompute, *layout_, 0, program.sets[i], {});
  const std::array push = {static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(rows)};
  commands.pushConstants<std::uint32_t>(*layout_, vk::ShaderStageFlagBits::eCompute, 0, push);
  const std::array<Axis, 3>& grid = program.dispatches[i].grid;
  constexpr std::int64_t kWidest = 65535;  // workgroups along an axis that every device takes
  const std::int64_t x = grid[0].groups(rows), y = grid[1].groups(rows);
  const std::int64_t wraps = y == 1 ? (x + kWidest - 1) / kWidest : y;
  commands.dispatch(static_cast<std::uint32_t>(wraps > 1 && y == 1 ? (x + wraps - 1) / wraps : x),
                    static_cast<std::uint32_t>(wraps), static_cast<std::uint32_t>(grid[2].groups(rows)));
}

void VulkanDevice::record(vk::raii::CommandBuffer& commands, const Recording& recording, vk::QueryPool times) {
  using Access = vk::AccessFlagBits;
  Loaded& program = programs_[recording.program];
  for (std::size_t i = 0; i < program.dispatches.size(); ++i)
    if (!program.pipelines[i]) program.pipelines[i] = pipeline(program.dispatches[i]);
  // What an earlier submit or upload wrote.
  barrier(commands, vk::PipelineStageFlagBits::eAllCommands, vk::PipelineStageFlagBits::eAllCommands, Access::eMemoryWrite,
          Access::eMemoryRead | Access::eMemoryWrite);
  if (recording.snapshot) {
    std::size_t next = 0;
    for (const Arena each : {Arena::parameters, Arena::state0, Arena::state1})
      commands.copyBuffer(*arena(each).buffer, *snapshots_[next++].buffer,
                          vk::BufferCopy(0, 0, static_cast<vk::DeviceSize>(arena(each).bytes)));
  }
  commands.copyBuffer(*mailbox_.buffer, *arena(Arena::start).buffer, vk::BufferCopy(0, 0, 16));
  commands.copyBuffer(
      *mailbox_.buffer, *arena(Arena::numbers).buffer,
      vk::BufferCopy(offsetof(Mailbox, numbers), 0, static_cast<vk::DeviceSize>(recording.steps) * kUpdateNumbers * 4));
  barrier(commands, kTransfer, kCompute, Access::eTransferWrite | Access::eTransferRead,
          Access::eShaderRead | Access::eShaderWrite);
  Barriers barriers;
  std::int64_t number = 0;
  for (std::int64_t step = 0; step < recording.steps; ++step)
    for (std::size_t i = 0; i < program.dispatches.size(); ++i) {
      const bool waits = barriers.before(program.dispatches[i]);
      if (waits && number++ != recording.left_out)
        barrier(commands, kCompute, kCompute, Access::eShaderWrite, Access::eShaderRead | Access::eShaderWrite);
      if (times) commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, times, static_cast<std::uint32_t>(i));
      dispatch(commands, program, i, step, recording.rows);
    }
  if (times)
    commands.writeTimestamp(vk::PipelineStageFlagBits::eBottomOfPipe, times,
                            static_cast<std::uint32_t>(program.dispatches.size()));
  barrier(commands, kCompute, kTransfer, Access::eShaderWrite, Access::eTransferRead);
  commands.copyBuffer(
      *arena(Arena::records).buffer, *mailbox_.buffer,
      vk::BufferCopy(0, offsetof(Mailbox, records), static_cast<vk::DeviceSize>(recording.steps) * kRecordNumbers * 4));
  barrier(commands, kTransfer, vk::PipelineStageFlagBits::eHost, Access::eTransferWrite, Access::eHostRead);
}

Result<void> VulkanDevice::run(const Recording& recording) {
  SOMA_REQUIRE(recording.steps >= 1 && recording.steps <= kMostSteps && recording.program < programs_.size());
  return guarded([&] {
    const auto [found, fresh] = recordings_.try_emplace(recording, nullptr);
    if (fresh) {
      found->second = std::move(vk::raii::CommandBuffers(device_, {*commands_, vk::CommandBufferLevel::ePrimary, 1}).front());
      found->second.begin(vk::CommandBufferBeginInfo());
      record(found->second, recording, nullptr);
      found->second.end();
    }
    submit(*found->second);
  });
}

Result<std::vector<double>> VulkanDevice::time(std::size_t program, std::int64_t rows) {
  std::vector<double> seconds;
  const auto done = guarded([&] {
    const auto count = static_cast<std::uint32_t>(programs_[program].dispatches.size() + 1);
    const vk::raii::QueryPool pool(device_, vk::QueryPoolCreateInfo({}, vk::QueryType::eTimestamp, count));
    once([&](vk::raii::CommandBuffer& commands) {
      commands.resetQueryPool(*pool, 0, count);
      record(commands, {program, 1, rows, false, -1}, *pool);
    });
    const auto ticks = pool.getResults<std::uint64_t>(0, count, count * 8, 8, vk::QueryResultFlagBits::e64).second;
    const double period = static_cast<double>(physical_.getProperties().limits.timestampPeriod) * 1e-9;
    for (const std::uint64_t tick : ticks) seconds.push_back(static_cast<double>(tick - ticks.front()) * period);
  });
  if (!done) return done.error();
  return seconds;
}

}  // namespace soma::gpu
