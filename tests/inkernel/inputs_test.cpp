// raw values of every kind → the bytes that soma predict makes of them, through tables and bytecode.
#include "inkernel/inputs.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "core/random.h"
#include "data/preprocess.h"
#include "kernels/int8.h"

namespace soma::test {
namespace {

using namespace bpf;

std::uint8_t counted(const std::vector<std::uint32_t>& thresholds, std::size_t table, std::uint32_t key) {
  std::uint8_t byte = 0;
  for (std::size_t v = 1; v < 256; ++v) byte = static_cast<std::uint8_t>(byte + (thresholds[table * 256 + v] <= key));
  return byte;
}

TEST(Inputs, TablesAreTheReferenceOnEveryThresholdAndBesideIt) {
  const Preprocess preprocess = {{{PreprocessKind::standardise, {5.84F, 3.05F, 0}, {0.83F, 0.43F, 1e-3F}, {}}}};
  for (const float scale : {1 / 255.0F, 0.0231F, 3e36F, 1.2e-38F}) {
    IntegerProgram program;
    program.values = {{1, 1, 3, 117}};
    program.input_scale = scale;
    const InputTables tables = input_tables(preprocess, {3}, program, 10).value();
    ASSERT_EQ(tables.tables, 3);
    const auto reference = [&](std::size_t feature, float x) {
      float row[3] = {x, x, x};
      std::uint8_t bytes[3];
      apply_steps(preprocess.steps, 0, 3, row, 3);
      reference_int8_kernels().quantize(row, scale, 117, bytes, 3);
      return bytes[feature];
    };
    const auto value = [](std::uint32_t key) { return std::bit_cast<float>(key >> 31 != 0 ? key ^ 0x80000000 : ~key); };
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t v = 1; v < 256; v += 3)
        for (std::uint32_t beside = 0; beside < 7; ++beside) {
          const std::uint32_t key = tables.floats[t * 256 + v] - 3 + beside;
          if (std::isnan(value(key))) continue;
          ASSERT_EQ(counted(tables.floats, t, key), reference(t, value(key))) << scale << " " << value(key);
        }
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const auto x = std::bit_cast<float>(random_u32(1, stream(Stream::test), i));
        if (std::isnan(x)) continue;
        ASSERT_EQ(counted(tables.floats, t, float_key(x)), reference(t, x)) << x;
      }
      for (int n = -32768; n < 32768; n += 97)
        ASSERT_EQ(counted(tables.shorts, t, static_cast<std::uint32_t>(n + 32768)), reference(t, static_cast<float>(n / 10.0)))
            << n;
      for (std::size_t b = 0; b < 256; ++b) ASSERT_EQ(tables.bytes[t * 256 + b], reference(t, static_cast<float>(b)));
    }
  }
}

TEST(Inputs, WhatLooksAtTheWholeSampleIsRefused) {
  IntegerProgram program;
  program.values = {{1, 1, 3, 0}};
  const auto problem = input_tables({{{PreprocessKind::midrange, {}, {}, {}}}}, {3}, program, 1);
  ASSERT_FALSE(problem.ok());
  EXPECT_EQ(problem.error().message.find("kernel: wanted preprocessing by fixed numbers"), 0U);
}

}  // namespace
}  // namespace soma::test
