// packets → the same features and classes in user space, in the machine of the tests and in the kernel; at an interface they
// pass, are dropped or marked, and a socket gets what it is to get.
#include "soma/classify.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "inkernel/cable.h"
#include "inkernel/classifier_program.h"
#include "inkernel/compiled.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "inkernel/vm.h"
#include "integer/interpreter.h"
#include "model/check.h"
#include "model/zoo.h"

namespace soma::test {
namespace {

using namespace bpf;

Model packets_model(std::int64_t hidden, std::int64_t classes) {
  Model model = make_model(
      {10}, {{"", Linear{hidden}, {}, {}}, {"", Activation{Activation::Kind::relu}, {}, {}}, {"", Linear{classes}, {}, {}}});
  PreprocessStep step{.kind = PreprocessKind::standardise, .offset = {}, .divisor = {}};
  for (const float each : {500.0F, 10.0F, 2.0F, 20000.0F, 16.0F, 60.0F, 5.0F, 4000.0F, 1e6F, 5e6F}) {
    step.offset.push_back(each);
    step.divisor.push_back(each);
  }
  model.preprocess.steps = {step};
  return model;
}

std::vector<std::uint8_t> frame_of(std::uint64_t seed) {
  const auto draw = [&](std::uint64_t i) { return random_u32(seed, stream(Stream::test), i); };
  const bool v6 = draw(0) % 2 == 1;
  auto frame = make_frame(std::vector<std::uint8_t>(draw(1) % 1200), static_cast<std::uint16_t>(draw(2) % 5), v6);
  const std::size_t protocol = v6 ? 20 : 23;
  if (draw(3) % 3 == 0) frame[protocol] = 6;
  if (draw(3) % 7 == 0) frame[protocol] = static_cast<std::uint8_t>(draw(4));
  if (draw(5) % 6 == 0) frame[14] = static_cast<std::uint8_t>(v6 ? 0x60 : 0x45 + draw(6) % 4);
  if (draw(7) % 9 == 0 && !v6) frame[21] = 5;  // a later fragment
  if (draw(8) % 20 == 0) frame[13] = 6;        // ARP
  if (draw(9) % 10 == 0) frame.resize(34 + draw(10) % (frame.size() - 33));
  return frame;
}

Dataset features_of_many() {
  Dataset samples;
  samples.shape = {10};
  FlowTable flows;
  for (std::uint64_t i = 0; i < 400; ++i)
    if (const auto features = flows.add(frame_of(i), i * 700'000)) {
      samples.floats.insert(samples.floats.end(), features->begin(), features->end());
      ++samples.count;
    }
  return samples;
}

/// Class 0 for short packets, 1 for those of 300 bytes and more, 2 from the fourth of their flow on.
Model lengths_model() {
  Model model = make_model({10}, {{"", Linear{3}, {}, {}}});
  for (Tensor& tensor : model.parameters) std::fill(tensor.values.begin(), tensor.values.end(), 0.0F);
  std::vector<float>& weights = model.parameters[0].values;
  std::vector<float>& bias = model.parameters[1].values;
  weights[0 * 10 + 0] = -1, bias[0] = 300;
  weights[1 * 10 + 0] = 1, bias[1] = -300;
  weights[2 * 10 + 6] = 1000, bias[2] = -3000;
  Dataset samples;
  samples.shape = {10};
  samples.count = 2;
  samples.floats = std::vector<float>(20, 0.0F);
  std::fill_n(samples.floats.begin() + 10, 10, 1000.0F);
  return quantize(model, samples).value();
}

/// 5000 packets; `seen` counts the classes, from -1 on.
void expect_same(const Model& model, std::array<int, 5>& seen) {
  Predictor predictor = Predictor::create(model, {.threads = 1}).value();
  // The program in the machine of the tests.
  const IntegerProgram program = integer_program(model).value();
  const InputTables tables = whole_number_tables(model.preprocess, model.input, program, 0, kMostFeature, 1).value();
  const Prepared prepared = prepare(program, tables, 5, kClassifierRaw).value();
  Machine machine(classifier_program(prepared.layout, Sight::trial), prepared.image, prepared.layout.scratch,
                  {kFlowKeyBytes, kFlowBytes});
  auto kernel = KernelClassifier::load(model, {});
  if (!kernel) std::fprintf(stderr, "SKIPPED in the kernel, run in the machine only: %s\n", kernel.error().message.c_str());
  FlowTable flows;
  std::uint64_t now = 1000;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const auto frame = frame_of(i);
    now += random_u32(i, stream(Stream::test), 77) % 5'000'000;
    std::int32_t wanted = -1;
    const auto features = flows.add(frame, now);
    if (features) {
      Dataset one;
      one.shape = {10};
      one.count = 1;
      one.floats.assign(features->begin(), features->end());
      wanted = predictor.predict(one).value()[0].label;
    }
    ++seen[static_cast<std::size_t>(wanted + 1)];
    const Ran ran = machine.classify(frame, now);
    ASSERT_EQ(ran.problem, "") << i;
    ASSERT_EQ(static_cast<std::int32_t>(ran.result), wanted) << i;
    if (features)
      for (std::size_t f = 0; f < features->size(); ++f) {
        std::uint64_t number = 0;
        std::memcpy(&number, machine.scratch().data() + kFeatures + 8 * static_cast<std::int64_t>(f), 8);
        ASSERT_EQ(static_cast<float>(std::min<std::uint64_t>(number, kMostFeature)), (*features)[f])
            << kFlowFeatures[f] << ", " << i;
      }
    if (kernel && (features || frame[12] != 0x86)) {  // TEST_RUN takes no half IPv6 header
      ASSERT_EQ(kernel->label(frame, now).value(), wanted) << i;
    }
  }
}

TEST(Classifier, SaysOfEveryPacketWhatUserSpaceSays) {
  std::array<int, 5> seen{};
  for (const Model& model : {quantize(packets_model(16, 4), features_of_many()).value(), lengths_model()})
    expect_same(model, seen);
  EXPECT_GT(std::count_if(seen.begin(), seen.end(), [](int count) { return count > 50; }), 3);  // else nothing was shown
}

int socket_at(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const timeval soon{0, 100'000};
  EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
  return made;
}
/// From a port of its own: another flow.
void send_to(const char* host, std::uint16_t port, std::size_t bytes) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host, &address.sin_addr);
  const std::vector<std::uint8_t> payload(bytes);
  ASSERT_EQ(::sendto(socket.get(), payload.data(), bytes, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            static_cast<ssize_t>(bytes));
}
int received(int socket) {
  std::array<std::uint8_t, 2048> buffer;
  int count = 0;
  while (::recv(socket, buffer.data(), buffer.size(), 0) >= 0) ++count;
  return count;
}

TEST(Classifier, AtAnInterfacePacketsPassAreDroppedOrMarked) {
  SOMA_CABLE_OR_SKIP();
  cable->enter_server();
  auto classifier =
      KernelClassifier::load(lengths_model(), {.verdicts = {{}, {Verdict::Kind::drop}, {Verdict::Kind::mark, 7}}}).value();
  ASSERT_TRUE(classifier.attach("soma1").ok());
  const Descriptor socket(socket_at(5000));
  const auto all = running_kernels().value();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const RunningKernel& each) {
    return each.process == ::getpid() && each.tc == "ingress" && each.interface == "soma1";
  }));
  cable->enter_client();
  for (int i = 0; i < 20; ++i) {
    send_to("10.99.0.2", 5000, 50);  // 78 bytes of IP
    send_to("10.99.0.2", 5000, 800);
  }
  EXPECT_EQ(received(socket.get()), 20);
  const auto counted = classifier.counters().value();
  EXPECT_GE(counted.passed, 20U);
  EXPECT_EQ(counted.dropped, 20U);
}

TEST(Classifier, BeforeASocketItKeepsAndDrops) {
  auto classifier = KernelClassifier::load(lengths_model(), {.verdicts = {{}, {Verdict::Kind::drop}}});
  if (!classifier) GTEST_SKIP() << "SKIPPED, no socket was guarded: " << classifier.error().message;
  const Descriptor socket(socket_at(0));
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const std::uint16_t port = ntohs(address.sin_port);
  const auto none = classifier->gate(::getpid(), static_cast<std::uint16_t>(port == 1 ? 2 : 1));
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, testing::HasSubstr("at port"));
  ASSERT_TRUE(classifier->gate(::getpid(), port).ok());
  for (int i = 0; i < 10; ++i) {
    send_to("127.0.0.1", port, 50);
    send_to("127.0.0.1", port, 800);
  }
  EXPECT_EQ(received(socket.get()), 10);
  EXPECT_EQ(classifier->counters().value().dropped, 10U);
  { const KernelClassifier gone = std::move(*classifier); }
  send_to("127.0.0.1", port, 800);
  EXPECT_EQ(received(socket.get()), 1);
}

TEST(Classifier, OtherModelsAreRefused) {
  const auto refused = KernelClassifier::load(digits_model(8, 1), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, testing::HasSubstr("wanted a model of 10 features of packets, got one of 784 inputs"));
}

}  // namespace
}  // namespace soma::test
