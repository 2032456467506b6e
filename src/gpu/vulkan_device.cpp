// this machine → its GPUs, and one of them opened.
#include <algorithm>
#include <charconv>
#include <optional>

#include "gpu/vulkan.h"

namespace soma::gpu {
namespace {

std::string_view kind_of(vk::PhysicalDeviceType type) {
  switch (type) {
    case vk::PhysicalDeviceType::eDiscreteGpu:
      return "discrete";
    case vk::PhysicalDeviceType::eIntegratedGpu:
      return "integrated";
    case vk::PhysicalDeviceType::eVirtualGpu:
      return "virtual";
    case vk::PhysicalDeviceType::eCpu:
      return "software";
    default:
      return "other";
  }
}

bool has_extension(const vk::raii::PhysicalDevice& device, std::string_view name) {
  const auto all = device.enumerateDeviceExtensionProperties();
  return std::any_of(all.begin(), all.end(), [&](const auto& each) { return std::string_view(each.extensionName) == name; });
}

/// Free bytes of the largest heap on the device, as its driver tells them.
std::int64_t free_bytes(const vk::raii::PhysicalDevice& device) {
  vk::PhysicalDeviceMemoryBudgetPropertiesEXT budget;
  vk::PhysicalDeviceMemoryProperties memory = device.getMemoryProperties();
  const bool tells = has_extension(device, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (tells) {
    const auto chain =
        device.getMemoryProperties2<vk::PhysicalDeviceMemoryProperties2, vk::PhysicalDeviceMemoryBudgetPropertiesEXT>();
    memory = chain.get<vk::PhysicalDeviceMemoryProperties2>().memoryProperties;
    budget = chain.get<vk::PhysicalDeviceMemoryBudgetPropertiesEXT>();
  }
  vk::DeviceSize most = 0;
  for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    if (!(memory.memoryHeaps[i].flags & vk::MemoryHeapFlagBits::eDeviceLocal)) continue;
    const vk::DeviceSize used = tells ? budget.heapUsage[i] : 0, all = tells ? budget.heapBudget[i] : memory.memoryHeaps[i].size;
    most = std::max(most, all - std::min(used, all));
  }
  return static_cast<std::int64_t>(most);
}

/// A queue family for compute, one that draws nothing first: those run beside a desktop.
std::optional<std::uint32_t> compute_family(const vk::raii::PhysicalDevice& device) {
  const auto families = device.getQueueFamilyProperties();
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < families.size(); ++i) {
    if (!(families[i].queueFlags & vk::QueueFlagBits::eCompute)) continue;
    if (!(families[i].queueFlags & vk::QueueFlagBits::eGraphics)) return i;
    if (!found) found = i;
  }
  return found;
}

/// What the shaders take for granted and a device lacks, in words: "" is nothing.
std::string lacks(const vk::raii::PhysicalDevice& device) {
  const vk::PhysicalDeviceProperties properties = device.getProperties();
  const vk::PhysicalDeviceLimits& limits = properties.limits;
  struct Need {
    std::string_view what;
    std::uint32_t wanted, got;
  };
  const std::uint32_t threads = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
  for (const auto& [what, wanted, got] :
       {Need{"threads in a workgroup", 256, threads}, Need{"bytes of shared memory", 16384, limits.maxComputeSharedMemorySize},
        Need{"storage buffers in a shader", kBindings,
             std::min(limits.maxPerStageDescriptorStorageBuffers, testing().storage_buffers)},
        Need{"queue for computing", 1, compute_family(device) ? 1U : 0U}})
    if (got < wanted)
      return fmt::format("wanted {} {}, got {} of {}", wanted, what, got, std::string_view(properties.deviceName));
  if (properties.apiVersion < VK_API_VERSION_1_2)
    return fmt::format("wanted Vulkan 1.2, got {}.{} of {}", VK_API_VERSION_MAJOR(properties.apiVersion),
                       VK_API_VERSION_MINOR(properties.apiVersion), std::string_view(properties.deviceName));
  return {};
}

Gpu describe(const vk::raii::PhysicalDevice& device, std::size_t number) {
  const auto chain = device.getProperties2<vk::PhysicalDeviceProperties2, vk::PhysicalDeviceDriverProperties>();
  const vk::PhysicalDeviceProperties& properties = chain.get<vk::PhysicalDeviceProperties2>().properties;
  const auto& driver = chain.get<vk::PhysicalDeviceDriverProperties>();
  Gpu gpu;
  gpu.id = fmt::format("gpu:{}", number);
  gpu.name = std::string(std::string_view(properties.deviceName));
  gpu.kind = kind_of(properties.deviceType);
  gpu.driver = fmt::format("{} {}", std::string_view(driver.driverName), std::string_view(driver.driverInfo));
  gpu.memory_bytes = free_bytes(device);
  gpu.software = properties.deviceType == vk::PhysicalDeviceType::eCpu;
  return gpu;
}

}  // namespace

Result<std::unique_ptr<Instance>> Instance::open() {
  const auto fail = [](std::string_view got) {
    return Error{Error::Kind::unavailable, fmt::format("wanted a GPU, found {}; try installing libvulkan1 and your GPU's driver, "
                                                       "or --device cpu",
                                                       got)};
  };
  std::unique_ptr<Instance> made;
  try {
    made = std::make_unique<Instance>();
  } catch (const std::runtime_error&) {
    return fail("no Vulkan loader (libvulkan.so.1)");
  }
  try {
    const vk::ApplicationInfo application("soma", 1, "soma", 1, VK_API_VERSION_1_2);
    made->instance = vk::raii::Instance(made->context, vk::InstanceCreateInfo({}, &application));
    for (vk::raii::PhysicalDevice& device : vk::raii::PhysicalDevices(made->instance))
      if (std::string lack = lacks(device); !lack.empty()) {
        made->refused.push_back(std::move(lack));
      } else {
        Gpu about = describe(device, made->found.size());
        made->found.push_back({std::move(device), std::move(about)});
      }
  } catch (const vk::SystemError&) {
    return fail("no driver that Vulkan's loader can use");
  }
  return made;
}

Result<std::unique_ptr<Device>> Device::open(std::string_view wanted) {
  const auto fail = [&](std::string_view what) {
    return Error{Error::Kind::unavailable, fmt::format("--device {}: {}", wanted, what)};
  };
  auto instance = Instance::open();
  if (!instance) return fail(instance.error().message);
  const std::vector<Found>& found = (*instance)->found;
  const std::vector<std::string>& refused = (*instance)->refused;
  const auto real = [](const Found& each) { return !each.about.software; };
  if (!refused.empty() && (found.empty() || (wanted == "gpu" && std::none_of(found.begin(), found.end(), real))))
    return fail(refused.front() + "; try a newer driver, or --device cpu");
  if (found.empty()) return fail("wanted a GPU, found none; try installing its driver, or --device cpu");
  std::optional<std::size_t> number;
  if (wanted == "gpu") {
    for (const std::string_view kind : {"discrete", "integrated", "virtual", "other"})
      for (std::size_t i = 0; i < found.size() && !number; ++i)
        if (found[i].about.kind == kind) number = i;
    if (!number)
      return fail(fmt::format("wanted a GPU, found only software ({} {}); try --device {} to test", found[0].about.id,
                              found[0].about.name, found[0].about.id));
  } else {
    std::size_t index = found.size();
    const std::string_view digits = wanted.substr(std::min<std::size_t>(4, wanted.size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (!wanted.starts_with("gpu:") || error != std::errc() || end != digits.data() + digits.size() || index >= found.size()) {
      std::string names = "cpu, gpu";
      for (std::size_t i = 0; i < found.size(); ++i) names += (i + 1 < found.size() ? ", " : " or ") + found[i].about.id;
      return fail(fmt::format("wanted {}", names));
    }
    number = index;
  }
  try {
    return std::unique_ptr<Device>(std::make_unique<VulkanDevice>(std::move(*instance), *number));
  } catch (const vk::SystemError& error) {
    return fail(fmt::format("wanted to open it, got {} from its driver", error.what()));
  }
}

VulkanDevice::VulkanDevice(std::unique_ptr<Instance> instance, std::size_t number)
    : instance_(std::move(instance)), about_(instance_->found[number].about), physical_(instance_->found[number].device) {
  family_ = compute_family(physical_).value();
  const float priority = 1;
  const vk::DeviceQueueCreateInfo queue({}, family_, 1, &priority);
  device_ = vk::raii::Device(physical_, vk::DeviceCreateInfo({}, queue));
  queue_ = vk::raii::Queue(device_, family_, 0);
  commands_ = vk::raii::CommandPool(device_, {vk::CommandPoolCreateFlagBits::eResetCommandBuffer, family_});
  fence_ = vk::raii::Fence(device_, vk::FenceCreateInfo());
  std::vector<vk::DescriptorSetLayoutBinding> bindings;
  for (std::uint32_t i = 0; i < kBindings; ++i)
    bindings.emplace_back(i, vk::DescriptorType::eStorageBuffer, 1, vk::ShaderStageFlagBits::eCompute);
  bindings_ = vk::raii::DescriptorSetLayout(device_, vk::DescriptorSetLayoutCreateInfo({}, bindings));
  const vk::PushConstantRange push(vk::ShaderStageFlagBits::eCompute, 0, 2 * sizeof(std::uint32_t));
  layout_ = vk::raii::PipelineLayout(device_, vk::PipelineLayoutCreateInfo({}, *bindings_, push));
  constexpr auto host = vk::MemoryPropertyFlagBits::eHostVisible | vk::MemoryPropertyFlagBits::eHostCoherent;
  constexpr auto both = vk::BufferUsageFlagBits::eTransferSrc | vk::BufferUsageFlagBits::eTransferDst;
  staging_ = make_buffer(kStagingBytes, both, host);
  mailbox_ = make_buffer(sizeof(Mailbox), both, host);
  staging_map_ = staging_.memory.mapMemory(0, VK_WHOLE_SIZE);
  mailbox_map_ = mailbox_.memory.mapMemory(0, VK_WHOLE_SIZE);
  new (mailbox_map_) Mailbox();
  open_cache();
}

}  // namespace soma::gpu

namespace soma {

bool built_with_gpu() { return true; }

Result<std::vector<Gpu>> gpus(std::vector<std::string>* refused) {
  auto instance = gpu::Instance::open();
  if (!instance) return instance.error();
  if (refused != nullptr) *refused = (*instance)->refused;
  std::vector<Gpu> all;
  for (const gpu::Found& each : (*instance)->found) all.push_back(each.about);
  return all;
}

}  // namespace soma
