// JSON → the parts of an inference request as they were written, in one pass and without a tree.
#include "serve/infer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace soma {
namespace {

constexpr std::size_t kMostTensors = 64;
constexpr std::uint64_t kOpen = ~std::uint64_t{0};  // an extent that is not known yet

/// Where in the request a value stands.
enum class Place { nothing, request, inputs, input, shape, data, outputs, output, parameters, ignored };

/// The type of a parameter's value; none = not one, or of any type.
enum class Parameter { none, count, truth, text, count_or_text };

/// The keys that mean something, and where.
struct Known {
  Place place;  // of a parameter: what it belongs to
  std::string_view name;
  bool parameter = false;
  Parameter type = Parameter::none;
};
constexpr auto kKnown = std::to_array<Known>({{Place::request, "id"},
                                              {Place::request, "inputs"},
                                              {Place::request, "outputs"},
                                              {Place::request, "parameters"},
                                              {Place::input, "name"},
                                              {Place::input, "datatype"},
                                              {Place::input, "shape"},
                                              {Place::input, "data"},
                                              {Place::input, "parameters"},
                                              {Place::output, "name"},
                                              {Place::output, "parameters"},
                                              {Place::request, "binary_data_output", true, Parameter::truth},
                                              {Place::request, "timeout", true, Parameter::count},
                                              {Place::request, "priority", true, Parameter::count},
                                              {Place::request, "sequence_id", true, Parameter::count_or_text},
                                              {Place::request, "sequence_start", true, Parameter::truth},
                                              {Place::request, "sequence_end", true, Parameter::truth},
                                              {Place::input, "binary_data_size", true, Parameter::count},
                                              {Place::input, "shared_memory_region", true, Parameter::text},
                                              {Place::output, "binary_data", true, Parameter::truth},
                                              {Place::output, "classification", true, Parameter::count},
                                              {Place::output, "shared_memory_region", true, Parameter::text}});
static_assert(kKnown.size() <= 32);

template <class T>
class Handler {
 public:
  Handler(int depth, InferJson& request, std::pmr::vector<T>& values, JsonWords& words)
      : depth_limit_(depth), request_(request), values_(values), words_(words) {}

  std::string problem;

  /// What an answer depends on may be said once: readers of JSON do not agree which of two counts.
  bool key(std::string& name) {
    key_ = name;
    if (!known_key()) return true;
    const std::uint32_t bit = std::uint32_t{1} << known();
    if ((seen_[depth_ - 1] & bit) != 0) return refuse(fmt::format("wanted '{}' once, got it twice", one_line(key_)));
    seen_[depth_ - 1] |= bit;
    return true;
  }

  bool start_object(std::size_t) {
    switch (place()) {
      case Place::nothing:
        return enter(Place::request);
      case Place::request:
        return key_ == "parameters" ? enter(Place::parameters) : wants_no_object();
      case Place::inputs:
        if (request_.inputs.size() == kMostTensors)
          return refuse(fmt::format("wanted at most {} inputs, got many", kMostTensors));
        request_.inputs.emplace_back();
        return enter(Place::input);
      case Place::outputs:
        if (request_.outputs.size() == kMostTensors)
          return refuse(fmt::format("wanted at most {} outputs, got many", kMostTensors));
        request_.outputs.emplace_back();
        return enter(Place::output);
      case Place::input:
      case Place::output:
        return key_ == "parameters" ? enter(Place::parameters) : wants_no_object();
      case Place::parameters:
        return parameter() == Parameter::none ? enter(Place::ignored) : mistyped("an object");
      case Place::ignored:
        return enter(Place::ignored);
      default:
        return refuse("wanted numbers in 'shape' and 'data', got an object");
    }
  }

  bool start_array(std::size_t) {
    switch (place()) {
      case Place::nothing:
        return refuse("wanted a JSON object, got an array");
      case Place::request:
        if (key_ == "inputs") return request_.has_inputs = true, enter(Place::inputs);
        if (key_ == "outputs") return enter(Place::outputs);
        return known_key() ? refuse(fmt::format("wanted another kind of value for '{}', got an array", key_))
                           : enter(Place::ignored);
      case Place::input:
        if (key_ == "shape") return input().has_shape = true, enter(Place::shape);
        if (key_ == "data") return input().has_data = true, begin_data();
        return known_key() ? refuse(fmt::format("wanted another kind of value for '{}', got an array", key_))
                           : enter(Place::ignored);
      case Place::data:
        return (leaves_ == 0 || level_ + 1 < leaves_ || ragged()) &&
               (++counts_[level_], counts_[++level_] = 0, enter(Place::data));
      case Place::inputs:
      case Place::outputs:
        return refuse("wanted objects in 'inputs' and 'outputs', got an array");
      case Place::shape:
        return refuse("wanted whole numbers in 'shape', got an array");
      case Place::parameters:
        return parameter() == Parameter::none ? enter(Place::ignored) : mistyped("an array");
      default:
        return enter(Place::ignored);
    }
  }

  bool end_object() { return leave(); }
  bool end_array() {
    if (place() == Place::data && !end_level()) return false;
    return leave();
  }

  bool null() {
    if (place() == Place::parameters && parameter() != Parameter::none) return mistyped("null");
    return scalar("null", [] { return false; });
  }
  bool boolean(bool value) {
    if (place() == Place::data) return leaf() && (input().booleans = true, values_.push_back(value ? T{1} : T{0}), true);
    if (place() == Place::parameters) {
      if (const Parameter wanted = parameter(); wanted != Parameter::none && wanted != Parameter::truth)
        return mistyped("true or false");
      if (owner() == Place::request && key_ == "binary_data_output") request_.binary_output = value;
      if (owner() == Place::output && key_ == "binary_data") output().binary = value;
      return true;
    }
    return scalar("true or false", [] { return false; });
  }
  bool number_integer(std::int64_t value) {
    if (place() == Place::shape)
      return refuse(fmt::format("wanted extents of 0 or more in the shape of '{}', got {}", input().name, value));
    if (place() == Place::parameters) return parameter() == Parameter::none || mistyped(fmt::format("{}", value));
    if (place() == Place::data) input().least = std::min(input().least, value);
    return number(static_cast<double>(value), false);
  }
  bool number_unsigned(std::uint64_t value) {
    if (place() == Place::shape) {
      if (input().shape.size() >= 16) return refuse("wanted at most 16 extents in a shape, got more");
      return input().shape.push_back(value), true;
    }
    if (place() == Place::parameters) {
      if (const Parameter wanted = parameter(); wanted == Parameter::truth || wanted == Parameter::text)
        return mistyped(fmt::format("{}", value));
      if (owner() == Place::request && key_ == "sequence_id" && value != 0) return refuse("sequences are not supported");
      if (owner() == Place::input && key_ == "binary_data_size") input().binary_size = value;
      if (owner() == Place::output && key_ == "classification") output().classification = value;
      if (owner() == Place::request && key_ == "timeout") request_.timeout_us = value;
      return true;
    }
    if (place() == Place::data) input().most = std::max(input().most, value);
    return number(static_cast<double>(value), false);
  }
  bool number_float(double value, const std::string& text) {
    if (place() == Place::parameters) return parameter() == Parameter::none || mistyped(fmt::format("{}", value));
    // A whole number that comes as a float is one that 64 bits do not hold.
    if (place() == Place::data && text.find_first_of(".eE") == std::string::npos) input().beyond = true;
    return number(value, true);
  }
  bool string(std::string& value) {
    if (place() == Place::data) return leaf() && (input().strings = true, words_.add(value), true);
    if (place() == Place::parameters) {
      if (const Parameter wanted = parameter(); wanted == Parameter::count || wanted == Parameter::truth)
        return mistyped("a string");
      if (owner() == Place::request && key_ == "sequence_id" && !value.empty()) return refuse("sequences are not supported");
      const bool shared = key_ == "shared_memory_region";
      if (shared && owner() == Place::input) input().shared_memory = true;
      if (shared && owner() == Place::output) output().shared_memory = true;
      return true;
    }
    return scalar("a string", [&] {
      if (place() == Place::request && key_ == "id") return request_.id = value, true;
      if (place() == Place::input && key_ == "name") return input().name = value, true;
      if (place() == Place::input && key_ == "datatype") return input().datatype = value, true;
      if (place() == Place::output && key_ == "name") return output().name = value, true;
      return false;
    });
  }
  bool binary(nlohmann::json::binary_t&) { return refuse("wanted JSON, got binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
    std::string_view what = error.what();
    if (const auto end = what.find("; last read"); end != std::string_view::npos) what = what.substr(0, end);
    if (const auto begin = what.find("] "); begin != std::string_view::npos) what.remove_prefix(begin + 2);
    return refuse(fmt::format("malformed JSON near byte {}: {}", position, one_line(what, 200)));
  }

 private:
  [[nodiscard]] Place place() const { return depth_ == 0 ? Place::nothing : stack_[depth_ - 1]; }
  [[nodiscard]] Place owner() const { return depth_ < 2 ? Place::nothing : stack_[depth_ - 2]; }
  JsonTensor& input() { return request_.inputs.back(); }
  JsonOutput& output() { return request_.outputs.back(); }

  /// Where `key_` stands in the list, for where it stands in the request; its size when nobody knows it here.
  [[nodiscard]] std::size_t known() const {
    const bool parameter = place() == Place::parameters;
    const Place where = parameter ? owner() : place();
    const auto found = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& each) {
      return each.place == where && each.parameter == parameter && each.name == key_;
    });
    return static_cast<std::size_t>(found - kKnown.begin());
  }
  [[nodiscard]] bool known_key() const { return known() < kKnown.size(); }
  [[nodiscard]] Parameter parameter() const { return known_key() ? kKnown[known()].type : Parameter::none; }

  bool wants_no_object() {
    return known_key() ? refuse(fmt::format("wanted another kind of value for '{}', got an object", key_))
                       : enter(Place::ignored);
  }

  bool refuse(std::string what) {
    if (problem.empty()) problem = std::move(what);
    return false;
  }

  bool enter(Place place) {
    if (depth_ >= static_cast<std::size_t>(depth_limit_) || depth_ >= stack_.size())
      return refuse(fmt::format("wanted JSON nested at most {} deep, got more", depth_limit_));
    seen_[depth_] = 0;
    stack_[depth_++] = place;
    return true;
  }
  bool leave() { return --depth_, true; }

  bool mistyped(std::string_view got) {
    static constexpr std::string_view kWanted[] = {"", "a whole number of 0 or more", "true or false", "a string",
                                                   "a whole number or a string"};
    return refuse(fmt::format("wanted {} for parameter '{}', got {}", kWanted[static_cast<std::size_t>(parameter())], key_, got));
  }

  bool begin_data() {
    input().first = values_.size();
    input().first_word = words_.ends.size();
    level_ = 0;
    leaves_ = 0;
    counts_[0] = 0;
    return enter(Place::data);
  }
  bool ragged() {
    return refuse(fmt::format("wanted lists of one depth and length in the data of '{}', got others", input().name));
  }
  /// A value stands here, and so may no list of this depth.
  bool leaf() {
    if (leaves_ == 0) leaves_ = level_ + 1;
    return leaves_ == level_ + 1 ? (++counts_[level_], true) : ragged();
  }
  /// A list ends: as long as the others of its depth?
  bool end_level() {
    JsonTensor& tensor = input();
    if (tensor.nesting.size() <= level_) tensor.nesting.resize(level_ + 1, kOpen);
    std::uint64_t& extent = tensor.nesting[level_];
    if (extent != kOpen && extent != counts_[level_]) return ragged();
    extent = counts_[level_];
    if (level_ > 0) return --level_, true;
    tensor.count = tensor.strings && !tensor.numbers && !tensor.booleans ? words_.ends.size() - tensor.first_word
                                                                         : values_.size() - tensor.first;
    return true;
  }

  bool number(double value, bool written_as_fraction) {
    if (place() == Place::data) {
      if (!leaf()) return false;
      JsonTensor& tensor = input();
      tensor.numbers = true;
      if (written_as_fraction) take_fraction(tensor, value);
      tensor.infinite |= !std::isfinite(static_cast<T>(value));
      values_.push_back(static_cast<T>(value));
      return true;
    }
    if (place() == Place::shape)
      return refuse(fmt::format("wanted whole extents in the shape of '{}', got {}", input().name, value));
    return scalar("a number", [] { return false; });
  }
  /// 3.0 and 3e2 are whole numbers, too; beyond 2^53 nobody knows any more which.
  static void take_fraction(JsonTensor& tensor, double value) {
    constexpr double kExact = 9007199254740992.0;
    tensor.fractions |= value != std::trunc(value);
    tensor.beyond |= std::abs(value) > kExact;
    if (tensor.beyond) return;
    if (value < 0)
      tensor.least = std::min(tensor.least, static_cast<std::int64_t>(value));
    else
      tensor.most = std::max(tensor.most, static_cast<std::uint64_t>(value));
  }

  template <class Take>
  bool scalar(std::string_view kind, Take&& take) {
    switch (place()) {
      case Place::ignored:
      case Place::parameters:
        return true;
      case Place::nothing:
        return refuse(fmt::format("wanted a JSON object, got {}", kind));
      case Place::request:
      case Place::input:
      case Place::output:
        if (take() || !known_key()) return problem.empty();
        return refuse(fmt::format("wanted another kind of value for '{}', got {}", key_, kind));
      case Place::data:
        return refuse(fmt::format("wanted numbers in the data of '{}', got {}", input().name, kind));
      default:
        return refuse(fmt::format("wanted another kind of value in '{}', got {}", key_, kind));
    }
  }

  int depth_limit_;
  InferJson& request_;
  std::pmr::vector<T>& values_;
  JsonWords& words_;
  std::array<Place, 64> stack_{};
  std::array<std::uint64_t, 64> counts_{};  // of the lists of "data" that are open
  std::size_t level_ = 0, leaves_ = 0;      // of data: which list is open; which depth has values, from 1, 0 = not known yet
  std::array<std::uint32_t, 64> seen_{};    // of each object that is open: which of kKnown were there
  std::size_t depth_ = 0;
  std::string key_;
};

}  // namespace

template <class T>
Result<void> parse_infer_json(std::string_view text, int depth, InferJson& request, std::pmr::vector<T>& values,
                              JsonWords& words) {
  request = {};
  values.clear();
  words.clear();
  Handler<T> handler(depth, request, values, words);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler))
    return Error{Error::Kind::data, "infer: " + one_line(handler.problem.empty() ? "malformed JSON" : handler.problem)};
  return {};
}

template Result<void> parse_infer_json(std::string_view, int, InferJson&, std::pmr::vector<float>&, JsonWords&);
template Result<void> parse_infer_json(std::string_view, int, InferJson&, std::pmr::vector<double>&, JsonWords&);

}  // namespace soma
