// text → cells with their places, and back again; broken text → the place where it breaks.
#include "data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace soma {
namespace {

using Records = std::vector<std::vector<std::string>>;

Result<Records> read(std::string_view text) {
  CsvReader reader(text, "f.csv");
  Records records;
  std::vector<Cell> record;
  while (true) {
    const Result<bool> more = reader.next(record);
    if (!more) return more.error();
    if (!*more) return records;
    records.emplace_back();
    for (const Cell& cell : record) records.back().emplace_back(cell.text);
  }
}

std::string broken(std::string_view text) {
  const Result<Records> records = read(text);
  return records.ok() ? "" : records.error().message;
}

TEST(Csv, Fields) {
  EXPECT_EQ(*read("a,b\n1,2\n"), (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(*read("a,b\r\n\r\n1,2"), (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(*read("a,\n,b\n,"), (Records{{"a", ""}, {"", "b"}, {"", ""}}));
  EXPECT_EQ(*read(" a , b\t,c"), (Records{{"a", "b", "c"}}));
  EXPECT_EQ(*read("\xef\xbb\xbf"
                  "a\n"),
            (Records{{"a"}}));
  EXPECT_EQ(*read(""), Records{});
  EXPECT_EQ(*read("\n\r\n"), Records{});
}

TEST(Csv, QuotedFields) {
  EXPECT_EQ(*read(R"("a,b","say ""hi""",c)"), (Records{{"a,b", "say \"hi\"", "c"}}));
  EXPECT_EQ(*read("\"two\nlines\",x\n y , \" kept \" \n"), (Records{{"two\nlines", "x"}, {"y", " kept "}}));
  EXPECT_EQ(*read("\"\",\"\"\"\"\r\n"), (Records{{"", "\""}}));
}

TEST(Csv, PlacesAreThoseOfAnEditor) {
  CsvReader reader("\"a\nb\",  c\nd", "f");
  std::vector<Cell> record;
  ASSERT_TRUE(*reader.next(record));
  EXPECT_EQ(record[0].line, 1);
  EXPECT_EQ(record[0].column, 1);
  EXPECT_EQ(record[1].line, 2);
  EXPECT_EQ(record[1].column, 6);
  ASSERT_TRUE(*reader.next(record));
  EXPECT_EQ(record[0].line, 3);
  EXPECT_EQ(record[0].column, 1);
}

TEST(Csv, BrokenText) {
  EXPECT_EQ(broken("a\nb,\"c\nd\n"), "f.csv:2:3: wanted a closing quote, got the end of the file");
  EXPECT_EQ(broken("\"a\"b,c"), "f.csv:1:4: wanted a comma or the end of the line after the closing quote");
  EXPECT_EQ(broken("a,b\"c"), "f.csv:1:4: a quote inside a field; try to quote the whole field");
  EXPECT_EQ(broken(std::string_view("a,\0b", 4)), "f.csv:1:3: wanted text, got a zero byte");
}

TEST(Csv, WhatIsQuotedIsReadBack) {
  EXPECT_TRUE(rc::check([] {
    const auto cell = rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\",\n\r x1")));
    const auto records = *rc::gen::nonEmpty(rc::gen::container<Records>(rc::gen::container<std::vector<std::string>>(3, cell)));
    const std::string newline = *rc::gen::element<std::string>("\n", "\r\n");
    std::string text;
    for (const auto& record : records)
      for (std::size_t i = 0; i < record.size(); ++i) {
        text += i > 0 ? ",\"" : "\"";
        for (const char c : record[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
        text += i + 1 < record.size() ? "\"" : "\"" + newline;
      }
    RC_ASSERT(*read(text) == records);
  }));
}

TEST(Csv, NoTextMakesItCrash) {
  EXPECT_TRUE(rc::check([] {
    const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("\",\n\r 1a\0\xef", 9)));
    const Result<Records> records = read(text);
    RC_ASSERT((records.ok() || records.error().message.starts_with("f.csv:")));
  }));
}

TEST(Csv, Numbers) {
  EXPECT_EQ(parse_number("2.5"), 2.5);
  EXPECT_EQ(parse_number("+7"), 7.0);
  EXPECT_EQ(parse_number("-3e-2"), -0.03);
  EXPECT_EQ(parse_number(".5"), 0.5);
  for (const char* word : {"", "+", "-", "1x", "x1", "1 2", "nan", "inf", "0x10", "1e999", "+-1", "1,5", "--1"})
    EXPECT_EQ(parse_number(word), std::nullopt) << word;
}

}  // namespace
}  // namespace soma
