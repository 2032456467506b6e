// soma serve with a UDP port → the same answers from inside the kernel and from its own listener, with rights and without, while
// the model changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "inkernel/cable.h"
#include "inkernel/capabilities.h"
#include "model/zoo.h"
#include "soma/kernel.h"
#include "soma/serve.h"

namespace soma::test {
namespace {

using testing::HasSubstr;

/// A directory with one model file, gone at the end.
class Place {
 public:
  explicit Place(const Model& model) { put(model); }
  ~Place() { std::filesystem::remove_all(directory_); }
  void put(const Model& model) const {
    std::filesystem::create_directories(directory_);
    ASSERT_TRUE(write_onnx(model, file()).ok());
  }
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "model.onnx"; }

 private:
  const std::filesystem::path directory_ = std::filesystem::temp_directory_path() / ("soma_served_" + std::to_string(::getpid()));
};

ServeOptions options_of(const Place& place, ServeKernel kernel, const std::string& host) {
  ServeOptions options;
  options.source = place.file();
  options.listen = host + ":0";
  options.threads = 1;
  options.kernel = kernel;
  options.udp.port = 0;
  return options;
}

std::string port_of(const InferenceServer& server) {
  const std::string who = server.datagrams();
  const std::size_t from = who.find("port ") + 5;
  return who.substr(from, who.find(':') - from);
}

/// `asked` as a stream: the answers of whole windows, whoever gives them.
void expect_stream(KernelClient& client, const Asked& asked) {
  for (std::uint64_t i = 0; i < 8; ++i) {
    // Row by row from sample i to the next; the window is a sample again at the end.
    std::vector<std::uint8_t> window;
    for (std::int64_t row = 0; row <= 28; ++row) {
      const auto before = sample(asked, i), after = sample(asked, i + 1);
      const auto cut = static_cast<std::size_t>(28 * row);
      window.assign(before.begin() + static_cast<std::ptrdiff_t>(cut), before.end());
      window.insert(window.end(), after.begin(), after.begin() + static_cast<std::ptrdiff_t>(cut));
      const auto answer = client.ask_next(ValueType::byte, window, row == 0 ? 784 : 28);
      ASSERT_TRUE(answer.ok()) << answer.error().message;
      EXPECT_EQ(answer->outputs, client.ask(ValueType::byte, window)->outputs);
      if (row == 28) {
        EXPECT_EQ(answer->outputs, wanted(asked, i + 1));
      }
    }
  }
  EXPECT_EQ(client.repeated(), 0);
}

void expect_answers(KernelClient& client, const Model& model, const Asked& asked, std::uint32_t tag) {
  for (std::uint64_t i = 0; i < 64; ++i) {
    const auto answer = client.ask(ValueType::byte, sample(asked, i));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->outputs, wanted(asked, i)) << i;
    EXPECT_EQ(answer->model, tag);
  }
  EXPECT_EQ(client.repeated(), 0) << model.name;
}

TEST(Served, WithoutRightsItAnswersItself) {
  const Model model = digits_model(32, 1);
  const Place place(model);
  ASSERT_TRUE(with_only({}, [&] {
    auto server = InferenceServer::start(options_of(place, ServeKernel::automatic, "127.0.0.1"));
    ASSERT_TRUE(server.ok()) << server.error().message;
    EXPECT_THAT(server->datagrams(), HasSubstr("answered here, not inside the kernel: "));
    EXPECT_THAT(server->datagrams(), HasSubstr("CAP_BPF and CAP_NET_ADMIN are missing"));
    EXPECT_EQ(server->datagrams().find('\n'), std::string::npos);
    auto client = KernelClient::connect("127.0.0.1:" + port_of(*server)).value();
    expect_answers(client, model, outputs_of(model), kernel_model_tag(model).value());
    expect_stream(client, outputs_of(model));
    const auto required = InferenceServer::start(options_of(place, ServeKernel::require, "127.0.0.1"));
    ASSERT_FALSE(required.ok());
    EXPECT_THAT(required.error().message, HasSubstr("CAP_BPF and CAP_NET_ADMIN are missing"));
  }));
}

TEST(Served, ATokenAndQuestionsWithoutOneDoNotGoTogether) {
  const Place place(digits_model(32, 1));
  auto options = options_of(place, ServeKernel::off, "127.0.0.1");
  options.token = "secret";
  const auto refused = InferenceServer::start(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("carry none"));
}

/// What has the same meaning in each type, for a table and for a picture of three colours whose channels are told apart.
TEST(Served, BytesNumbersAndFloatsAreReadAsTheKernelReadsThem) {
  for (const Shape& shape : {Shape{5}, Shape{3, 4, 6}}) {
    const bool picture = shape.size() == 3;
    Model model = picture ? make_model(shape, {{"", Conv2d{4, 3, 3}, {}, {}}, {"", Flatten{}, {}, {}}, {"", Linear{4}, {}, {}}})
                          : make_model(shape, {{"", Linear{4}, {}, {}}});
    const std::int64_t each = picture ? 3 : 5;
    PreprocessStep step{.kind = PreprocessKind::standardise, .offset = {}, .divisor = {}};
    for (std::int64_t i = 0; i < each; ++i) {
      step.offset.push_back(static_cast<float>(10 + 20 * i));
      step.divisor.push_back(static_cast<float>(20 + 30 * i));
    }
    model.preprocess.steps = {step};
    Dataset samples;
    samples.shape = shape;
    samples.count = 16;
    const auto count = static_cast<std::size_t>(elements(shape));
    for (std::size_t i = 0; i < 16 * count; ++i) {
      if (picture)
        samples.bytes.push_back(static_cast<std::uint8_t>(i * 37));
      else
        samples.floats.push_back(static_cast<float>(i * 37 % 251));
    }
    const Model bytes = quantize(model, samples).value();
    const Place place(bytes);
    auto options = options_of(place, ServeKernel::off, "127.0.0.1");
    options.udp.int16_units = 8;
    auto server = InferenceServer::start(options).value();
    auto client = KernelClient::connect("127.0.0.1:" + port_of(server)).value();
    auto kernel = KernelProgram::load(bytes, {.int16_units = 8});
    if (!kernel) GTEST_SKIP() << "SKIPPED, the kernel was not asked: " << kernel.error().message;
    for (int trial = 0; trial < 50; ++trial)
      for (const ValueType type : {ValueType::byte, ValueType::int16, ValueType::float32}) {
        std::vector<std::uint8_t> values;
        for (std::size_t i = 0; i < count; ++i) {
          const auto byte = static_cast<std::uint8_t>((i * 91 + static_cast<std::size_t>(trial) * 57) % 256);
          const auto whole = static_cast<std::int16_t>(8 * byte + trial % 8);
          const float real = static_cast<float>(byte) + static_cast<float>(trial) / 64;
          const auto put = [&](const auto& value) {
            const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
            values.insert(values.end(), raw, raw + sizeof(value));
          };
          if (type == ValueType::byte) put(byte);
          if (type == ValueType::int16) put(whole);
          if (type == ValueType::float32) put(real);
        }
        const auto here = client.ask(type, values), there = kernel->ask(type, values);
        ASSERT_TRUE(here.ok() && there.ok()) << (here.ok() ? there.error().message : here.error().message);
        EXPECT_EQ(here->outputs, there->outputs);
        EXPECT_EQ(here->label, there->label);
        EXPECT_EQ(here->model, there->model);
      }
  }
}

/// The one that this process has loaded; 0 = none.
std::uint32_t own_program() {
  const auto all = running_kernels().value();
  for (const RunningKernel& each : all)
    if (each.process == ::getpid()) return each.id;
  return 0;
}
std::uint64_t answered_inside() { return watch_kernel(own_program(), 0).value().counters.answered; }

TEST(Served, TheKernelAnswersWhatFitsAndFollowsTheModel) {
  SOMA_CABLE_OR_SKIP();
  const Model first = digits_model(32, 1), second = digits_model(32, 0.5F), real = [] {
    Model model = digits_model(32, 1);
    model.quantization.reset();
    return model;
  }();
  const Place place(first);
  cable->enter_server();
  auto server = InferenceServer::start(options_of(place, ServeKernel::automatic, "10.99.0.2")).value();
  EXPECT_THAT(server.datagrams(), HasSubstr("answered inside the kernel (generic XDP on soma1), all else here"));
  ASSERT_NE(own_program(), 0U);
  const std::string address = "10.99.0.2:" + port_of(server);
  const auto client_here = [&] {
    cable->enter_client();
    auto client = KernelClient::connect(address).value();
    cable->enter_server();
    return client;
  };
  auto client = client_here();
  expect_answers(client, first, outputs_of(first), kernel_model_tag(first).value());
  EXPECT_EQ(answered_inside(), 64U);
  expect_stream(client, outputs_of(first));
  EXPECT_EQ(answered_inside(), 64U + 8 * 29 * 2);

  const auto becomes = [&](const Model& model, const std::string& line) {
    place.put(model);
    server.reload();
    const Asked asked = outputs_of(model);
    const auto done = [&] {
      const auto answer = client.ask(ValueType::byte, sample(asked, 0));
      return server.datagrams().find(line) != std::string::npos && answer && answer->outputs == wanted(asked, 0);
    };
    for (int i = 0; i < 500 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_THAT(server.datagrams(), HasSubstr(line));
  };
  becomes(second, "answered inside the kernel");
  const std::uint64_t before = answered_inside();
  expect_answers(client, second, outputs_of(second), kernel_model_tag(second).value());
  EXPECT_EQ(answered_inside(), before + 64);

  becomes(real, "not inside the kernel: kernel: wanted a model in 8 bits");
  EXPECT_EQ(own_program(), 0U);  // nobody answers with the model before
  expect_answers(client, real, outputs_of(real), 0);

  becomes(first, "answered inside the kernel");
  EXPECT_NE(own_program(), 0U);
  expect_answers(client, first, outputs_of(first), kernel_model_tag(first).value());
}

}  // namespace
}  // namespace soma::test
