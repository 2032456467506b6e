// numbers and hostile words → what a page may say.
#include "report/words.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace soma::report {
namespace {

TEST(Words, NothingFromDataBecomesMarkup) {
  EXPECT_EQ(escaped("<script>alert('x\"&')</script>"), "&lt;script&gt;alert(&#39;x&quot;&amp;&#39;)&lt;/script&gt;");
  EXPECT_EQ(escaped("Grüße, 数字, 🙂"), "Grüße, 数字, 🙂");
  EXPECT_EQ(escaped(std::string("a\0b\x1b", 4)), "a�b�");
  EXPECT_EQ(escaped("\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf5\x80\x80\x80"), "�|�|��|���|����") << "not UTF-8";
}

RC_GTEST_PROP(Words, EscapedWordsHoldNoCharacterThatEndsText, (const std::string& any)) {
  for (const char c : escaped(any)) RC_ASSERT(c != '<' && c != '>' && c != '"' && c != '\'' && c != '\0');
}

TEST(Words, NumbersAreForPeople) {
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(9999), "9999");
  EXPECT_EQ(grouped(1234567), "1\u202f234\u202f567");
  EXPECT_EQ(grouped(-12345), "−12\u202f345");
  EXPECT_EQ(grouped(123456), "123\u202f456");
  EXPECT_EQ(percent(0.9926), "99.26\u202f%");
  EXPECT_EQ(percent(1), "100.0\u202f%");
  EXPECT_EQ(percent(0.4567), "45.7\u202f%");
  EXPECT_EQ(percent(std::numeric_limits<double>::quiet_NaN()), "–");
  EXPECT_EQ(duration(12e-6), "12\u202fµs");
  EXPECT_EQ(duration(0.0456), "45.6\u202fms");
  EXPECT_EQ(duration(3.456), "3.46\u202fs");
  EXPECT_EQ(duration(200), "3\u202fmin 20\u202fs");
  EXPECT_EQ(duration(7260), "2\u202fh 1\u202fmin");
  EXPECT_EQ(fixed(-0.0004, 2), "0.00") << "no minus before nothing";
  EXPECT_EQ(fixed(-1234567.5, 1), "−1\u202f234\u202f567.5");
  EXPECT_EQ(with_prefix(999), "999");
  EXPECT_EQ(with_prefix(1234567), "1.23\u202fM");
  EXPECT_EQ(brief(0), "0");
  EXPECT_EQ(brief(0.0123456), "0.0123");
  EXPECT_EQ(brief(2e-5), "2e-5");
  EXPECT_EQ(brief(1.5), "1.5");
  EXPECT_EQ(brief(40000), "40\u202f000");
  EXPECT_EQ(brief(-0.25), "−0.25");
}

}  // namespace
}  // namespace soma::report
