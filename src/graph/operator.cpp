// a node's attributes and inputs → what its operator's functions ask for, or the reason why they refuse.
#include "graph/operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

namespace soma {
namespace {

/// Of one value. Larger ones are no small model's, and products of extents below it never overflow.
constexpr std::int64_t kMostElements = std::int64_t{1} << 32;

std::map<std::pair<std::string_view, std::string_view>, Operator> table_of_all() {
  std::map<std::pair<std::string_view, std::string_view>, Operator> table;
  for (const auto rows :
       {arithmetic_operators, unary_operators, logic_operators, cast_operators, matrix_operators, convolution_operators,
        pool_operators, normalise_operators, reduce_operators, layout_operators, slice_operators, gather_operators,
        constant_operators, quantise_operators, recurrent_operators, machine_learning_operators, resize_operators})
    for (Operator& row : rows()) {
      const auto key = std::pair(row.domain, row.name);
      SOMA_REQUIRE(table.emplace(key, std::move(row)).second);
    }
  return table;
}

}  // namespace

const onnx::AttributeProto* Site::attribute(std::string_view name) const {
  for (const auto& given : node.attribute())
    if (given.name() == name) return &given;
  return nullptr;
}

std::int64_t Site::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* given = attribute(name);
  return given != nullptr && given->has_i() ? given->i() : otherwise;
}

float Site::number(std::string_view name, float otherwise) const {
  const auto* given = attribute(name);
  return given != nullptr && given->has_f() ? given->f() : otherwise;
}

std::string Site::word(std::string_view name, std::string_view otherwise) const {
  const auto* given = attribute(name);
  return given != nullptr && given->has_s() ? given->s() : std::string(otherwise);
}

Shape Site::integers(std::string_view name) const {
  const auto* given = attribute(name);
  return given == nullptr ? Shape() : Shape(given->ints().begin(), given->ints().end());
}

std::vector<float> Site::numbers(std::string_view name) const {
  const auto* given = attribute(name);
  return given == nullptr ? std::vector<float>() : std::vector<float>(given->floats().begin(), given->floats().end());
}

std::vector<std::string> Site::words(std::string_view name) const {
  const auto* given = attribute(name);
  return given == nullptr ? std::vector<std::string>()
                          : std::vector<std::string>(given->strings().begin(), given->strings().end());
}

void Site::refuse(std::string_view wanted, std::string_view got) { throw Refusal{fmt::format("wanted {}, got {}", wanted, got)}; }

const Known& Shaping::in(std::size_t i) const {
  if (!has(i)) refuse(fmt::format("{} inputs", i + 1), fmt::format("{}", in_.size()));
  return *in_[i];
}

Shape Shaping::integers_of(std::size_t i) const {
  const Known& known = in(i);
  if ((bit(known.type) & (kWhole | kBoolean)) == 0) refuse("whole numbers", to_string(known.type));
  if (known.value == nullptr)
    throw Undecided{fmt::format("a shape that hangs on the values of '{}'", node.input(static_cast<int>(i)))};
  return whole_numbers(known.type, known.value->bytes.data(), elements(known.extents));
}

std::vector<double> Shaping::numbers_of(std::size_t i) const {
  const Known& known = in(i);
  if ((bit(known.type) & kNumbers) == 0) refuse("numbers", to_string(known.type));
  if (known.value == nullptr)
    throw Undecided{fmt::format("a shape that hangs on the values of '{}'", node.input(static_cast<int>(i)))};
  std::vector<double> numbers;
  const auto count = static_cast<std::size_t>(elements(known.extents));
  const void* data = known.value->bytes.data();
  if (known.type == ElementType::f16)
    for (std::size_t k = 0; k < count; ++k) numbers.push_back(double{from_half(static_cast<const std::uint16_t*>(data)[k])});
  with_number(known.type, [&]<class T>() {
    if (known.type == ElementType::f16) return;
    for (std::size_t k = 0; k < count; ++k) numbers.push_back(static_cast<double>(static_cast<const T*>(data)[k]));
  });
  return numbers;
}

std::size_t Shaping::axis(std::int64_t axis, std::size_t rank) {
  const auto extents = static_cast<std::int64_t>(rank);
  if (axis < -extents || axis >= extents) refuse(fmt::format("an axis of {} extents", rank), fmt::format("{}", axis));
  return static_cast<std::size_t>(axis < 0 ? axis + extents : axis);
}

std::vector<std::size_t> Shaping::axes(const Shape& axes, std::size_t rank) {
  std::vector<std::size_t> all;
  for (const std::int64_t each : axes) all.push_back(axis(each, rank));
  std::sort(all.begin(), all.end());
  if (std::adjacent_find(all.begin(), all.end()) != all.end()) refuse("each axis once", "one twice");
  return all;
}

void Shaping::give(std::size_t i, ElementType type, Shape extents) {
  if (i >= out.size()) return;
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) refuse("extents of 0 and more", to_string(extents));
    if (extent > 0 && count > kMostElements / extent)
      refuse(fmt::format("at most {} elements", kMostElements), to_string(extents));
    count *= std::max<std::int64_t>(extent, 1);
  }
  out[i] = {type, std::move(extents), nullptr};
  given[i] = true;
}

Shape Call::integers_of(std::size_t i) const {
  if ((bit(in[i].type) & (kWhole | kBoolean)) == 0) refuse("whole numbers", to_string(in[i].type));
  return whole_numbers(in[i].type, in[i].data, in[i].size());
}

Shape whole_numbers(ElementType type, const void* data, std::int64_t count) {
  Shape numbers;
  with_type<std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
            bool>(type, [&]<class T>() {
    const T* values = static_cast<const T*>(data);
    for (std::int64_t i = 0; i < count; ++i) numbers.push_back(static_cast<std::int64_t>(values[i]));
  });
  return numbers;
}

const Operator* find_operator(std::string_view domain, std::string_view name) {
  static const auto table = table_of_all();
  const auto at = table.find({domain == "ai.onnx" ? "" : domain, name});
  return at == table.end() ? nullptr : &at->second;
}

std::int64_t version_of(const Operator& row, std::int64_t opset) {
  std::int64_t version = 0;
  for (const std::int64_t each : row.versions)
    if (each <= opset) version = each;
  return version;
}

void same_shape(Shaping& site) { site.give(0, site.type(0), site.extents(0)); }

void broadcast_shape(Shaping& site) {
  Shape y = site.extents(0);
  for (std::size_t i = 1; i < site.inputs(); ++i) {
    if (site.type(i) != site.type(0)) Site::refuse(to_string(site.type(0)), to_string(site.type(i)));
    const auto wider = broadcast(y, site.extents(i));
    if (!wider) Site::refuse("extents that broadcast", to_string(y) + " and " + to_string(site.extents(i)));
    y = *wider;
  }
  site.give(0, site.type(0), std::move(y));
}

}  // namespace soma
