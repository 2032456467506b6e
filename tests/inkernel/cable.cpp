// two network namespaces → a cable between them, and models that one end asks the other about.
#include "inkernel/cable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "core/random.h"
#include "model/zoo.h"

namespace soma::test {
namespace {

using bpf::Descriptor;

bool run(const std::string& command) { return std::system(("(" + command + ") >&2").c_str()) == 0; }

}  // namespace

std::unique_ptr<Cable> Cable::make(std::string& problem) {
  auto cable = std::make_unique<Cable>();
  if (const auto map = bpf::create_scratch_map(8); !map) {
    problem = map.error().message;
    return nullptr;
  }
  cable->home_ = Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  for (Descriptor* each : {&cable->server_, &cable->client_}) {
    if (::unshare(CLONE_NEWNET) != 0) {
      problem = fmt::format("no network namespaces: {}", std::strerror(errno));
      return nullptr;
    }
    *each = Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  const std::string other = fmt::format("/proc/{}/fd/{}", ::getpid(), cable->server_.get());
  const bool here =
      run("ip link add soma0 type veth peer name soma1 && ip link set soma1 netns " + other +
          " && ip addr add 10.99.0.1/24 dev soma0 && ip addr add fd99::1/64 dev soma0 nodad && ip link set soma0 up");
  cable->enter_server();
  const bool there =
      here && run("ip addr add 10.99.0.2/24 dev soma1 && ip addr add fd99::2/64 dev soma1 nodad && ip link set soma1 up");
  cable->enter_client();
  if (there) return cable;
  problem = "ip cannot make a veth";
  return nullptr;
}

Cable::~Cable() {
  if (home_.get() < 0) return;
  EXPECT_EQ(::setns(home_.get(), CLONE_NEWNET), 0);
}
void Cable::enter_server() const { ASSERT_EQ(::setns(server_.get(), CLONE_NEWNET), 0); }
void Cable::enter_client() const { ASSERT_EQ(::setns(client_.get(), CLONE_NEWNET), 0); }

Model digits_model(std::int64_t hidden, float scale) {
  Model model = make_model({1, 28, 28}, {{"", Flatten{}, {}, {}},
                                         {"", Linear{hidden}, {}, {}},
                                         {"", Activation{Activation::Kind::relu}, {}, {}},
                                         {"", Linear{3}, {}, {}}});
  for (Tensor& tensor : model.parameters)
    for (float& value : tensor.values) value *= scale;
  Dataset samples;
  samples.shape = {1, 28, 28};
  samples.count = 16;
  for (std::uint64_t i = 0; i < 16 * 784; ++i)
    samples.bytes.push_back(static_cast<std::uint8_t>(random_u32(3, stream(Stream::test), i)));
  return quantize(model, samples).value();
}

Asked outputs_of(const Model& model) {
  Asked all;
  all.samples.shape = {1, 28, 28};
  all.samples.count = 64;
  for (std::uint64_t i = 0; i < 64 * 784; ++i)
    all.samples.bytes.push_back(static_cast<std::uint8_t>(random_u32(4, stream(Stream::test), i)));
  all.outputs = Predictor::create(model, {.threads = 1}).value().outputs(all.samples).value();
  return all;
}

std::span<const std::uint8_t> sample(const Asked& asked, std::uint64_t i) {
  return std::span(asked.samples.bytes).subspan(i % 64 * 784, 784);
}
std::vector<float> wanted(const Asked& asked, std::uint64_t i) {
  const auto from = asked.outputs.begin() + static_cast<std::ptrdiff_t>(i % 64 * 3);
  return {from, from + 3};
}

}  // namespace soma::test
