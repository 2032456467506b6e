// Model without its arrays ↔ words of JSON in an ONNX file's metadata: what the operators alone cannot say.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <type_traits>
#include <utility>

#include "model/onnx.h"
#include "nn/layer_list.h"
#include "nn/visit.h"
#include "soma/words.h"

namespace soma {
namespace {

using Json = nlohmann::ordered_json;
using Words = std::map<std::string, std::string>;

/// Members of one JSON object → typed variables. Remembers the first member that is missing or of another type.
class Members {
 public:
  Members(const Json& object, std::string& problem) : object_(object), problem_(problem) {}

  void operator()(const std::string& key, std::int64_t& value) const {
    if (const Json* found = member(key, &Json::is_number_integer)) value = found->get<std::int64_t>();
  }
  void operator()(const std::string& key, double& value) const {
    if (const Json* found = member(key, &Json::is_number)) value = found->get<double>();
  }
  void operator()(const std::string& key, bool& value) const {
    if (const Json* found = member(key, &Json::is_boolean)) value = found->get<bool>();
  }
  void operator()(const std::string& key, std::string& value) const {
    if (const Json* found = member(key, &Json::is_string)) value = found->get<std::string>();
  }
  void operator()(const std::string& key, std::vector<std::string>& values) const { list(key, values, &Json::is_string); }
  void operator()(const std::string& key, std::vector<std::int64_t>& values) const {
    list(key, values, &Json::is_number_integer);
  }
  void operator()(const std::string& key, std::vector<double>& values) const { list(key, values, &Json::is_number); }

  /// One of the words that its type has.
  template <class Choice>
  requires std::is_enum_v<Choice>
  void operator()(const std::string& key, Choice& value) const {
    std::string text;
    (*this)(key, text);
    const auto known = words(value);
    const auto at = std::find(known.begin(), known.end(), text);
    if (at != known.end()) value = static_cast<Choice>(at - known.begin());
    if (at == known.end() && problem_.empty()) problem_ = fmt::format("unknown {} '{}'", key, text);
  }

 private:
  const Json* member(const std::string& key, bool (Json::*is_wanted)() const noexcept) const {
    const auto at = object_.find(key);
    if (at != object_.end() && ((*at).*is_wanted)()) return &*at;
    if (problem_.empty()) problem_ = fmt::format("no usable '{}'", key);
    return nullptr;
  }
  template <class T>
  void list(const std::string& key, std::vector<T>& values, bool (Json::*is_wanted)() const noexcept) const {
    const Json* found = member(key, &Json::is_array);
    if (found == nullptr) return;
    if (!std::all_of(found->begin(), found->end(), [&](const Json& item) { return (item.*is_wanted)(); })) {
      if (problem_.empty()) problem_ = fmt::format("no usable '{}'", key);
      return;
    }
    values = found->get<std::vector<T>>();
  }

  const Json& object_;
  std::string& problem_;
};

/// A layer's fields as a file holds them: each(name, number or truth), two extents as two.
template <class Each>
void file_fields(Layer& layer, Each&& each) {
  const auto name = [](std::string_view field, std::string_view end = "") { return std::string(field) + std::string(end); };
  const auto visit = Visit{[&](std::string_view field, HeightWidth extents) {
                             each(name(field, "_h"), extents.h);
                             each(name(field, "_w"), extents.w);
                           },
                           [&](std::string_view field, CountOrClasses count) { each(name(field), count.count); },
                           [&](std::string_view field, std::int64_t& number) { each(name(field), number); },
                           [&](std::string_view field, double& number) { each(name(field), number); },
                           [&](std::string_view field, bool& truth) { each(name(field), truth); }};
  std::visit([&](auto& kind) { fields(kind, visit); }, layer);
  auto* activation = std::get_if<Activation>(&layer);
  if (activation != nullptr) each("alpha", activation->alpha);  // of every kind, used or not: so the format began
}

Json network_json(const NetworkSpec& spec) {
  Json nodes = Json::array();
  for (const Node& node : spec.nodes) {
    Json object = {{"name", node.name}, {"kind", layer_kind(node.layer)}};
    Layer layer = node.layer;
    file_fields(layer, [&](const std::string& key, const auto& value) { object[key] = value; });
    object["inputs"] = node.inputs;
    nodes.push_back(std::move(object));
  }
  return {{"input", spec.input}, {"nodes", std::move(nodes)}};
}

NetworkSpec network_of(const Json& json, std::string& problem) {
  const std::span<const Layer> known = layer_prototypes();
  NetworkSpec spec;
  Members(json, problem)("input", spec.input);
  const auto nodes = json.find("nodes");
  if (problem.empty() && (nodes == json.end() || !nodes->is_array())) problem = "no usable 'nodes'";
  if (!problem.empty()) return spec;
  for (const Json& object : *nodes) {
    const Members members(object, problem);
    Node node;
    std::string kind;
    members("name", node.name);
    members("kind", kind);
    members("inputs", node.inputs);
    const auto at = std::find_if(known.begin(), known.end(), [&](const Layer& layer) { return layer_kind(layer) == kind; });
    if (at == known.end() && problem.empty()) problem = fmt::format("unknown kind '{}'", kind);
    if (!problem.empty()) return spec;
    node.layer = *at;
    file_fields(node.layer, members);
    spec.nodes.push_back(std::move(node));
  }
  return spec;
}

/// A step's array as the graph holds it → one number for all, per channel, or per feature (channels last).
std::vector<float> affine_values(const onnx::TensorProto* array) {
  if (array == nullptr) return {};
  const Shape shape = extents(*array);
  std::vector<float> values = float_values(*array);
  if (shape.size() != 3 || (shape[1] == 1 && shape[2] == 1) || values.empty()) return values;
  std::vector<float> channels_last(values.size());
  const std::size_t channels = static_cast<std::size_t>(shape[0]), area = values.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t p = 0; p < area; ++p) channels_last[p * channels + c] = values[c * area + p];
  return channels_last;
}

PreprocessStep step_of(const Json& json, const std::string& name, const GraphArrays& arrays, std::string& problem) {
  const Members members(json, problem);
  PreprocessStep step;
  members("kind", step.kind);
  std::vector<std::int64_t> categories;
  if (step.kind == PreprocessKind::one_hot) members("categories", categories);
  for (const std::int64_t count : categories) {
    if (count < 0 || count > 1 << 24) problem = "no usable 'categories'";
    step.categories.push_back(static_cast<std::int32_t>(count));
  }
  if (step.kind == PreprocessKind::impute) {
    if (const onnx::TensorProto* fill = arrays.find(name + ".fill")) step.fill = float_values(*fill);
    if (const onnx::TensorProto* places = arrays.find(name + ".indicators"))
      for (const std::int64_t place : integer_values(*places)) {
        if (place < 0 || place >= std::ssize(step.fill)) problem = "no usable 'indicators'";
        step.indicators.push_back(static_cast<std::int32_t>(place));
      }
    return step;
  }
  step.offset = affine_values(arrays.find(name + ".offset"));
  step.divisor = affine_values(arrays.find(name + ".divisor"));
  if (step.offset.empty()) step.offset.assign(step.divisor.size(), 0.0F);
  if (step.divisor.empty()) step.divisor.assign(step.offset.size(), 1.0F);
  return step;
}

}  // namespace

Words write_metadata(const Model& model, const NetworkSpec& resolved) {
  (void)Json({model.name, model.label_name}).dump();  // throws, as the other words do, on what is not UTF-8
  Json steps = Json::array();
  for (const PreprocessStep& step : model.preprocess.steps) {
    steps.push_back({{"kind", word(step.kind)}});
    if (step.kind == PreprocessKind::one_hot) steps.back()["categories"] = step.categories;
  }
  Json columns = Json::array();
  for (const Column& column : model.columns) {
    columns.push_back({{"name", column.name}, {"categories", column.categories}});
    if (!column.date.empty()) columns.back()["date"] = column.date;
    if (column.origin != 0) columns.back()["origin"] = column.origin;
  }
  Json loss = {{"kind", word(model.loss.kind)},
               {"label_smoothing", model.loss.label_smoothing},
               {"class_weights", model.loss.class_weights},
               {"codes", model.loss.codes}};
  if (model.loss.kind == LossConfig::Kind::huber) loss["delta"] = model.loss.delta;
  if (model.loss.kind == LossConfig::Kind::quantile) loss["quantile"] = model.loss.quantile;
  Words words = {{"soma.classes", Json(model.class_names).dump()},
                 {"soma.columns", columns.dump()},
                 {"soma.label", model.label_name},
                 {"soma.loss", loss.dump()},
                 {"soma.name", model.name},
                 {"soma.network", network_json(resolved).dump()},
                 {"soma.preprocess", steps.dump()}};
  if (model.quantization) words["soma.precision"] = "int8";
  if (model.fit != "stretch") words["soma.fit"] = model.fit;
  if (model.task != Task::classes) {
    words["soma.task"] = word(model.task);
    words["soma.targets"] = Json(model.target_names).dump();
  }
  return words;
}

Result<Model> read_metadata(const Words& words, const Shape& input, const GraphArrays& arrays, std::string_view who) {
  std::string problem;
  const auto word = [&](const std::string& key) {
    const auto at = words.find(key);
    return at == words.end() ? std::string() : at->second;
  };
  bool placed = false;  // whether `problem` says already which word it is in
  const auto parsed = [&](const std::string& key, bool (Json::*is_wanted)() const noexcept) {
    Json json = Json::parse(word(key), nullptr, false);
    if (!(json.*is_wanted)() && problem.empty()) {
      problem = fmt::format("'{}' is not what soma writes there", key);
      placed = true;
    }
    return json;
  };
  const auto check = [&](const char* key) {
    if (!problem.empty() && !std::exchange(placed, true)) problem = fmt::format("'{}' has {}", key, problem);
    return problem.empty();
  };

  Model model;
  model.input = input;
  model.name = word("soma.name");
  model.label_name = word("soma.label");
  if (const std::string fit = word("soma.fit"); fit == "pad" || fit == "crop") model.fit = fit;
  if (word("soma.precision") == "int8") model.quantization.emplace();  // its layers stay in the graph's arrays
  const Json network = parsed("soma.network", &Json::is_object);
  if (check("soma.network")) model.network = network_of(network, problem);
  if (check("soma.network")) {
    const Json loss = parsed("soma.loss", &Json::is_object);
    const Members members(loss, problem);
    members("kind", model.loss.kind);
    members("label_smoothing", model.loss.label_smoothing);
    members("class_weights", model.loss.class_weights);
    members("codes", model.loss.codes);
    if (loss.contains("delta")) members("delta", model.loss.delta);
    if (loss.contains("quantile")) members("quantile", model.loss.quantile);
  }
  if (check("soma.loss") && words.contains("soma.task")) {
    const Json task = {{"task", word("soma.task")}, {"targets", parsed("soma.targets", &Json::is_array)}};
    const Members members(task, problem);
    members("task", model.task);
    members("targets", model.target_names);
  }
  if (check("soma.loss") && check("soma.targets")) {
    const Json classes = {{"classes", parsed("soma.classes", &Json::is_array)}};
    Members(classes, problem)("classes", model.class_names);
  }
  if (check("soma.classes"))
    for (const Json& column : parsed("soma.columns", &Json::is_array)) {
      const Members members(column, problem);
      members("name", model.columns.emplace_back().name);
      members("categories", model.columns.back().categories);
      if (column.contains("date")) members("date", model.columns.back().date);
      if (column.contains("origin")) members("origin", model.columns.back().origin);
    }
  if (check("soma.columns")) {
    const Json steps = parsed("soma.preprocess", &Json::is_array);
    for (const Json& step : steps)
      model.preprocess.steps.push_back(
          step_of(step, fmt::format("preprocess{}", model.preprocess.steps.size() + 1), arrays, problem));
  }
  if (!check("soma.preprocess"))
    return Error{Error::Kind::data, fmt::format("{}: damaged metadata: {}; try saving the model again", who, problem)};
  return model;
}

}  // namespace soma
