// TOML or key=value → Config: every key known, every value of the right type, errors with file, line and column.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <limits>

#include "core/file.h"
#include "core/text.h"
#include "train/config_fields.h"

namespace soma {
namespace {

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("the string '{}'", text->get());
  if (const auto* number = node.as_integer()) return fmt::format("the integer {}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("the number {}", number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a date or time";
}

std::string normalised(std::string_view word) {
  std::string text(word);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

/// A TOML table walked beside a struct. Stops at the first error.
class Reader {
 public:
  explicit Reader(std::string_view origin) : origin_(origin) {}

  /// The members of `value` named in `table`, left alone where the table says nothing. `prefix` is the dotted way here;
  /// `known` are keys that somebody else reads.
  template <class T>
  void read(const toml::table& table, T& value, const std::string& prefix, std::vector<std::string> known = {}) {
    fields(value, [&](std::string_view key, auto&& member) {
      known.push_back(prefix + std::string(key));
      if (const toml::node* node = table.get(key); node != nullptr && !error_) take(*node, member, known.back());
    });
    reject_unknown(table, known, prefix);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void fail(const toml::source_region& at, std::string message) {
    if (error_) return;
    if (at.begin) message = fmt::format("{}:{}:{}: {}", origin_, at.begin.line, at.begin.column, message);
    error_ = Error{Error::Kind::usage, std::move(message)};
  }
  void wanted(const toml::node& node, const std::string& name, std::string_view what) {
    fail(node.source(), fmt::format("{}: wanted {}, got {}", name, what, describe(node)));
  }

  void reject_unknown(const toml::table& table, const std::vector<std::string>& known, const std::string& prefix) {
    for (auto&& [key, node] : table) {
      const std::string dotted = prefix + std::string(key.str());
      if (std::find(known.begin(), known.end(), dotted) != known.end()) continue;
      std::string hint = nearest(dotted, known);
      if (hint.empty()) {  // the right key under another section
        const std::vector<std::string> all = config_keys();
        const std::string last = "." + std::string(key.str());
        const auto found = std::find_if(all.begin(), all.end(), [&](const std::string& x) { return x.ends_with(last); });
        if (found != all.end()) hint = *found;
      }
      fail(key.source(), hint.empty() ? fmt::format("unknown key '{}'{}", dotted, suggestion(dotted, known))
                                      : fmt::format("unknown key '{}'; did you mean '{}'?", dotted, hint));
    }
  }

  void take(const toml::node& node, std::string& value, const std::string& name) {
    if (const auto* text = node.as_string())
      value = text->get();
    else
      wanted(node, name, "a string");
  }
  void take(const toml::node& node, bool& value, const std::string& name) {
    if (const auto* truth = node.as_boolean())
      value = truth->get();
    else
      wanted(node, name, "true or false");
  }
  void take(const toml::node& node, double& value, const std::string& name) {
    if (const auto* number = node.as_floating_point())
      value = number->get();
    else if (const auto* whole = node.as_integer())
      value = static_cast<double>(whole->get());
    else
      wanted(node, name, "a number");
  }
  void take(const toml::node& node, std::int64_t& value, const std::string& name) {
    if (const auto* number = node.as_integer())
      value = number->get();
    else
      wanted(node, name, "an integer");
  }
  void take(const toml::node& node, int& value, const std::string& name) {
    const auto* number = node.as_integer();
    if (number != nullptr && number->get() >= 0 && number->get() <= std::numeric_limits<int>::max())
      value = static_cast<int>(number->get());
    else
      wanted(node, name, "an integer, 0 or more");
  }
  void take(const toml::node& node, std::uint64_t& value, const std::string& name) {
    if (const auto* number = node.as_integer(); number != nullptr && number->get() >= 0)
      value = static_cast<std::uint64_t>(number->get());
    else
      wanted(node, name, "an integer, 0 or more");
  }
  template <class T>
  void take(const toml::node& node, std::optional<T>& value, const std::string& name) {
    T present{};
    take(node, present, name);
    value = present;
  }
  void take(const toml::node& node, std::optional<Task>& value, const std::string& name) {
    const auto* text = node.as_string();
    value.reset();
    if (text != nullptr && text->get() == "auto") return;
    Task task{};
    take(node, task, name);
    value = task;
  }
  void take(const toml::node& node, NamesOrIndices value, const std::string& name) {
    value.one.clear();
    value.several.clear();
    const auto column = [&](const toml::node& entry, std::string& text) {
      if (const auto* index = entry.as_integer())
        text = std::to_string(index->get());
      else if (entry.is_string())
        take(entry, text, name);
      else
        wanted(entry, name, "a column's name or index, or a list of them");
    };
    const auto* list = node.as_array();
    if (list == nullptr) return column(node, value.one);
    for (const toml::node& entry : *list) column(entry, value.several.emplace_back());
  }
  void take(const toml::node& node, WordOrNumber value, const std::string& name) {
    if (const auto* whole = node.as_integer())
      value.text = std::to_string(whole->get());
    else if (const auto* number = node.as_floating_point())
      value.text = fmt::format("{}", number->get());
    else
      take(node, value.text, name);
  }
  void take(const toml::node& node, WeightsOrBalanced value, const std::string& name) {
    const auto* text = node.as_string();
    value.balanced = text != nullptr && text->get() == "balanced";
    if (value.balanced)
      value.weights.clear();
    else if (text != nullptr)
      wanted(node, name, "a list of numbers, or \"balanced\"");
    else
      take(node, value.weights, name);
  }
  void take(const toml::node& node, CountOrClasses value, const std::string& name) {
    if (const auto* text = node.as_string(); text != nullptr && (text->get() == "classes" || text->get() == "targets"))
      value.count = 0;
    else if (const auto* number = node.as_integer(); number != nullptr && number->get() > 0)
      value.count = number->get();
    else
      wanted(node, name, "a count of 1 or more, or \"classes\"");
  }
  void take(const toml::node& node, HeightWidth value, const std::string& name) {
    if (const auto* both = node.as_integer()) {
      value.h = value.w = both->get();
      return;
    }
    const auto* pair = node.as_array();
    if (pair == nullptr || pair->size() != 2) return wanted(node, name, "one integer, or [height, width]");
    take(*pair->get(0), value.h, name);
    take(*pair->get(1), value.w, name);
  }
  template <class T>
  void take(const toml::node& node, std::vector<T>& values, const std::string& name) {
    const auto* list = node.as_array();
    if (list == nullptr) return wanted(node, name, "a list");
    values.clear();
    for (const toml::node& entry : *list) {
      values.emplace_back();
      take(entry, values.back(), name);
    }
  }

  /// An enumeration by its word; or a struct by its table.
  template <class T>
  void take(const toml::node& node, T& value, const std::string& name) {
    if constexpr (std::is_enum_v<T>) {
      const auto* text = node.as_string();
      if (text == nullptr) return wanted(node, name, "a word");
      const auto known = words(value);
      const auto found = std::find(known.begin(), known.end(), normalised(text->get()));
      if (found != known.end()) {
        value = static_cast<T>(found - known.begin());
      } else {
        const std::vector<std::string> candidates(known.begin(), known.end());
        fail(node.source(), fmt::format("{}: unknown word '{}'{}", name, text->get(), suggestion(text->get(), candidates)));
      }
    } else {
      if (const auto* table = node.as_table())
        read(*table, value, name + ".");
      else
        wanted(node, name, "a table");
    }
  }

  void take(const toml::node& node, Node& value, const std::string& name) {
    const auto* table = node.as_table();
    if (table == nullptr) return wanted(node, name, "a table such as { type = \"relu\" }");
    const auto* type = table->get_as<std::string>("type");
    if (type == nullptr) return fail(node.source(), fmt::format("{}: a layer wants its type, such as type = \"relu\"", name));

    std::vector<std::string> known;
    for (const Layer& prototype : layer_prototypes()) {
      known.push_back(layer_kind(prototype));
      if (known.back() != normalised(type->get())) continue;
      value.layer = prototype;
      read(*table, value, known.back() + ".", {known.back() + ".type"});
      if (auto* pool = std::get_if<Pool>(&value.layer); pool != nullptr && !table->contains("stride")) {
        pool->stride_h = pool->size_h;
        pool->stride_w = pool->size_w;
      }
      return require_sizes(node, value.layer, known.back());
    }
    fail(type->source(), fmt::format("{}: unknown layer type '{}'{}", name, type->get(), suggestion(type->get(), known)));
  }

  void require_sizes(const toml::node& node, const Layer& layer, const std::string& kind) {
    const auto* linear = std::get_if<Linear>(&layer);
    const auto* conv = std::get_if<Conv2d>(&layer);
    if ((linear != nullptr && linear->out == kMustBeGiven) || (conv != nullptr && conv->out == kMustBeGiven))
      fail(node.source(), fmt::format("a {} layer wants its size, such as out = 32", kind));
    if (conv != nullptr && conv->kernel_h == kMustBeGiven)
      fail(node.source(), fmt::format("a {} layer wants its kernel, such as kernel = 3", kind));
  }

  std::string origin_;
  std::optional<Error> error_;
};

/// The line of a key of more parts than any config has; 0 when there is none. Each part is a table in a table, and toml++, which
/// limits how deep values nest, takes as many as the stack does not.
std::int64_t too_deep_key(std::string_view toml) {
  constexpr int kMostParts = 64;
  std::int64_t line = 1;
  int parts = 1;
  for (std::size_t at = 0; at < toml.size(); ++at) {
    const char c = toml[at];
    if (c == '\n') ++line;
    if (c == '"' || c == '\'' || c == '#') {  // to the end of the word, or of the line
      const std::size_t end = toml.find_first_of(std::string({c == '#' ? '\n' : c, '\n'}), at + 1);
      if (end == toml.npos) return 0;
      at = toml[end] == '\n' ? end - 1 : end;
    }
    if (c == '\n' || c == '=' || c == ',' || c == '{') parts = 1;
    if (c == '.' && ++parts > kMostParts) return line;
  }
  return 0;
}

}  // namespace

Result<Config> parse_config(std::string_view toml, std::string_view origin) {
  if (const std::int64_t line = too_deep_key(toml); line > 0)
    return Error{Error::Kind::usage,
                 fmt::format("{}:{}: wanted a key of at most 64 parts, got more; try another file", origin, line)};
  toml::table document;
  try {
    document = toml::parse(toml);
  } catch (const toml::parse_error& failure) {
    std::string reason(failure.description());
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    return Error{Error::Kind::usage,
                 fmt::format("{}:{}:{}: {}", origin, failure.source().begin.line, failure.source().begin.column, reason)};
  }
  Config config;
  Reader reader(origin);
  reader.read(document, config, "");
  if (reader.error()) return *reader.error();
  return config;
}

Result<Config> load_config(const std::filesystem::path& file) {
  constexpr std::size_t kLimit = std::size_t{16} << 20;  // far above any config: a model given by mistake fails early
  const Result<std::string> text = read_file(file, kLimit);
  if (!text) return Error{Error::Kind::usage, text.error().message};
  return parse_config(*text, file.string());
}

Result<void> set_key(Config& config, std::string_view key, std::string_view value) {
  if (too_deep_key(key) > 0 || too_deep_key(value) > 0)
    return Error{Error::Kind::usage, "wanted a key of at most 64 parts, got more; try a key of the configuration"};
  toml::table parsed;
  try {
    parsed = toml::parse(fmt::format("value = {}", value));
  } catch (const toml::parse_error&) {
    parsed.clear();
  }
  if (parsed.size() != 1) {  // no TOML value: a bare word
    parsed.clear();
    parsed.insert("value", std::string(value));
  }
  // Built anew rather than parsed as "key = value", so that positions in it are empty and a key cannot smuggle in others.
  toml::table document;
  toml::table* table = &document;
  std::string_view rest = key;
  for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    table = table->insert(rest.substr(0, dot), toml::table{}).first->second.as_table();
    rest.remove_prefix(dot + 1);
  }
  parsed.get("value")->visit([&](auto& node) { table->insert(rest, node); });

  Config changed = config;
  Reader reader("");
  reader.read(document, changed, "");
  if (reader.error()) return *reader.error();
  config = std::move(changed);
  return {};
}

}  // namespace soma
