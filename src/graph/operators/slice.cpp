// arrays → parts of them, or several in one: slice, split, concat, pad, tile, triangles.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "graph/operator.h"

namespace soma {
namespace {

/// What a slice takes along each extent.
struct Cut {
  Shape start, step, y;
};

/// Numbers are attributes before operator set 10, inputs since.
template <class Get>
Cut cut_of(const Site& site, const Shape& x, bool has_axes, bool has_steps, Get&& get) {
  const bool inputs = site.version >= 10;
  const Shape starts = inputs ? get(1) : site.integers("starts"), ends = inputs ? get(2) : site.integers("ends");
  Shape axes = inputs ? (has_axes ? get(3) : Shape()) : site.integers("axes"), steps = inputs && has_steps ? get(4) : Shape();
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
    Site::refuse("a start, an end, an axis and a step for each cut",
                 fmt::format("{}, {}, {}, {}", starts.size(), ends.size(), axes.size(), steps.size()));
  Cut cut{Shape(x.size(), 0), Shape(x.size(), 1), x};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t d = Shaping::axis(axes[i], x.size());
    const std::int64_t n = x[d], step = steps[i];
    if (step == 0 || step == std::numeric_limits<std::int64_t>::min()) Site::refuse("a step other than 0", "0");
    if (n == 0) continue;
    const auto place = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
      return std::clamp(at < 0 ? at + n : at, low, high);
    };
    const std::int64_t start = step > 0 ? place(starts[i], 0, n) : place(starts[i], 0, n - 1),
                       end = step > 0 ? place(ends[i], 0, n) : place(ends[i], -1, n - 1);
    const std::int64_t room = step > 0 ? end - start : start - end, stride = std::min(std::abs(step), n);
    cut.start[d] = start;
    cut.step[d] = step > 0 ? stride : -stride;
    cut.y[d] = room > 0 ? (room - 1) / stride + 1 : 0;
  }
  return cut;
}

void slice_shape(Shaping& site) {
  site.give(0, site.type(0),
            cut_of(site, site.extents(0), site.has(3), site.has(4), [&](std::size_t i) { return site.integers_of(i); }).y);
}

void slice(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const Cut cut = cut_of(call, x.extents, call.has(3), call.has(4), [&](std::size_t i) { return call.integers_of(i); });
  Shape strides = strides_of(x.extents);
  std::int64_t first = 0;
  for (std::size_t d = 0; d < strides.size(); ++d) {
    first += cut.start[d] * strides[d];
    strides[d] *= cut.step[d];
  }
  with_storage(x.type, [&]<class T>() {
    copy_strided(y.extents, x.as<T>() + (y.size() > 0 ? first : 0), strides, y.as<T>(), strides_of(y.extents));
  });
}

void concat_shape(Shaping& site) {
  Shape y = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", 1), y.size());
  for (std::size_t i = 1; i < site.inputs(); ++i) {
    Shape x = site.extents(i);
    if (x.size() != y.size() || site.type(i) != site.type(0)) Site::refuse("arrays of one type and rank", to_string(x));
    const std::int64_t more = x[axis];
    x[axis] = y[axis];
    if (x != y)
      Site::refuse("extents that differ along the axis alone", to_string(site.extents(0)) + " and " + to_string(site.extents(i)));
    y[axis] += more;
  }
  site.give(0, site.type(0), std::move(y));
}

void concat(Call& call) {
  const Operand& y = call.out[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", 1), y.extents.size());
  const std::int64_t outer = product(y.extents, 0, axis), row = product(y.extents, axis, y.extents.size());
  with_storage(y.type, [&]<class T>() {
    std::int64_t at = 0;
    for (const Operand& x : call.in) {
      const std::int64_t part = product(x.extents, axis, x.extents.size());
      for (std::int64_t o = 0; o < outer; ++o) std::copy_n(x.as<T>() + o * part, part, y.as<T>() + o * row + at);
      at += part;
    }
  });
}

void split_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", 0), x.size());
  const auto parts = static_cast<std::int64_t>(site.out.size());
  Shape sizes = site.has(1) ? site.integers_of(1) : site.integers("split");
  if (sizes.empty()) {
    const std::int64_t each = (x[axis] + parts - 1) / parts;
    if (site.version < 18 && x[axis] % parts != 0) Site::refuse(fmt::format("{} equal parts", parts), fmt::format("{}", x[axis]));
    for (std::int64_t i = 0; i < parts; ++i) sizes.push_back(std::clamp<std::int64_t>(x[axis] - i * each, 0, each));
  }
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0 || size > x[axis]) Site::refuse(fmt::format("parts of {}", x[axis]), fmt::format("{}", size));
    sum += size;
  }
  if (sum != x[axis] || static_cast<std::int64_t>(sizes.size()) != parts)
    Site::refuse(fmt::format("{} parts of {} in all", parts, x[axis]), to_string(sizes));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (site.node.output(static_cast<int>(i)).empty()) Site::refuse("a name for each part", "none");
    Shape y = x;
    y[axis] = sizes[i];
    site.give(i, site.type(0), std::move(y));
  }
}

void split(Call& call) {
  const Operand& x = call.in[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", 0), x.extents.size());
  const std::int64_t outer = product(x.extents, 0, axis), row = product(x.extents, axis, x.extents.size());
  with_storage(x.type, [&]<class T>() {
    std::int64_t at = 0;
    for (const Operand& y : call.out) {
      const std::int64_t part = product(y.extents, axis, y.extents.size());
      for (std::int64_t o = 0; o < outer && y; ++o) std::copy_n(x.as<T>() + o * row + at, part, y.as<T>() + o * part);
      at += part;
    }
  });
}

/// Numbers added before and behind each extent; below 0 they are cut off.
template <class Get>
Shape pads_of(const Site& site, std::size_t rank, bool has_axes, Get&& get) {
  Shape given = site.version >= 11 ? get(1) : site.integers(site.version < 2 ? "paddings" : "pads");
  Shape axes = has_axes ? get(3) : Shape();
  if (!has_axes)
    for (std::size_t d = 0; d < rank; ++d) axes.push_back(static_cast<std::int64_t>(d));
  if (given.size() != 2 * axes.size()) Site::refuse(fmt::format("{} pads", 2 * axes.size()), fmt::format("{}", given.size()));
  Shape pads(2 * rank, 0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t d = Shaping::axis(axes[i], rank);
    for (const std::int64_t pad : {given[i], given[i + axes.size()]})
      if (pad < -(std::int64_t{1} << 31) || pad > std::int64_t{1} << 31)
        Site::refuse("pads of usable size", fmt::format("{}", pad));
    pads[d] = given[i];
    pads[d + rank] = given[i + axes.size()];
  }
  return pads;
}

void pad_shape(Shaping& site) {
  Shape y = site.extents(0);
  const Shape pads = pads_of(site, y.size(), site.has(3), [&](std::size_t i) { return site.integers_of(i); });
  const std::string mode = site.word("mode", "constant");
  if (site.has(2) && (site.type(2) != site.type(0) || elements(site.extents(2)) != 1))
    Site::refuse("one value of the array's type", to_string(site.extents(2)));
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    Site::refuse("constant, reflect, edge or wrap", mode);
  for (std::size_t d = 0; d < y.size(); ++d) {
    if (mode != "constant" && y[d] < 1 && (pads[d] > 0 || pads[d + y.size()] > 0))
      Site::refuse("extents with something to repeat", to_string(y));
    y[d] = std::max<std::int64_t>(y[d] + pads[d] + pads[d + y.size()], 0);
  }
  site.give(0, site.type(0), std::move(y));
}

/// The place in an extent of n that a place before, in or behind it shows; −1 for none.
std::int64_t shown(std::int64_t at, std::int64_t n, const std::string& mode) {
  if (at >= 0 && at < n) return at;
  if (mode == "constant") return -1;
  if (mode == "edge") return std::clamp<std::int64_t>(at, 0, n - 1);
  const std::int64_t period = mode == "wrap" ? n : std::max<std::int64_t>(2 * (n - 1), 1), rest = (at % period + period) % period;
  return rest < n ? rest : period - rest;
}

void pad(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::size_t rank = x.extents.size();
  const Shape pads = pads_of(call, rank, call.has(3), [&](std::size_t i) { return call.integers_of(i); }),
              own = strides_of(x.extents);
  const std::string mode = call.word("mode", "constant");
  std::vector<Shape> places(rank);  // along each extent: the offset of what a place shows
  for (std::size_t d = 0; d < rank; ++d)
    for (std::int64_t i = 0; i < y.extents[d]; ++i) {
      const std::int64_t at = shown(i - pads[d], x.extents[d], mode);
      places[d].push_back(at < 0 ? -1 : at * own[d]);
    }
  with_storage(x.type, [&]<class T>() {
    T filling{};
    if (call.has(2)) filling = *call.in[2].as<T>();
    if (call.version < 11 && x.type == ElementType::f32) {
      const float value = call.number("value", 0);
      if constexpr (sizeof(T) == sizeof(float)) filling = std::bit_cast<T>(value);
    }
    if (call.version < 11 && x.type == ElementType::f64)
      if constexpr (std::is_same_v<T, std::uint64_t>) filling = std::bit_cast<T>(static_cast<double>(call.number("value", 0)));
    Shape at(rank, 0);
    for (std::int64_t i = 0; i < y.size(); ++i) {
      std::int64_t offset = 0;
      for (std::size_t d = 0; d < rank && offset >= 0; ++d) {
        const std::int64_t part = places[d][static_cast<std::size_t>(at[d])];
        offset = part < 0 ? -1 : offset + part;
      }
      y.as<T>()[i] = offset < 0 ? filling : x.as<T>()[offset];
      for (std::size_t d = rank; d-- > 0 && ++at[d] == y.extents[d];) at[d] = 0;
    }
  });
}

void tile_shape(Shaping& site) {
  if (site.version < 6) Site::refuse("version 6 or later", "1");
  Shape y = site.extents(0);
  const Shape times = site.integers_of(1);
  if (times.size() != y.size()) Site::refuse(fmt::format("{} repeats", y.size()), fmt::format("{}", times.size()));
  for (std::size_t d = 0; d < y.size(); ++d) {
    if (times[d] < 0 || (y[d] > 0 && times[d] > (std::int64_t{1} << 32) / y[d]))
      Site::refuse("repeats of usable size", fmt::format("{}", times[d]));
    y[d] *= times[d];
  }
  site.give(0, site.type(0), std::move(y));
}

void tile(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const Shape own = strides_of(x.extents);
  Shape extents, strides;
  for (std::size_t d = 0; d < own.size(); ++d) {
    extents.insert(extents.end(), {x.extents[d] > 0 ? y.extents[d] / x.extents[d] : 0, x.extents[d]});
    strides.insert(strides.end(), {0, own[d]});
  }
  with_storage(x.type, [&]<class T>() { copy_strided(extents, x.as<T>(), strides, y.as<T>(), strides_of(extents)); });
}

void triangle_shape(Shaping& site) {
  if (site.extents(0).size() < 2) Site::refuse("matrices", to_string(site.extents(0)));
  same_shape(site);
}

void triangle(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::int64_t columns = x.extents.back(), rows = x.extents[x.extents.size() - 2];
  const Shape given = call.has(1) ? call.integers_of(1) : Shape{0};
  const bool upper = call.integer("upper", 1) != 0;
  const std::int64_t from = given.empty() ? 0 : std::clamp<std::int64_t>(given[0], -rows, columns);
  with_storage(x.type, [&]<class T>() {
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const std::int64_t row = i / columns % rows, column = i % columns;
      y.as<T>()[i] = (upper ? column - row >= from : column - row <= from) ? x.as<T>()[i] : T{};
    }
  });
}

}  // namespace

Rows slice_operators() {
  return {{"Slice", {1, 10, 11, 13}, kAny, slice_shape, slice, true},
          {"Concat", {1, 4, 11, 13}, kAny, concat_shape, concat, true},
          {"Split", {1, 2, 11, 13, 18}, kAny, split_shape, split, true},
          {"Pad", {1, 2, 11, 13, 18, 19, 21, 23, 24, 25}, kAny, pad_shape, pad, true},
          {"Tile", {1, 6, 13}, kAny, tile_shape, tile, true},
          {"Trilu", {14}, kAny, triangle_shape, triangle, true}};
}

}  // namespace soma
