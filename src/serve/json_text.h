// values → JSON, appended to a buffer without a tree in between: what the server answers with.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "serve/slab.h"

namespace soma {

/// Text as a JSON string, quotes included; bytes that are no UTF-8 are replaced.
void append_json(http::Buffer& body, std::string_view text);
/// The shortest decimal that reads back as the same number. What is not finite becomes null.
void append_json(http::Buffer& body, float value);
void append_json(http::Buffer& body, double value);
void append_json(http::Buffer& body, std::int64_t value);
void append_json(http::Buffer& body, std::uint64_t value);

/// Objects and arrays with their commas: write.open('{').field("a", 1).key("b").open('[').value(2).close(']').close('}').
class JsonWriter {
 public:
  explicit JsonWriter(http::Buffer& to) : to_(to) {}

  JsonWriter& open(char bracket) {
    comma();
    to_.append(bracket);
    follows_ = false;
    return *this;
  }
  JsonWriter& close(char bracket) {
    to_.append(bracket);
    follows_ = true;
    return *this;
  }
  JsonWriter& key(std::string_view name) {
    value(name);
    to_.append(':');
    follows_ = false;
    return *this;
  }
  JsonWriter& value(std::string_view text) { return put(text); }
  JsonWriter& value(const char* text) { return put(std::string_view(text)); }
  JsonWriter& value(double number) { return put(number); }
  JsonWriter& value(float number) { return put(number); }
  JsonWriter& value(std::same_as<bool> auto truth) {
    comma();
    to_.append(truth ? "true" : "false");
    return *this;
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) {
    return put(static_cast<std::conditional_t<std::unsigned_integral<T>, std::uint64_t, std::int64_t>>(number));
  }
  template <class T>
  JsonWriter& field(std::string_view name, const T& what) {
    return key(name).value(what);
  }
  template <class Range>
  JsonWriter& list(std::string_view name, const Range& values) {
    key(name).open('[');
    for (const auto& each : values) value(each);
    return close(']');
  }

 private:
  template <class T>
  JsonWriter& put(T what) {
    comma();
    append_json(to_, what);
    return *this;
  }
  void comma() {
    if (follows_) to_.append(',');
    follows_ = true;
  }
  http::Buffer& to_;
  bool follows_ = false;
};

}  // namespace soma
