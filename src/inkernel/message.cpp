// a sample ↔ the message that asks for its class, and the answer: docs/in-kernel.md has the bytes.
#include "inkernel/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace soma {

using namespace message;

namespace {

template <class T>
void put(std::vector<std::uint8_t>& bytes, std::int64_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

template <class T>
T get(std::span<const std::uint8_t> bytes, std::int64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

}  // namespace

std::uint64_t message::checksum(std::span<const std::uint8_t> header, std::span<const std::uint8_t> values) {
  std::uint64_t a = 0, b = 0;
  for (const auto part : {header.first(kSums), values})
    for (std::size_t i = 0; i < part.size(); i += 4) b += a += get<std::uint32_t>(part, static_cast<std::int64_t>(i));
  for (int i = 0; i < 2; ++i) {
    a = (a & 0xffffffff) + (a >> 32);
    b = (b & 0xffffffff) + (b >> 32);
  }
  return a | b << 32;
}

std::vector<std::uint8_t> make_question(ValueType type, std::span<const std::uint8_t> values, std::uint64_t id,
                                        std::int64_t outputs, std::optional<std::uint64_t> position) {
  const auto count = std::ssize(values) / bytes_of(type), covered = value_bytes(type, count);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(kHeader + std::max(covered, 4 * outputs)));
  put(bytes, kMagic, kMagicWord);
  put(bytes, kVersion, kFormat);
  put(bytes, kKind, kQuestion);
  put(bytes, kType, static_cast<std::uint8_t>(type));
  put(bytes, kFlags, position ? kStream : std::uint8_t{0});
  put(bytes, kId, id);
  put(bytes, kCount, static_cast<std::uint16_t>(count));
  put(bytes, kPosition, position.value_or(0));
  std::copy(values.begin(), values.end(), bytes.begin() + kHeader);
  const std::span<const std::uint8_t> all = bytes;
  put(bytes, kSums, checksum(all, all.subspan(kHeader, static_cast<std::size_t>(covered))));
  return bytes;
}

Result<message::Question> message::read_question(std::span<const std::uint8_t> bytes) {
  const auto wrong = [](std::string_view got) {
    return Error{Error::Kind::data, fmt::format("kernel: wanted a question, got {}; try soma kernel ask", got)};
  };
  if (std::ssize(bytes) < kHeader || get<std::uint32_t>(bytes, kMagic) != kMagicWord || bytes[kVersion] != kFormat ||
      bytes[kKind] != kQuestion || bytes[kFlags] > kStream || bytes[kType] > static_cast<std::uint8_t>(ValueType::float32))
    return wrong("another message");
  Question question;
  question.type = static_cast<ValueType>(bytes[kType]);
  question.id = get<std::uint64_t>(bytes, kId);
  question.model = get<std::uint32_t>(bytes, kModel);
  question.count = get<std::uint16_t>(bytes, kCount);
  if (bytes[kFlags] == kStream) question.position = get<std::uint64_t>(bytes, kPosition);
  const std::int64_t covered = value_bytes(question.type, question.count);
  if (std::ssize(bytes) < kHeader + covered) return wrong("fewer values than it says");
  const auto values = bytes.subspan(kHeader);
  if (get<std::uint64_t>(bytes, kSums) != checksum(bytes, values.first(static_cast<std::size_t>(covered))))
    return wrong("one with another checksum");
  question.values = values.first(static_cast<std::size_t>(bytes_of(question.type) * question.count));
  return question;
}

std::vector<std::uint8_t> message::make_answer(const KernelAnswer& answer) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(kHeader) + 4 * answer.outputs.size());
  put(bytes, kMagic, kMagicWord);
  put(bytes, kVersion, kFormat);
  put(bytes, kKind, kAnswer);
  put(bytes, kType, static_cast<std::uint8_t>(ValueType::float32));
  put(bytes, kId, answer.id);
  put(bytes, kModel, answer.model);
  put(bytes, kCount, static_cast<std::uint16_t>(answer.outputs.size()));
  put(bytes, kClass, static_cast<std::uint16_t>(answer.label));
  std::memcpy(bytes.data() + kHeader, answer.outputs.data(), 4 * answer.outputs.size());
  const std::span<const std::uint8_t> all = bytes;
  put(bytes, kSums, checksum(all, all.subspan(kHeader)));
  return bytes;
}

Result<KernelAnswer> read_answer(std::span<const std::uint8_t> bytes) {
  const auto wrong = [](std::string_view got) {
    return Error{Error::Kind::data,
                 fmt::format("kernel: wanted an answer, got {}; try the port that soma kernel load names", got)};
  };
  if (std::ssize(bytes) < kHeader || get<std::uint32_t>(bytes, kMagic) != kMagicWord || bytes[kVersion] != kFormat)
    return wrong("another message");
  if (bytes[kKind] != kAnswer || bytes[kType] != static_cast<std::uint8_t>(ValueType::float32)) return wrong("a question");
  const std::int64_t count = get<std::uint16_t>(bytes, kCount);
  if (std::ssize(bytes) != kHeader + 4 * count) return wrong(fmt::format("{} bytes for {} outputs", bytes.size(), count));
  if (get<std::uint64_t>(bytes, kSums) != checksum(bytes, bytes.subspan(kHeader))) return wrong("one with another checksum");
  KernelAnswer answer;
  answer.id = get<std::uint64_t>(bytes, kId);
  answer.model = get<std::uint32_t>(bytes, kModel);
  answer.label = count == 0 ? -1 : get<std::uint16_t>(bytes, kClass);
  answer.outputs.resize(static_cast<std::size_t>(count));
  std::memcpy(answer.outputs.data(), bytes.data() + kHeader, 4 * answer.outputs.size());
  return answer;
}

}  // namespace soma
