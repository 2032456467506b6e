// questions over a pair of virtual network interfaces, each in a namespace of its own → answers out of the kernel, while models
// change.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "inkernel/cable.h"
#include "soma/kernel.h"

namespace soma::test {
namespace {

std::int64_t asked_for(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoll(text);
}

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
  EXPECT_EQ(counters.answered, static_cast<std::uint64_t>(questions));
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
    for (std::int64_t i = 0; i < swaps && failed.empty(); ++i) {
      const auto swapped = program.swap(models[kOrder[i % 4]]);
      if (!swapped)
        failed = swapped.error().message;
      else if (*swapped != (i % 4 < 2 ? KernelSwap::weights : KernelSwap::program))
        failed = "a swap of the other kind";
    }
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
