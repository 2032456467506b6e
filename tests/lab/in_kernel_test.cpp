// questions over the loopback of a network of their own → a plain server's answers, counted, timed and compared.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "inkernel/message.h"
#include "lab/inkernel/asking.h"
#include "model/zoo.h"
#include "soma/kernel.h"

namespace soma::test {
namespace {

TEST(InKernel, PlainServersAnswerWhatPredictSays) {
  Dataset samples;
  samples.shape = {1, 6, 6};
  samples.count = 8;
  for (int i = 0; i < 8 * 36; ++i) samples.bytes.push_back(static_cast<std::uint8_t>(37 * i));
  const Model model = quantize(make_model({1, 6, 6}, {{"", Flatten{}, {}, {}}, {"", Linear{3}, {}, {}}}), samples).value();
  samples.count = 1;
  samples.bytes.resize(36);
  KernelAnswer said;
  said.id = 9;
  said.model = kernel_model_tag(model).value();
  auto predictor = Predictor::create(model, {.threads = 1}).value();
  said.outputs = predictor.outputs(samples).value();
  said.label = predictor.predict(samples).value().front().label;
  const auto question = make_question(ValueType::byte, samples.bytes, said.id, 3), expected = message::make_answer(said);
  const auto ran = in_new_network([&]() -> Result<void> {
    for (const bool spinning : {false, true}) {
      const auto server = PlainServer::start(model, 9001, 0, spinning);
      if (!server) return server.error();
      const auto asked = ask_port(9001, question, expected, 64);
      if (!asked) return asked.error();
      EXPECT_EQ(asked->answers, 128);
      EXPECT_EQ(asked->wrong, 0);
      EXPECT_EQ(asked->lost, 0);
      EXPECT_EQ(asked->latency.count(), 64U);
      EXPECT_GE((*server)->system_calls(), 2 * 64 + 2 * 2);
      auto other = expected;
      other.back() ^= 1;
      EXPECT_EQ(ask_port(9001, question, other, 32).value().wrong, 64);
    }
    return {};
  });
  if (!ran && ran.error().kind == Error::Kind::unavailable) GTEST_SKIP() << "SKIPPED, nothing was asked: " << ran.error().message;
  EXPECT_TRUE(ran.ok()) << ran.error().message;
}

}  // namespace
}  // namespace soma::test
