// questions over a pair of virtual network interfaces, each in a namespace of its own → answers out of the kernel, while models
// change.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/random.h"
#include "inkernel/system.h"
#include "model/zoo.h"
#include "soma/kernel.h"

namespace soma::test {
namespace {

using bpf::Descriptor;

std::int64_t asked_for(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoll(text);
}

/// Two network namespaces and a cable between them. The thread that makes it is in the first one, and back where it was at the
/// end.
class Cable {
 public:
  static std::unique_ptr<Cable> make(std::string& problem) {
    auto cable = std::make_unique<Cable>();
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
  ~Cable() { ::setns(home_.get(), CLONE_NEWNET); }
  void enter_server() const { ASSERT_EQ(::setns(server_.get(), CLONE_NEWNET), 0); }
  void enter_client() const { ASSERT_EQ(::setns(client_.get(), CLONE_NEWNET), 0); }

 private:
  static bool run(const std::string& command) { return std::system(("(" + command + ") >&2").c_str()) == 0; }
  Descriptor home_, server_, client_;
};

/// 784-32-10, or with another hidden layer, on bytes.
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

struct Asked {
  Dataset samples;
  std::vector<float> outputs;
};
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

#define SOMA_CABLE_OR_SKIP()                                                                      \
  std::string problem;                                                                            \
  const auto cable = Cable::make(problem);                                                        \
  if (cable == nullptr) GTEST_SKIP() << "SKIPPED, nothing was asked over a network: " << problem; \
  if (const auto map = bpf::create_scratch_map(8); !map)                                          \
  GTEST_SKIP() << "SKIPPED, nothing was asked over a network: " << map.error().message

TEST(Traffic, EveryQuestionIsAnsweredWithTheBitsOfPredict) {
  SOMA_CABLE_OR_SKIP();
  const Model model = digits_model(32, 1);
  const Asked asked = outputs_of(model);
  cable->enter_server();
  auto program = KernelProgram::load(model).value();
  ASSERT_EQ(program.attach("soma1").value(), KernelMode::generic);  // veth: native only when it is asked for
  const auto second = KernelProgram::load(model).value().attach("soma1");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("another XDP program"), std::string::npos) << second.error().message;
  cable->enter_client();
  const std::int64_t questions = asked_for("SOMA_QUESTIONS", 20'000);
  std::vector<double> microseconds;
  for (const char* address : {"10.99.0.2:9000", "[fd99::2]:9000"}) {
    auto client = KernelClient::connect(address).value();
    for (std::int64_t i = 0; i < questions / 2; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto answer = client.ask(ValueType::byte, sample(asked, static_cast<std::uint64_t>(i)));
      microseconds.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      ASSERT_TRUE(answer.ok()) << answer.error().message;
      ASSERT_EQ(answer->outputs, wanted(asked, static_cast<std::uint64_t>(i))) << i;
      ASSERT_EQ(answer->model, program.model_tag());
    }
    EXPECT_EQ(client.repeated(), 0);
  }
  std::nth_element(microseconds.begin(), microseconds.begin() + questions / 2, microseconds.end());
  std::printf("%lld questions over veth, generic XDP: p50 %.2f us\n", static_cast<long long>(questions),
              microseconds[static_cast<std::size_t>(questions / 2)]);
  const auto counters = program.counters().value();
  EXPECT_GE(counters.answered, static_cast<std::uint64_t>(questions));
  EXPECT_EQ(counters.passed, 0U);
}

TEST(Traffic, NoQuestionIsLostOrMixedWhileModelsChange) {
  SOMA_CABLE_OR_SKIP();
  const Model models[] = {digits_model(32, 1), digits_model(32, 0.5F), digits_model(24, 1)};  // the third has another shape
  std::vector<Asked> asked;
  std::vector<std::uint32_t> tags;
  for (const Model& model : models) {
    asked.push_back(outputs_of(model));
    tags.push_back(kernel_model_tag(model).value());
  }
  cable->enter_server();
  auto program = KernelProgram::load(models[0]).value();
  ASSERT_TRUE(program.attach("soma1").ok());
  cable->enter_client();
  auto client = KernelClient::connect("10.99.0.2:9000").value();
  const std::int64_t swaps = asked_for("SOMA_SWAPS", 100);
  std::atomic<bool> done = false;
  std::string failed;
  std::thread swapping([&] {
    constexpr int kOrder[] = {1, 0, 2, 0};  // two by weights alone, two by program
    for (std::int64_t i = 0; i < swaps && failed.empty(); ++i)
      if (const auto swapped = program.swap(models[kOrder[i % 4]]); !swapped) failed = swapped.error().message;
    done = true;
  });
  std::vector<std::int64_t> seen(3);
  std::uint64_t i = 0;
  for (; !done; ++i) {
    const auto answer = client.ask(ValueType::byte, sample(asked[0], i));
    if (!answer) failed = answer.error().message;
    const auto who = static_cast<std::size_t>(std::find(tags.begin(), tags.end(), answer ? answer->model : 0) - tags.begin());
    if (who == tags.size() || answer->outputs != wanted(asked[who], i)) failed = "an answer that is none of the models'";
    if (!failed.empty()) break;
    ++seen[who];
  }
  swapping.join();
  EXPECT_EQ(failed, "");
  EXPECT_EQ(client.repeated(), 0);
  for (const std::int64_t each : seen) EXPECT_GT(each, 0);
  std::printf("%lld swaps during %llu questions, none lost\n", static_cast<long long>(swaps), static_cast<unsigned long long>(i));
}

}  // namespace
}  // namespace soma::test
