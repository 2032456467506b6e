// a graph that is no list of layers + files of raw samples → its outputs for each of them.
#include "graph_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "command.h"
#include "table.h"

namespace soma::app {
namespace {

nlohmann::ordered_json value_of(const TypedArray& array, std::size_t at) {
  const auto as = [&]<class T>(T value) {
    std::memcpy(&value, array.bytes.data() + at * sizeof(T), sizeof(T));
    return nlohmann::ordered_json(value);
  };
  switch (array.type) {
    case ElementType::f32:
      return as(0.0F);
    case ElementType::f64:
      return as(0.0);
    case ElementType::i64:
      return as(std::int64_t{0});
    case ElementType::i32:
      return as(std::int32_t{0});
    case ElementType::u8:
    case ElementType::boolean:
      return as(std::uint8_t{0});
    case ElementType::i8:
      return as(std::int8_t{0});
    case ElementType::string:
      return array.strings[at];
    default:
      return fmt::format("{}", to_string(array.type));
  }
}

/// Row `i` of an output with `count` of them.
nlohmann::ordered_json values_of(const TypedArray& array, std::int64_t i, std::int64_t count) {
  nlohmann::ordered_json values = nlohmann::ordered_json::array();
  const auto size = static_cast<std::size_t>(elements(array.extents) / count), first = static_cast<std::size_t>(i) * size;
  for (std::size_t k = first; k < first + size; ++k) values.push_back(value_of(array, k));
  return values;
}

}  // namespace

int predict_with(Graph& graph, const std::string& model, const std::vector<std::string>& files, const Reading& reading,
                 bool json) {
  auto wanted = graph.data_options();
  if (!wanted) return complain({wanted.error().kind, model + ": " + wanted.error().message});
  std::vector<std::string> classes;
  if (!reading.classes.empty()) {
    auto names = read_class_names(reading.classes);
    if (!names) return complain(names.error());
    classes = std::move(*names);
  }
  wanted->labelled = false;
  nlohmann::ordered_json predictions = nlohmann::ordered_json::array();
  std::vector<Row> rows;
  for (const std::string& file : files) {
    const std::filesystem::path path(file);
    const Result<Dataset> samples = load_samples({&path, 1}, *wanted);
    if (!samples) return complain(samples.error());
    const auto outputs = graph.run(*samples, reading);
    if (!outputs) return complain({outputs.error().kind, file + ": " + outputs.error().message});
    for (std::int64_t i = 0; i < samples->count; ++i) {
      nlohmann::ordered_json entry = {{"file", file}, {"row", i}};
      Row row = {samples->count == 1 ? file : fmt::format("{} #{}", file, i + 1)};
      std::string named;
      for (std::size_t k = 0; k < outputs->size(); ++k) {
        nlohmann::ordered_json values = values_of((*outputs)[k], i, samples->count);
        row.push_back(values.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
        if (!classes.empty() && values.size() == classes.size() && named.empty())
          named = classes[static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin())];
        entry["outputs"][graph.outputs()[k].name] = std::move(values);
      }
      if (!named.empty()) entry["class"] = named;
      if (!classes.empty()) row.push_back(named);
      predictions.push_back(std::move(entry));
      rows.push_back(std::move(row));
    }
  }
  if (json) {
    const nlohmann::ordered_json all = {{"model", model}, {"predictions", std::move(predictions)}};
    fmt::print("{}\n", all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return done;
  }
  Row head = {"file"};
  for (const GraphPort& port : graph.outputs()) head.push_back(port.name);
  if (!classes.empty()) head.emplace_back("class");
  print_table(stdout, head, rows, std::string(head.size(), 'l'));
  return done;
}

}  // namespace soma::app
