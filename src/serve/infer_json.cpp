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

/// Where in the request a value stands.
enum class Place { nothing, request, inputs, input, shape, data, outputs, output, parameters, ignored };

class Handler {
 public:
  Handler(int depth, InferJson& request, Floats& values) : depth_limit_(depth), request_(request), values_(values) {}

  std::string problem;

  bool key(std::string& name) {
    key_ = name;
    return true;
  }

  bool start_object(std::size_t) {
    switch (place()) {
      case Place::nothing:
        return enter(Place::request);
      case Place::request:
        return key_ == "parameters" ? enter(Place::parameters) : wants_no_object();
      case Place::inputs:
        request_.inputs.emplace_back().first = values_.size();
        return enter(Place::input);
      case Place::outputs:
        request_.outputs.emplace_back();
        return enter(Place::output);
      case Place::input:
      case Place::output:
        return key_ == "parameters" ? enter(Place::parameters) : wants_no_object();
      case Place::parameters:
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
        if (key_ == "shape") return input().has_shape = true, input().shape.clear(), enter(Place::shape);
        if (key_ == "data") return begin_data();
        return known_key() ? refuse(fmt::format("wanted another kind of value for '{}', got an array", key_))
                           : enter(Place::ignored);
      case Place::data:
        return enter(Place::data);
      case Place::inputs:
      case Place::outputs:
        return refuse("wanted objects in 'inputs' and 'outputs', got an array");
      case Place::shape:
        return refuse("wanted whole numbers in 'shape', got an array");
      default:
        return enter(Place::ignored);
    }
  }

  bool end_object() { return leave(); }
  bool end_array() {
    if (place() == Place::data && stack_[depth_ - 2] != Place::data) input().count = values_.size() - input().first;
    return leave();
  }

  bool null() {
    return scalar("null", [] { return false; });
  }
  bool boolean(bool value) {
    if (place() == Place::data) return input().booleans = true, values_.push_back(value ? 1.0F : 0.0F), true;
    if (place() == Place::parameters) {
      if (owner() == Place::request && key_ == "binary_data_output") request_.binary_output = value;
      if (owner() == Place::output && key_ == "binary_data") output().binary = value;
      return true;
    }
    return scalar("true or false", [] { return false; });
  }
  bool number_integer(std::int64_t value) {
    if (place() == Place::shape)
      return refuse(fmt::format("wanted extents of 0 or more in the shape of '{}', got {}", input().name, value));
    return number(static_cast<double>(value), false);
  }
  bool number_unsigned(std::uint64_t value) {
    if (place() == Place::shape) {
      if (input().shape.size() >= 16) return refuse("wanted at most 16 extents in a shape, got more");
      return input().shape.push_back(value), true;
    }
    if (place() == Place::parameters) {
      if (owner() == Place::input && key_ == "binary_data_size") input().binary_size = value;
      if (owner() == Place::output && key_ == "classification") output().classification = value;
      if (owner() == Place::request && key_ == "timeout") request_.timeout_us = value;
      return true;
    }
    return number(static_cast<double>(value), false);
  }
  bool number_float(double value, const std::string&) { return number(value, true); }
  bool string(std::string& value) {
    if (place() == Place::data) return input().strings = true, true;
    if (place() == Place::parameters) {
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

  [[nodiscard]] bool known_key() const {
    const auto among = [&](std::initializer_list<std::string_view> names) {
      return std::find(names.begin(), names.end(), key_) != names.end();
    };
    switch (place()) {
      case Place::request:
        return among({"id", "inputs", "outputs", "parameters"});
      case Place::input:
        return among({"name", "datatype", "shape", "data", "parameters"});
      case Place::output:
        return among({"name", "parameters"});
      default:
        return false;
    }
  }

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
    stack_[depth_++] = place;
    return true;
  }
  bool leave() { return --depth_, true; }

  bool begin_data() {
    if (input().has_data) return refuse(fmt::format("wanted 'data' of '{}' once, got it twice", input().name));
    input().has_data = true;
    input().first = values_.size();
    return enter(Place::data);
  }

  bool number(double value, bool fraction) {
    if (place() == Place::data) {
      JsonTensor& tensor = input();
      if (!tensor.numbers) tensor.least = tensor.most = value;
      tensor.numbers = true;
      tensor.fractions |= fraction && value != std::trunc(value);
      tensor.least = std::min(tensor.least, value);
      tensor.most = std::max(tensor.most, value);
      values_.push_back(static_cast<float>(value));
      return true;
    }
    if (place() == Place::shape)
      return refuse(fmt::format("wanted whole extents in the shape of '{}', got {}", input().name, value));
    return scalar("a number", [] { return false; });
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
        if (take() || !known_key()) return true;
        return refuse(fmt::format("wanted another kind of value for '{}', got {}", key_, kind));
      case Place::data:
        return refuse(fmt::format("wanted numbers in the data of '{}', got {}", input().name, kind));
      default:
        return refuse(fmt::format("wanted another kind of value in '{}', got {}", key_, kind));
    }
  }

  int depth_limit_;
  InferJson& request_;
  Floats& values_;
  std::array<Place, 64> stack_{};
  std::size_t depth_ = 0;
  std::string key_;
};

}  // namespace

Result<void> parse_infer_json(std::string_view text, int depth, InferJson& request, Floats& values) {
  request = {};
  values.clear();
  Handler handler(depth, request, values);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler))
    return Error{Error::Kind::data, "infer: " + one_line(handler.problem.empty() ? "malformed JSON" : handler.problem)};
  return {};
}

}  // namespace soma
