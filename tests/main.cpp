// $SOMA_TEST_LOCALE → the tests of a program in that locale, as the library finds it in a host that has set one.
#include <gmock/gmock.h>

#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <locale>
#include <string_view>

namespace {

/// C's and C++'s, but for the language of messages, which tests read. False, with a line, where it does not have a decimal comma:
/// then nothing would be tested.
bool set_locale(const char* name) {
  if (std::setlocale(LC_ALL, name) == nullptr) {
    std::fprintf(stderr, "wanted the locale %s, found none of that name; scripts/setup makes it\n", name);
    return false;
  }
  std::locale::global(std::locale(name));
  std::setlocale(LC_MESSAGES, "C");
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%.1f", 0.5);
  if (std::string_view(text.data()) == "0,5") return true;
  std::fprintf(stderr, "wanted printf to write 0,5 under %s, got %s\n", name, text.data());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = std::getenv("SOMA_TEST_LOCALE");
  if (name != nullptr && !set_locale(name)) return 1;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
