// tables of features → classes and scores: the operators of ai.onnx.ml that scikit-learn's linear models and pipelines use.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <type_traits>

#include "graph/operators/elementwise.h"
#include "graph/product.h"

namespace soma {
namespace {

constexpr TypeSet kFeatures = bit(ElementType::f32) | bit(ElementType::f64) | bit(ElementType::i32) | bit(ElementType::i64);

/// One attribute number for all columns, or one for each.
std::vector<float> per_column(const Site& site, std::string_view name, std::int64_t columns, float otherwise) {
  std::vector<float> given = site.numbers(name);
  if (given.empty()) given = {otherwise};
  if (given.size() != 1 && given.size() != static_cast<std::size_t>(columns))
    Site::refuse(fmt::format("{} of {}", name, columns), fmt::format("{}", given.size()));
  if (given.size() == 1) given.assign(static_cast<std::size_t>(columns), given[0]);
  return given;
}

std::int64_t columns_of(const Shape& x) { return x.empty() ? 1 : x.back(); }

/// Calls each(place, value, column) for every feature.
template <class Each>
void each_feature(const Call& call, Each&& each) {
  const std::int64_t columns = columns_of(call.in[0].extents);
  with_type<float, double, std::int32_t, std::int64_t>(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.in[0].size(); ++i)
      each(i, static_cast<double>(call.in[0].as<T>()[i]), static_cast<std::size_t>(i % columns));
  });
}

void floats_shape(Shaping& site) { site.give(0, ElementType::f32, site.extents(0)); }

void scaler_shape(Shaping& site) {
  (void)per_column(site, "offset", columns_of(site.extents(0)), 0);
  (void)per_column(site, "scale", columns_of(site.extents(0)), 1);
  floats_shape(site);
}

void scaler(Call& call) {
  const auto offset = per_column(call, "offset", columns_of(call.in[0].extents), 0),
             scale = per_column(call, "scale", columns_of(call.in[0].extents), 1);
  each_feature(call, [&](std::int64_t i, double x, std::size_t column) {
    call.out[0].as<float>()[i] = (static_cast<float>(x) - offset[column]) * scale[column];
  });
}

void binarizer(Call& call) {
  const double threshold = static_cast<double>(call.number("threshold", 0));
  with_type<float, double, std::int32_t, std::int64_t>(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.in[0].size(); ++i)
      call.out[0].as<T>()[i] = static_cast<T>(static_cast<double>(call.in[0].as<T>()[i]) > threshold);
  });
}

void normalizer(Call& call) {
  const std::string norm = call.word("norm", "MAX");
  const std::int64_t columns = columns_of(call.in[0].extents);
  if (columns == 0) return;
  std::vector<double> lengths(static_cast<std::size_t>(call.in[0].size() / columns), 0);
  each_feature(call, [&](std::int64_t i, double x, std::size_t) {
    double& length = lengths[static_cast<std::size_t>(i / columns)];
    length = norm == "MAX" ? std::max(length, std::abs(x)) : length + (norm == "L1" ? std::abs(x) : x * x);
  });
  each_feature(call, [&](std::int64_t i, double x, std::size_t) {
    const double length = lengths[static_cast<std::size_t>(i / columns)], by = norm == "L2" ? std::sqrt(length) : length;
    call.out[0].as<float>()[i] = static_cast<float>(by == 0 ? x : x / by);
  });
}

void imputer_shape(Shaping& site) {
  if (site.type(0) == ElementType::f32)
    (void)per_column(site, "imputed_value_floats", columns_of(site.extents(0)), 0);
  else if (site.integers("imputed_value_int64s").size() != 1)
    Site::refuse("one value for whole numbers", "others");
  same_shape(site);
}

void imputer(Call& call) {
  if (call.in[0].type == ElementType::f32) {
    const auto values = per_column(call, "imputed_value_floats", columns_of(call.in[0].extents), 0);
    const float missing = call.number("replaced_value_float", 0);
    each_feature(call, [&](std::int64_t i, double x, std::size_t column) {
      const bool gone = std::isnan(missing) ? std::isnan(x) : x == static_cast<double>(missing);
      call.out[0].as<float>()[i] = gone ? values[column] : static_cast<float>(x);
    });
    return;
  }
  const std::int64_t value = call.integers("imputed_value_int64s").at(0), missing = call.integer("replaced_value_int64", 0);
  for (std::int64_t i = 0; i < call.in[0].size(); ++i) {
    const std::int64_t x = call.in[0].as<std::int64_t>()[i];
    call.out[0].as<std::int64_t>()[i] = x == missing ? value : x;
  }
}

void extractor_shape(Shaping& site) {
  Shape y = site.extents(0);
  const std::int64_t places = elements(site.extents(1));
  if (y.size() < 2)
    y = {1, places};
  else
    y.back() = places;
  site.give(0, site.type(0), std::move(y));
}

void extractor(Call& call) {
  const std::int64_t columns = columns_of(call.in[0].extents);
  const Shape places = call.integers_of(1);
  for (const std::int64_t place : places)
    if (place < 0 || place >= columns) Site::refuse(fmt::format("a column among {}", columns), fmt::format("{}", place));
  with_storage(call.in[0].type, [&]<class T>() {
    T* to = call.out[0].as<T>();
    for (std::int64_t row = 0; columns > 0 && row < call.in[0].size() / columns; ++row)
      for (const std::int64_t place : places) *to++ = call.in[0].as<T>()[row * columns + place];
  });
}

/// The type that a LabelEncoder's attributes of one side are of; "" for another side.
struct Side {
  ElementType type;
  std::string_view list, single;
};
const std::vector<Side>& keys() {
  static const std::vector<Side> all = {
      {ElementType::i64, "keys_int64s", ""}, {ElementType::string, "keys_strings", ""}, {ElementType::f32, "keys_floats", ""}};
  return all;
}
const std::vector<Side>& values() {
  static const std::vector<Side> all = {{ElementType::i64, "values_int64s", "default_int64"},
                                        {ElementType::string, "values_strings", "default_string"},
                                        {ElementType::f32, "values_floats", "default_float"}};
  return all;
}
const Side& side_of(const Site& site, const std::vector<Side>& sides) {
  for (const Side& side : sides)
    if (site.attribute(side.list) != nullptr) return side;
  Site::refuse("keys and values as numbers or strings", "none");
}

void encoder_shape(Shaping& site) {
  if (site.version < 2) Site::refuse("version 2 or later", "1");
  if (side_of(site, keys()).type != site.type(0)) Site::refuse(to_string(side_of(site, keys()).type), to_string(site.type(0)));
  const auto count = [&](const Side& side) {
    return site.attribute(side.list)->ints_size() + site.attribute(side.list)->floats_size() +
           site.attribute(side.list)->strings_size();
  };
  if (count(side_of(site, keys())) != count(side_of(site, values()))) Site::refuse("a value for each key", "others");
  site.give(0, side_of(site, values()).type, site.extents(0));
}

template <class T>
std::vector<T> list_of(const Site& site, const Side& side) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return site.integers(side.list);
  else if constexpr (std::is_same_v<T, float>)
    return site.numbers(side.list);
  else
    return site.words(side.list);
}

void encoder(Call& call) {
  const Side &from = side_of(call, keys()), &to = side_of(call, values());
  with_type<std::int64_t, float, std::string>(from.type, [&]<class K>() {
    with_type<std::int64_t, float, std::string>(to.type, [&]<class V>() {
      V otherwise{};
      if constexpr (std::is_same_v<V, std::int64_t>)
        otherwise = call.integer(to.single, -1);
      else if constexpr (std::is_same_v<V, float>)
        otherwise = call.number(to.single, -0.0F);
      else
        otherwise = call.word(to.single, "_Unused");
      const auto keys_given = list_of<K>(call, from);
      const auto values_given = list_of<V>(call, to);
      std::map<K, V> table;
      for (std::size_t i = 0; i < keys_given.size(); ++i) table.emplace(keys_given[i], values_given[i]);
      for (std::int64_t i = 0; i < call.in[0].size(); ++i) {
        const auto at = table.find(call.in[0].as<K>()[i]);
        call.out[0].as<V>()[i] = at == table.end() ? otherwise : at->second;
      }
    });
  });
}

/// A table of maps is the matrix of their values: one row for each map, a column for each class.
void zip_map_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const auto classes =
      static_cast<std::int64_t>(std::max(site.integers("classlabels_int64s").size(), site.words("classlabels_strings").size()));
  if (x.empty() || x.back() != classes) Site::refuse(fmt::format("{} scores in a row", classes), to_string(x));
  site.give(0, site.type(0), x.size() == 1 ? Shape{1, classes} : x);
}

void zip_map(Call& call) { std::copy_n(call.in[0].as<float>(), call.in[0].size(), call.out[0].as<float>()); }

/// y = post(x·coefficientsᵀ + intercepts), one row of them for each target or class.
struct Scores {
  std::int64_t rows = 0, columns = 0, outputs = 0;
  std::vector<double> values;
};

std::int64_t outputs_of(const Site& site, std::string_view coefficients, std::int64_t columns) {
  const auto count = static_cast<std::int64_t>(site.numbers(coefficients).size());
  if (columns < 1 || count < 1 || count % columns != 0)
    Site::refuse(fmt::format("coefficients for {} features", columns), fmt::format("{}", count));
  return count / columns;
}

Scores scores_of(const Call& call) {
  Scores scores;
  scores.columns = columns_of(call.in[0].extents);
  scores.rows = scores.columns > 0 ? call.in[0].size() / scores.columns : 0;
  const auto weights = call.numbers("coefficients"), shifts = call.numbers("intercepts");
  scores.outputs = outputs_of(call, "coefficients", scores.columns);
  scores.values.resize(static_cast<std::size_t>(scores.rows * scores.outputs));
  for (std::size_t i = 0; i < scores.values.size(); ++i)
    scores.values[i] =
        shifts.size() == static_cast<std::size_t>(scores.outputs) ? static_cast<double>(shifts[i % shifts.size()]) : 0;
  each_feature(call, [&](std::int64_t i, double x, std::size_t column) {
    for (std::int64_t o = 0; o < scores.outputs; ++o)
      scores.values[static_cast<std::size_t>(i / scores.columns * scores.outputs + o)] +=
          x * static_cast<double>(weights[static_cast<std::size_t>(o * scores.columns) + column]);
  });
  return scores;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

void transform(double* row, std::int64_t n, const std::string& how) {
  if (how == "LOGISTIC")
    for (std::int64_t i = 0; i < n; ++i) row[i] = logistic(row[i]);
  if (how != "SOFTMAX") return;
  const double greatest = *std::max_element(row, row + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += row[i] = std::exp(row[i] - greatest);
  for (std::int64_t i = 0; i < n; ++i) row[i] /= sum;
}

void check_transform(const Site& site) {
  const std::string how = site.word("post_transform", "NONE");
  if (how != "NONE" && how != "LOGISTIC" && how != "SOFTMAX") Site::refuse("post_transform NONE, LOGISTIC or SOFTMAX", how);
}

void regressor_shape(Shaping& site) {
  check_transform(site);
  const Shape& x = site.extents(0);
  site.give(0, ElementType::f32, {x.size() < 2 ? 1 : x[0], outputs_of(site, "coefficients", columns_of(x))});
}

void regressor(Call& call) {
  Scores scores = scores_of(call);
  for (std::int64_t row = 0; row < scores.rows; ++row)
    transform(scores.values.data() + row * scores.outputs, scores.outputs, call.word("post_transform", "NONE"));
  std::transform(scores.values.begin(), scores.values.end(), call.out[0].as<float>(),
                 [](double x) { return static_cast<float>(x); });
}

void classifier_shape(Shaping& site) {
  check_transform(site);
  const Shape& x = site.extents(0);
  const std::int64_t rows = x.size() < 2 ? 1 : x[0], outputs = outputs_of(site, "coefficients", columns_of(x));
  const bool words = !site.words("classlabels_strings").empty();
  const auto labels =
      static_cast<std::int64_t>(words ? site.words("classlabels_strings").size() : site.integers("classlabels_ints").size());
  if (labels != outputs && !(labels == 2 && outputs == 1))
    Site::refuse(fmt::format("{} classes", outputs), fmt::format("{}", labels));
  site.give(0, words ? ElementType::string : ElementType::i64, {rows});
  site.give(1, ElementType::f32, {rows, labels});
}

void classifier(Call& call) {
  Scores scores = scores_of(call);
  const auto words = call.words("classlabels_strings");
  const Shape numbers = call.integers("classlabels_ints");
  const std::int64_t labels = static_cast<std::int64_t>(std::max(words.size(), numbers.size()));
  const std::string how = call.word("post_transform", "NONE");
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    std::vector<double> own(scores.values.begin() + row * scores.outputs, scores.values.begin() + (row + 1) * scores.outputs);
    std::int64_t best = std::max_element(own.begin(), own.end()) - own.begin();
    if (scores.outputs == 1 && labels == 2) {  // the score of the second class
      best = own[0] > 0 ? 1 : 0;
      own =
          how == "LOGISTIC" ? std::vector<double>{1 - logistic(own[0]), logistic(own[0])} : std::vector<double>{-own[0], own[0]};
      if (how == "SOFTMAX") transform(own.data(), 2, how);
    } else {
      transform(own.data(), scores.outputs, how);
    }
    if (call.makes(0) && !words.empty()) call.out[0].as<std::string>()[row] = words[static_cast<std::size_t>(best)];
    if (call.makes(0) && words.empty()) call.out[0].as<std::int64_t>()[row] = numbers[static_cast<std::size_t>(best)];
    for (std::int64_t o = 0; o < labels && call.makes(1); ++o)
      call.out[1].as<float>()[row * labels + o] = static_cast<float>(own[static_cast<std::size_t>(o)]);
  }
}

}  // namespace

Rows machine_learning_operators() {
  Rows rows = {{"Scaler", {1}, kFeatures, scaler_shape, scaler},
               {"Binarizer", {1}, kFeatures, same_shape, binarizer},
               {"Normalizer", {1}, kFeatures, floats_shape, normalizer},
               {"Imputer", {1}, bit(ElementType::f32) | bit(ElementType::i64), imputer_shape, imputer},
               {"ArrayFeatureExtractor", {1}, kFeatures | bit(ElementType::string), extractor_shape, extractor, true},
               {"LabelEncoder", {1, 2, 4}, kFeatures | bit(ElementType::string), encoder_shape, encoder},
               {"ZipMap", {1}, bit(ElementType::f32), zip_map_shape, zip_map},
               {"LinearRegressor", {1}, kFeatures, regressor_shape, regressor},
               {"LinearClassifier", {1}, kFeatures, classifier_shape, classifier}};
  for (Operator& row : rows) row.domain = "ai.onnx.ml";
  return rows;
}

}  // namespace soma
