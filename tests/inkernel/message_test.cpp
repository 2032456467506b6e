// samples ↔ messages: the bytes that docs/in-kernel.md promises.
#include "inkernel/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

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
  EXPECT_EQ(message::make_answer(*answer), bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto damaged = bytes;
    damaged[i] ^= 0x10;
    EXPECT_FALSE(read_answer(damaged).ok()) << i;
    EXPECT_FALSE(read_answer(std::span(bytes).first(i)).ok()) << i;
  }
}

// A server in user space takes what the program in the kernel takes, and answers it in the same bytes.
TEST(Message, QuestionsAreReadAsTheyAreMade) {
  const std::vector<std::uint8_t> values = {1, 0, 2, 0, 3, 0};
  const auto whole = make_question(ValueType::int16, values, 77, 3);
  const auto question = message::read_question(whole);
  ASSERT_TRUE(question.ok()) << question.error().message;
  EXPECT_EQ(question->type, ValueType::int16);
  EXPECT_EQ(question->id, 77U);
  EXPECT_EQ(question->count, 3);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), question->values.begin(), question->values.end()));
  for (std::size_t i = 0; i < 48; ++i) {  // header, values, and the zeros behind them
    auto other = whole;
    other[i] ^= 1;
    EXPECT_FALSE(message::read_question(other).ok()) << "byte " << i;
  }
  for (std::size_t size = 0; size < 48; ++size) EXPECT_FALSE(message::read_question(std::span(whole).first(size)).ok()) << size;

  const KernelAnswer said{77, 5, 1, {0.5F, 2, -3}};
  const auto answer = read_answer(message::make_answer(said)).value();
  EXPECT_EQ(answer.id, said.id);
  EXPECT_EQ(answer.model, said.model);
  EXPECT_EQ(answer.label, said.label);
  EXPECT_EQ(answer.outputs, said.outputs);
}

}  // namespace
}  // namespace soma::test
