// samples ↔ messages: the bytes that docs/in-kernel.md promises.
#include "inkernel/message.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace soma::test {
namespace {

std::vector<std::uint8_t> golden(const std::string& name) {
  std::ifstream file(std::string(SOMA_SOURCE_DIR) + "/tests/golden/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Message, QuestionsAreTheGoldenBytes) {
  const std::vector<std::uint8_t> values = {1, 2, 3, 250, 5};
  EXPECT_EQ(make_question(ValueType::byte, values, 0x0102030405060708, 3), golden("kernel_question.bin"));
}

TEST(Message, AnswersAreReadAndDamageIsFound) {
  const auto bytes = golden("kernel_answer.bin");
  const auto answer = read_answer(bytes);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->id, 0x0102030405060708U);
  EXPECT_EQ(answer->model, 0xcafeU);
  EXPECT_EQ(answer->label, 1);
  EXPECT_EQ(answer->outputs, (std::vector<float>{-1.5F, 2.25F, 0}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto damaged = bytes;
    damaged[i] ^= 0x10;
    EXPECT_FALSE(read_answer(damaged).ok()) << i;
    EXPECT_FALSE(read_answer(std::span(bytes).first(i)).ok()) << i;
  }
}

}  // namespace
}  // namespace soma::test
