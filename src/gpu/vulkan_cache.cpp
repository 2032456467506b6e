// pipelines of earlier runs ↔ a file in the user's cache directory, for this GPU, its driver and these shaders alone.
#include <cstdlib>
#include <cstring>

#include "core/file.h"
#include "core/sha256.h"
#include "gpu/vulkan.h"

namespace soma::gpu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargest = std::size_t{64} << 20;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

/// Empty: none, without a home.
fs::path cache_directory() {
  const fs::path told = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (told.is_absolute()) return told / "soma";
  return home.empty() ? fs::path() : home / ".cache" / "soma";
}

std::string sha256_of_shaders() {
  std::vector<std::span<const std::byte>> chunks;
#define SOMA_WORDS(name) chunks.push_back(std::as_bytes(words_of(Shader::name)));
  SOMA_SHADERS(SOMA_WORDS)
#undef SOMA_WORDS
  return sha256(chunks);
}

/// How a driver's cache begins when it is its own.
vk::PipelineCacheHeaderVersionOne header_of(const vk::PhysicalDeviceProperties& properties) {
  return {sizeof(VkPipelineCacheHeaderVersionOne), vk::PipelineCacheHeaderVersion::eOne, properties.vendorID, properties.deviceID,
          properties.pipelineCacheUUID};
}

}  // namespace

fs::path VulkanDevice::cache_file() const {
  const fs::path directory = cache_directory();
  if (directory.empty()) return {};
  const vk::PhysicalDeviceProperties properties = physical_.getProperties();
  std::string driver;
  for (const std::uint8_t byte : properties.pipelineCacheUUID) driver += fmt::format("{:02x}", byte);
  return directory /
         fmt::format("pipelines-{:x}-{:x}-{}-{:.16}", properties.vendorID, properties.deviceID, driver, sha256_of_shaders());
}

// The digits of a checksum and then what the driver gave: drivers have been seen to crash on caches that were not theirs or
// whole.
void VulkanDevice::open_cache() {
  const auto found = read_file(cache_file(), kLargest);
  std::string_view bytes = found ? std::string_view(*found) : std::string_view();
  const std::string_view sum = bytes.substr(0, kSha256Digits);
  bytes.remove_prefix(sum.size());
  const auto header = header_of(physical_.getProperties());
  const bool ours =
      bytes.size() >= sizeof header && std::memcmp(bytes.data(), &header, sizeof header) == 0 && sha256(bytes) == sum;
  if (!ours) bytes = {};
  cache_ = vk::raii::PipelineCache(device_, vk::PipelineCacheCreateInfo({}, bytes.size(), bytes.data()));
}

// A cache that cannot be written is none: the next run builds its pipelines again.
void VulkanDevice::keep_cache() noexcept {
  try {
    const fs::path file = cache_file();
    if (lost_ || !built_ || file.empty() || !make_directory(file.parent_path())) return;
    const std::vector<std::uint8_t> bytes = cache_.getData();
    const std::array chunks = {std::as_bytes(std::span(bytes))};
    const std::string sum = sha256(chunks);
    if (bytes.size() + sum.size() > kLargest) return;
    [[maybe_unused]] const auto written = write_file(file, std::array{std::as_bytes(std::span(sum)), chunks.front()});
  } catch (const std::exception&) {  // no memory, or no answer of the driver
    return;
  }
}

}  // namespace soma::gpu
