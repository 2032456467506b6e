// events → bytes that follow their standards: checksums, frames, how values are spread. TensorBoard itself judges them in
// tests/e2e.
#include "report/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>

#include "core/file.h"
#include "model/scratch.h"
#include "report/record.h"
#include "soma/report.h"

namespace soma::report {
namespace {

using testing::HasSubstr;

TEST(Record, ChecksumIsTheOneOfItsStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU) << "RFC 3720, B.4";
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Record, FrameHasLengthAndTwoChecksums) {
  const std::string bytes = record("abc");
  ASSERT_EQ(bytes.size(), 8 + 4 + 3 + 4U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(12, 3), "abc");
}

TEST(Spread, CountsEveryFiniteValueOnce) {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(static_cast<float>(i % 37) * 0.25F - 3);
  const Spread all = spread_of(values);
  EXPECT_EQ(all.count, 1000);
  EXPECT_EQ(all.min, -3);
  EXPECT_EQ(all.max, 6);
  EXPECT_EQ(all.limits.size(), all.counts.size());
  EXPECT_EQ(all.limits.back(), 6);
  EXPECT_TRUE(std::is_sorted(all.limits.begin(), all.limits.end()));
  EXPECT_EQ(std::accumulate(all.counts.begin(), all.counts.end(), 0.0), 1000);
  // Each limit bounds exactly what has been counted up to it.
  double below = 0;
  for (std::size_t i = 0; i < all.limits.size(); ++i) {
    below += all.counts[i];
    EXPECT_EQ(below, std::count_if(values.begin(), values.end(), [&](float x) { return x <= all.limits[i] + 1e-9; })) << i;
  }
}

TEST(Spread, StrangeValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const Spread some = spread_of(std::vector{nan, 1.0F, infinity, -infinity, 1.0F});
  EXPECT_EQ(some.count, 2);
  EXPECT_EQ(some.counts, std::vector<double>{2});
  EXPECT_EQ(spread_of(std::vector{nan}).count, 0);
  EXPECT_EQ(spread_of({}).limits.size(), 1U);
  const Spread widest = spread_of(std::vector{-3e38F, 3e38F});
  EXPECT_EQ(widest.counts.front() + widest.counts.back(), 2);
}

TEST(EventWriter, AppendsToAFileOfItsOwn) {
  const Scratch scratch;
  auto writer = EventWriter::create(scratch / "new/directory").value();
  EpochRecord record;
  record.epoch = 1;
  record.validation_loss = 0.5;
  writer.epoch(record).value();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "new/directory")) {
    ++files;
    EXPECT_THAT(entry.path().filename().string(), testing::StartsWith("events.out.tfevents."));
    const std::string bytes = read_file(entry.path()).value();
    EXPECT_THAT(bytes, HasSubstr("brain.Event:2"));
    EXPECT_THAT(bytes, HasSubstr("loss/train"));
    EXPECT_THAT(bytes, HasSubstr("loss/validation"));
    EXPECT_THAT(bytes, testing::Not(HasSubstr("accuracy/validation"))) << "there was none";
  }
  EXPECT_EQ(files, 1);
}

TEST(EventWriter, SaysWhereItCannotWrite) {
  const Scratch scratch;
  write_file(scratch / "file", "not a directory").value();
  const auto writer = EventWriter::create(scratch / "file");
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.error().kind, Error::Kind::io);
  EXPECT_THAT(writer.error().message, HasSubstr("file"));
}

}  // namespace
}  // namespace soma::report
