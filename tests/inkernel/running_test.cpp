// a program that one process loaded → what any other sees of it, changes in it, and takes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

#include "inkernel/cable.h"
#include "soma/kernel.h"

namespace soma::test {
namespace {

/// The one that this process loaded.
std::optional<RunningKernel> ours() {
  const auto all = running_kernels().value();
  const auto found = std::find_if(all.begin(), all.end(), [](const RunningKernel& each) { return each.process == ::getpid(); });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

TEST(Running, IsFoundSwappedAndUnloadedFromOutside) {
  SOMA_CABLE_OR_SKIP();
  Model models[] = {digits_model(32, 1), digits_model(32, 0.5F), digits_model(24, 1)};
  models[0].name = "first";
  models[1].name = "of the same shape";
  const Asked asked = outputs_of(models[0]);
  cable->enter_server();
  auto program = KernelProgram::load(models[0], {.port = 9100, .questions_per_second = 500'000}).value();
  ASSERT_FALSE(program.attached());
  ASSERT_TRUE(program.attach("soma1").ok());
  ASSERT_TRUE(program.attached());
  const auto seen = ours();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->model, "first");
  EXPECT_EQ(seen->model_tag, program.model_tag());
  EXPECT_EQ(seen->products, program.products());
  EXPECT_EQ(seen->interface, "soma1");
  EXPECT_EQ(seen->port, 9100);
  EXPECT_EQ(seen->mode, KernelMode::generic);
  EXPECT_EQ(seen->pin, "");

  cable->enter_client();
  auto client = KernelClient::connect("10.99.0.2:9100").value();
  const auto expect_from = [&](const Model& model) {
    const Asked now = outputs_of(model);
    const auto answer = client.ask(ValueType::byte, sample(asked, 5));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->outputs, wanted(now, 5));
    EXPECT_EQ(ours()->model_tag, answer->model);
  };
  expect_from(models[0]);
  EXPECT_EQ(swap_kernel(seen->id, models[1], 100'000).value(), KernelSwap::weights);
  expect_from(models[1]);
  EXPECT_EQ(ours()->model, "of the same shape");
  EXPECT_EQ(swap_kernel(seen->id, models[2], 100'000).value(), KernelSwap::program);
  expect_from(models[2]);
  // The process that loaded it goes on from what is there now, not from what it left.
  EXPECT_EQ(program.swap(models[0]).value(), KernelSwap::program);
  expect_from(models[0]);
  EXPECT_EQ(program.swap(models[1]).value(), KernelSwap::weights);
  expect_from(models[1]);
  const auto refused = swap_kernel(seen->id, models[0], 10);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, testing::HasSubstr("at most 10 multiply-adds"));

  const auto use = watch_kernel(seen->id, 0.01).value();
  EXPECT_EQ(use.counters.answered, 5U);  // by all programs that had a turn
  EXPECT_EQ(use.runs, 0U);
  ASSERT_TRUE(unload_kernel(seen->id).ok());
  EXPECT_FALSE(program.attached());
  EXPECT_FALSE(ours());
  const auto gone = unload_kernel(seen->id);
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().message, testing::HasSubstr("soma kernel list"));
}

TEST(Running, PinnedOnesOutliveWhoLoadedThem) {
  SOMA_CABLE_OR_SKIP();
  const std::filesystem::path place = std::filesystem::path(testing::TempDir()) / "soma-bpf";
  std::filesystem::create_directories(place);
  ASSERT_EQ(::mount("bpf", place.c_str(), "bpf", 0, nullptr), 0) << std::strerror(errno);
  const Model model = digits_model(32, 1);
  cable->enter_server();
  {
    auto program = KernelProgram::load(model).value();
    const auto refused = program.attach("soma1", KernelMode::automatic, testing::TempDir() + "nowhere");
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, testing::HasSubstr("mount -t bpf"));
    EXPECT_FALSE(program.attached());
    ASSERT_TRUE(program.attach("soma1", KernelMode::automatic, place / "digits").ok());
  }
  const auto seen = ours();
  EXPECT_TRUE(seen);
  EXPECT_TRUE(std::filesystem::exists(place / "digits"));
  if (seen) {
    EXPECT_EQ(seen->pin, (place / "digits").string());
    EXPECT_TRUE(unload_kernel(seen->id).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(place / "digits"));
  EXPECT_FALSE(ours());
  EXPECT_EQ(::umount(place.c_str()), 0);
}

}  // namespace
}  // namespace soma::test
