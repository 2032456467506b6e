// Vulkan, opened at run time → the one Device of this folder; failures are exceptions of vk::raii that end here as Result.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>
#include <vulkan/vulkan_raii.hpp>

#include "gpu/device.h"

namespace soma::gpu {

struct Buffer {
  vk::raii::DeviceMemory memory{nullptr};
  vk::raii::Buffer buffer{nullptr};
  std::int64_t bytes = 0;
};

/// A physical device, and what soma says about it.
struct Found {
  vk::raii::PhysicalDevice device;
  Gpu about;
};

/// Context and instance, which live as long as anything made of them.
struct Instance {
  vk::raii::Context context;
  vk::raii::Instance instance{nullptr};
  std::vector<Found> found;
  std::vector<std::string> refused;  // devices that lack something: "wanted …, got … of NAME"

  [[nodiscard]] static Result<std::unique_ptr<Instance>> open();
};

/// SPIR-V of a shader.
std::span<const std::uint32_t> words_of(Shader shader);

class VulkanDevice final : public Device {
 public:
  VulkanDevice(std::unique_ptr<Instance> instance, std::size_t number);
  ~VulkanDevice() override { keep_cache(); }
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;

  [[nodiscard]] const Gpu& about() const override { return about_; }
  [[nodiscard]] Result<void> allocate(const std::array<std::int64_t, kArenas>& numbers, bool snapshot) override;
  [[nodiscard]] Result<void> upload(Arena arena, std::int64_t offset, std::span<const std::byte> bytes) override;
  [[nodiscard]] Result<void> download(Arena arena, std::int64_t offset, std::span<std::byte> bytes) override;
  [[nodiscard]] Result<void> fill(Arena arena, std::uint32_t word) override;
  [[nodiscard]] std::int64_t size(Arena which) const override { return arenas_[static_cast<std::size_t>(which)].bytes / 4; }
  [[nodiscard]] Result<std::size_t> load(std::span<const Dispatch> dispatches) override;
  [[nodiscard]] Mailbox& mailbox() override { return *static_cast<Mailbox*>(mailbox_map_); }
  [[nodiscard]] Result<void> run(const Recording& recording) override;
  [[nodiscard]] Result<void> restore() override;
  [[nodiscard]] std::int64_t longest_range() const override {
    return static_cast<std::int64_t>(physical_.getProperties().limits.maxStorageBufferRange) / 4;
  }
  [[nodiscard]] Result<std::vector<double>> time(std::size_t program, std::int64_t rows) override;
  void lose() override { lost_ = true; }

 private:
  struct Loaded {
    std::vector<Dispatch> dispatches;
    std::vector<vk::Pipeline> pipelines;
    vk::raii::DescriptorPool pool{nullptr};
    std::vector<vk::DescriptorSet> sets;
    Buffer nothing;  // a place for each binding that a dispatch leaves empty
  };

  [[nodiscard]] Result<void> guarded(const auto& work) {
    if (lost_) return lost();
    try {
      work();
    } catch (const vk::DeviceLostError&) {
      lost_ = true;
      return lost();
    } catch (const vk::SystemError& error) {
      return Error{Error::Kind::unavailable, fmt::format("{}: wanted an answer of its driver, got {}", about_.id, error.what())};
    }
    return {};
  }
  [[nodiscard]] Error lost() const { return {Error::Kind::unavailable, fmt::format("{} was reset by its driver", about_.id)}; }

  [[nodiscard]] Buffer make_buffer(std::int64_t bytes, vk::BufferUsageFlags usage, vk::MemoryPropertyFlags memory) const;
  [[nodiscard]] Buffer& arena(Arena which) { return arenas_[static_cast<std::size_t>(which)]; }
  void submit(vk::CommandBuffer commands);
  void once(const auto& record) {
    vk::raii::CommandBuffer commands =
        std::move(vk::raii::CommandBuffers(device_, {*commands_, vk::CommandBufferLevel::ePrimary, 1}).front());
    commands.begin({vk::CommandBufferUsageFlagBits::eOneTimeSubmit});
    record(commands);
    commands.end();
    submit(*commands);
  }
  [[nodiscard]] vk::Pipeline pipeline(const Dispatch& dispatch);
  [[nodiscard]] std::filesystem::path cache_file() const;
  void open_cache();
  void keep_cache() noexcept;
  void record(vk::raii::CommandBuffer& commands, const Recording& recording, vk::QueryPool times);
  void dispatch(vk::raii::CommandBuffer& commands, const Loaded& program, std::size_t i, std::int64_t step, std::int64_t rows);

  std::unique_ptr<Instance> instance_;
  Gpu about_;
  vk::raii::PhysicalDevice physical_;
  std::uint32_t family_ = 0;
  vk::raii::Device device_{nullptr};
  vk::raii::Queue queue_{nullptr};
  vk::raii::CommandPool commands_{nullptr};
  vk::raii::Fence fence_{nullptr};
  vk::raii::DescriptorSetLayout bindings_{nullptr};
  vk::raii::PipelineLayout layout_{nullptr};
  vk::raii::PipelineCache cache_{nullptr};
  bool built_ = false;  // pipelines that the cache file may not have
  std::map<Shader, vk::raii::ShaderModule> modules_;
  std::map<std::pair<Shader, std::vector<std::uint32_t>>, vk::raii::Pipeline> pipelines_;
  std::array<Buffer, kArenas> arenas_;
  std::array<Buffer, 3> snapshots_;  // of parameters, state0, state1
  Buffer staging_, mailbox_;
  void *staging_map_ = nullptr, *mailbox_map_ = nullptr;
  std::vector<Loaded> programs_;
  std::map<Recording, vk::raii::CommandBuffer> recordings_;
  bool lost_ = false;
};

inline constexpr std::uint32_t kBindings = 11;
/// Bound where a dispatch has no range: its shader names the binding and does not touch it. Each such binding has its own, or the
/// validation layers would see two dispatches share one.
inline constexpr std::uint32_t kNothingBytes = 256;
inline constexpr std::int64_t kStagingBytes = std::int64_t{8} << 20;

}  // namespace soma::gpu
