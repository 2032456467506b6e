// nothing, or extents → arrays: constants, fillings, ranges.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "graph/array.h"
#include "graph/operator.h"

namespace soma {
namespace {

/// The array that a Constant's attribute holds.
TypedArray constant_of(const Site& site) {
  if (site.node.attribute_size() != 1) Site::refuse("one value", fmt::format("{}", site.node.attribute_size()));
  const auto& given = site.node.attribute(0);
  const std::string& name = given.name();
  if (name == "value") {
    auto array = read_tensor(given.t());
    if (!array) throw Refusal{array.error().message};
    return std::move(*array);
  }
  if (name == "value_float") return array_of<float>({}, {given.f()});
  if (name == "value_floats") return array_of<float>({given.floats_size()}, {given.floats().begin(), given.floats().end()});
  if (name == "value_int") return array_of<std::int64_t>({}, {given.i()});
  if (name == "value_ints") return array_of<std::int64_t>({given.ints_size()}, {given.ints().begin(), given.ints().end()});
  if (name == "value_string") return {ElementType::string, {}, {}, {given.s()}};
  if (name == "value_strings")
    return {ElementType::string, {given.strings_size()}, {}, {given.strings().begin(), given.strings().end()}};
  Site::refuse("a dense value", "'" + name + "'");
}

void constant_shape(Shaping& site) {
  const TypedArray value = constant_of(site);
  site.give(0, value.type, value.extents);
}

void put(const TypedArray& value, const Operand& y) {
  if (value.type == ElementType::string)
    std::copy(value.strings.begin(), value.strings.end(), y.as<std::string>());
  else
    std::copy(value.bytes.begin(), value.bytes.end(), y.as<std::byte>());
}

void constant(Call& call) { put(constant_of(call), call.out[0]); }

TypedArray filling_of(const Site& site) {
  const auto* given = site.attribute("value");
  if (given == nullptr) return array_of<float>({}, {0});
  auto array = read_tensor(given->t());
  if (!array) throw Refusal{array.error().message};
  if (elements(array->extents) != 1) Site::refuse("one value", to_string(array->extents));
  return std::move(*array);
}

void filled_shape(Shaping& site) { site.give(0, filling_of(site).type, site.integers_of(0)); }

void filled(Call& call) {
  const TypedArray value = filling_of(call);
  const Operand& y = call.out[0];
  with_storage(y.type, [&]<class T>() {
    if constexpr (std::is_same_v<T, std::string>)
      std::fill_n(y.as<T>(), y.size(), value.strings[0]);
    else
      std::fill_n(y.as<T>(), y.size(), *reinterpret_cast<const T*>(value.bytes.data()));
  });
}

void range_shape(Shaping& site) {
  const auto start = site.numbers_of(0), limit = site.numbers_of(1), step = site.numbers_of(2);
  if (site.type(1) != site.type(0) || site.type(2) != site.type(0)) Site::refuse(to_string(site.type(0)), "another type");
  if (start.size() != 1 || limit.size() != 1 || step.size() != 1 || step[0] == 0)
    Site::refuse("a start, a limit and a step", "others");
  const double count = std::ceil((limit[0] - start[0]) / step[0]);
  if (!(count < 1e9)) Site::refuse("a range of usable size", fmt::format("{}", count));
  site.give(0, site.type(0), {static_cast<std::int64_t>(std::max(count, 0.0))});
}

void range(Call& call) {
  with_number(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.out[0].size(); ++i)
      call.out[0].as<T>()[i] = static_cast<T>(*call.in[0].as<T>() + static_cast<T>(i) * *call.in[2].as<T>());
  });
}

void eye_shape(Shaping& site) {
  if (site.extents(0).size() != 2) Site::refuse("a matrix", to_string(site.extents(0)));
  const auto type = site.attribute("dtype") == nullptr ? std::optional(site.type(0))
                                                       : element_type(static_cast<std::int32_t>(site.integer("dtype", 1)));
  if (!type || (bit(*type) & (kNumbers | kBoolean)) == 0)
    Site::refuse("a type of numbers", fmt::format("ONNX type {}", site.integer("dtype", 1)));
  site.give(0, *type, site.extents(0));
}

void eye(Call& call) {
  const std::int64_t columns = call.in[0].extents[1], shift = call.integer("k", 0);
  with_number_or_boolean(call.out[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.out[0].size(); ++i)
      call.out[0].as<T>()[i] = static_cast<T>(i % columns - i / columns == shift);
  });
}

}  // namespace

Rows constant_operators() {
  return {{"Constant", {1, 9, 11, 12, 13, 19, 21, 23, 24, 25}, kAny, constant_shape, constant, true},
          {"ConstantOfShape", {9, 20, 21, 23, 24, 25}, bit(ElementType::i64), filled_shape, filled, true},
          {"Range", {11, 27}, kNumbers, range_shape, range},
          {"EyeLike", {9, 22}, kNumbers | kBoolean, eye_shape, eye}};
}

}  // namespace soma
