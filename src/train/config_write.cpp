// Config → TOML that reads back as an equal Config.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "soma/config.h"
#include "train/config_fields.h"

namespace soma {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;  // key, value as TOML; in order

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string value(std::string& text) { return toml_string(text); }
std::string value(bool truth) { return truth ? "true" : "false"; }
std::string value(std::int64_t number) { return std::to_string(number); }
std::string value(std::uint64_t number) { return std::to_string(number); }
std::string value(int number) { return std::to_string(number); }
std::string value(double number) { return fmt::format("{}", number); }
std::string value(HeightWidth extents) {
  return extents.h == extents.w ? value(extents.h) : fmt::format("[{}, {}]", extents.h, extents.w);
}
std::string value(CountOrClasses size) { return size.count == 0 ? "\"classes\"" : value(size.count); }
std::string value(Node& node);
std::string value(WordOrNumber word) { return toml_string(word.text); }

template <class T>
std::string value(T& member);

template <class T>
std::string value(std::vector<T>& entries) {
  const bool lines = std::is_class_v<T> && !std::is_same_v<T, std::string>;
  std::string text;
  for (T& entry : entries) text += lines ? fmt::format("\n  {},", value(entry)) : (text.empty() ? "" : ", ") + value(entry);
  return lines && !entries.empty() ? "[" + text + "\n]" : "[" + text + "]";
}

std::string value(NamesOrIndices columns) { return columns.several.empty() ? toml_string(columns.one) : value(columns.several); }
std::string value(WeightsOrBalanced weights) { return weights.balanced ? "\"balanced\"" : value(weights.weights); }

template <class T>
std::string value(std::optional<T>& present) {
  return present ? value(*present) : "";
}

template <class T>
Pairs pairs(T& members) {
  Pairs all;
  fields(members, [&all](std::string_view key, auto&& member) {
    if (std::string text = value(member); !text.empty()) all.emplace_back(key, std::move(text));
  });
  return all;
}

/// What a config that names only the first key, the kind or type, would hold: the rest need not be written.
template <class T>
T plain(const T&) {
  return {};
}
PreprocessSpec plain(const PreprocessSpec& step) {
  PreprocessSpec plain_step;
  if (step.kind == PreprocessKind::divide) plain_step.by = std::numeric_limits<double>::quiet_NaN();  // always written
  return plain_step;
}
Node plain(const Node& node) {
  Node plain_node;
  for (const Layer& prototype : layer_prototypes())
    if (layer_kind(prototype) == layer_kind(node.layer)) plain_node.layer = prototype;
  if (auto* pool = std::get_if<Pool>(&plain_node.layer)) {
    pool->stride_h = std::get<Pool>(node.layer).size_h;
    pool->stride_w = std::get<Pool>(node.layer).size_w;
  }
  return plain_node;
}

template <class T>
std::string inline_table(T& members, std::string text) {
  T defaults = plain(members);
  const Pairs known = pairs(defaults);
  for (const auto& entry : pairs(members))
    if (text.empty() || std::find(known.begin(), known.end(), entry) == known.end())
      text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", entry.first, entry.second);
  return "{ " + text + " }";
}

std::string value(Node& node) { return inline_table(node, "type = " + toml_string(layer_kind(node.layer))); }

/// An enumeration as its word; a struct as an inline table.
template <class T>
std::string value(T& member) {
  if constexpr (std::is_enum_v<T>)
    return toml_string(word(member));
  else
    return inline_table(member, "");
}

}  // namespace

std::string to_toml(const Config& config) {
  Config copy = config;  // fields() hands out writable members
  std::string text;
  fields(copy, [&text](std::string_view key, auto& member) {
    if constexpr (is_config_section<std::remove_cvref_t<decltype(member)>>) {
      text += fmt::format("\n[{}]\n", key);
      for (const auto& [inner, text_value] : pairs(member)) text += fmt::format("{} = {}\n", inner, text_value);
    } else {
      text += fmt::format("{} = {}\n", key, value(member));
    }
  });
  return text;
}

}  // namespace soma
