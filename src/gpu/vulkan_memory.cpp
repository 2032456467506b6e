// arenas → buffers on the GPU, filled, uploaded, downloaded through one staging buffer.
#include <algorithm>
#include <cstring>

#include "gpu/vulkan.h"

namespace soma::gpu {

Buffer VulkanDevice::make_buffer(std::int64_t bytes, vk::BufferUsageFlags usage, vk::MemoryPropertyFlags memory) const {
  Buffer made;
  made.bytes = bytes;
  made.buffer =
      vk::raii::Buffer(device_, vk::BufferCreateInfo({}, static_cast<vk::DeviceSize>(bytes), usage, vk::SharingMode::eExclusive));
  const vk::MemoryRequirements needs = made.buffer.getMemoryRequirements();
  const vk::PhysicalDeviceMemoryProperties types = physical_.getMemoryProperties();
  for (std::uint32_t i = 0; i < types.memoryTypeCount; ++i)
    if ((needs.memoryTypeBits >> i & 1) != 0 && (types.memoryTypes[i].propertyFlags & memory) == memory) {
      made.memory = vk::raii::DeviceMemory(device_, vk::MemoryAllocateInfo(needs.size, i));
      made.buffer.bindMemory(*made.memory, 0);
      return made;
    }
  throw vk::OutOfDeviceMemoryError("no memory of the kind that a buffer needs");
}

Result<void> VulkanDevice::allocate(const std::array<std::int64_t, kArenas>& numbers, bool snapshot) {
  constexpr std::array kept = {Arena::parameters, Arena::state0, Arena::state1};
  const auto bytes = [&](std::size_t i) { return std::max<std::int64_t>(numbers[i], 64) * 4; };
  std::int64_t total = 0;
  for (std::size_t i = 0; i < kArenas; ++i) total += bytes(i);
  if (snapshot)
    for (const Arena each : kept) total += bytes(static_cast<std::size_t>(each));
  const auto limits = physical_.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceMaintenance3Properties>();
  const auto largest = static_cast<std::int64_t>(std::min<vk::DeviceSize>(
      limits.get<vk::PhysicalDeviceMaintenance3Properties>().maxMemoryAllocationSize, vk::DeviceSize{1} << 40));
  const auto too_large = [&](std::int64_t wanted, std::int64_t there, std::string_view what) {
    return Error{Error::Kind::unavailable,
                 fmt::format("--device {}: wanted {:.1f} GB{}, {:.1f} GB are free; try a smaller train.batch", about_.id,
                             static_cast<double>(wanted) * 1e-9, what, static_cast<double>(there) * 1e-9)};
  };
  if (total > about_.memory_bytes) return too_large(total, about_.memory_bytes, "");
  for (std::size_t i = 0; i < kArenas; ++i)
    if (bytes(i) > largest) return too_large(bytes(i), largest, " in one piece");
  return guarded([&] {
    constexpr auto usage =
        vk::BufferUsageFlagBits::eStorageBuffer | vk::BufferUsageFlagBits::eTransferSrc | vk::BufferUsageFlagBits::eTransferDst;
    recordings_.clear();
    programs_.clear();
    for (std::size_t i = 0; i < kArenas; ++i) arenas_[i] = make_buffer(bytes(i), usage, vk::MemoryPropertyFlagBits::eDeviceLocal);
    for (std::size_t i = 0; i < kept.size(); ++i)
      snapshots_[i] = make_buffer(snapshot ? arena(kept[i]).bytes : 256, usage, vk::MemoryPropertyFlagBits::eDeviceLocal);
    once([&](vk::raii::CommandBuffer& commands) {
      for (const Buffer& each : arenas_) commands.fillBuffer(*each.buffer, 0, VK_WHOLE_SIZE, 0);
    });
  });
}

void VulkanDevice::submit(vk::CommandBuffer commands) {
  device_.resetFences(*fence_);
  queue_.submit(vk::SubmitInfo({}, {}, commands), *fence_);
  if (device_.waitForFences(*fence_, VK_TRUE, ~std::uint64_t{0}) != vk::Result::eSuccess)
    throw vk::DeviceLostError("waiting for a fence");
}

Result<void> VulkanDevice::upload(Arena which, std::int64_t offset, std::span<const std::byte> bytes) {
  return guarded([&] {
    while (!bytes.empty()) {
      const std::size_t count = std::min<std::size_t>(bytes.size(), kStagingBytes);
      std::memcpy(staging_map_, bytes.data(), count);
      once([&](vk::raii::CommandBuffer& commands) {
        commands.copyBuffer(*staging_.buffer, *arena(which).buffer,
                            vk::BufferCopy(0, static_cast<vk::DeviceSize>(offset) * 4, count));
      });
      bytes = bytes.subspan(count);
      offset += static_cast<std::int64_t>(count) / 4;
    }
  });
}

Result<void> VulkanDevice::download(Arena which, std::int64_t offset, std::span<std::byte> bytes) {
  return guarded([&] {
    while (!bytes.empty()) {
      const std::size_t count = std::min<std::size_t>(bytes.size(), kStagingBytes);
      once([&](vk::raii::CommandBuffer& commands) {
        commands.copyBuffer(*arena(which).buffer, *staging_.buffer,
                            vk::BufferCopy(static_cast<vk::DeviceSize>(offset) * 4, 0, count));
        const vk::MemoryBarrier seen(vk::AccessFlagBits::eTransferWrite, vk::AccessFlagBits::eHostRead);
        commands.pipelineBarrier(vk::PipelineStageFlagBits::eTransfer, vk::PipelineStageFlagBits::eHost, {}, seen, {}, {});
      });
      std::memcpy(bytes.data(), staging_map_, count);
      bytes = bytes.subspan(count);
      offset += static_cast<std::int64_t>(count) / 4;
    }
  });
}

Result<void> VulkanDevice::fill(Arena which, std::uint32_t word) {
  return guarded([&] {
    once([&](vk::raii::CommandBuffer& commands) { commands.fillBuffer(*arena(which).buffer, 0, VK_WHOLE_SIZE, word); });
  });
}

Result<void> VulkanDevice::restore() {
  return guarded([&] {
    once([&](vk::raii::CommandBuffer& commands) {
      std::size_t next = 0;
      for (const Arena each : {Arena::parameters, Arena::state0, Arena::state1}) {
        const Buffer& from = snapshots_[next++];
        commands.copyBuffer(*from.buffer, *arena(each).buffer, vk::BufferCopy(0, 0, static_cast<vk::DeviceSize>(from.bytes)));
      }
    });
  });
}

}  // namespace soma::gpu
