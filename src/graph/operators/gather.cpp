// arrays + places → the elements there, or arrays with other elements there; the k greatest.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "graph/operator.h"

namespace soma {
namespace {

std::int64_t place_in(std::int64_t at, std::int64_t n) {
  if (at < -n || at >= n) Site::refuse(fmt::format("a place among {}", n), fmt::format("{}", at));
  return at < 0 ? at + n : at;
}

void gather_shape(Shaping& site) {
  const Shape &x = site.extents(0), &places = site.extents(1);
  const std::size_t axis = Shaping::axis(site.integer("axis", 0), x.size());
  Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  y.insert(y.end(), places.begin(), places.end());
  y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.end());
  site.give(0, site.type(0), std::move(y));
}

void gather(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", 0), x.extents.size());
  const std::int64_t outer = product(x.extents, 0, axis), n = x.extents[axis],
                     inner = product(x.extents, axis + 1, x.extents.size());
  Shape places = call.integers_of(1);
  for (std::int64_t& each : places) each = place_in(each, n);
  with_storage(x.type, [&]<class T>() {
    T* to = y.as<T>();
    for (std::int64_t o = 0; o < outer; ++o)
      for (const std::int64_t place : places) to = std::copy_n(x.as<T>() + (o * n + place) * inner, inner, to);
  });
}

/// Calls each(offset in the places, offset in x with the axis left out) for every place.
template <class Each>
void each_element(const Shape& places, const Shape& x, std::size_t axis, Each&& each) {
  Shape strides = strides_of(x);
  strides[axis] = 0;
  each_line<2>(places, {strides_of(places), strides}, [&](const auto& at, std::int64_t n, const auto& step) {
    for (std::int64_t i = 0; i < n; ++i) each(at[0] + i * step[0], at[1] + i * step[1]);
  });
}

void check_elements(const Shaping& site, const Shape& places) {
  const Shape& x = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", 0), x.size());
  bool fits = places.size() == x.size();
  for (std::size_t d = 0; d < x.size() && fits; ++d) fits = d == axis || places[d] <= x[d];
  if (!fits) Site::refuse("places within " + to_string(x), to_string(places));
}

void gather_elements_shape(Shaping& site) {
  check_elements(site, site.extents(1));
  site.give(0, site.type(0), site.extents(1));
}

void gather_elements(Call& call) {
  const Operand& x = call.in[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", 0), x.extents.size());
  const Shape places = call.integers_of(1);
  const std::int64_t stride = strides_of(x.extents)[axis];
  with_storage(x.type, [&]<class T>() {
    each_element(call.in[1].extents, x.extents, axis, [&](std::int64_t i, std::int64_t at) {
      call.out[0].as<T>()[i] = x.as<T>()[at + place_in(places[static_cast<std::size_t>(i)], x.extents[axis]) * stride];
    });
  });
}

/// y = y ∘ x with the operator's attribute `reduction`; for text and halves there is none.
template <class T>
void put(T& y, const T& x, const std::string& reduction) {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    if (reduction == "add")
      y = static_cast<T>(y + x);
    else if (reduction == "mul")
      y = static_cast<T>(y * x);
    else if (reduction == "max")
      y = std::max(y, x);
    else if (reduction == "min")
      y = std::min(y, x);
    else
      y = x;
  } else {
    y = x;
  }
}

/// With a reduction the elements are looked at, without one only moved.
template <class F>
void with_reduced(const Operand& x, const std::string& reduction, F&& f) {
  if (reduction != "none") {
    with_type<float, double, std::int32_t, std::int64_t, std::uint8_t, std::int8_t>(x.type, f);
  } else {
    with_storage(x.type, f);
  }
}

void check_reduction(const Shaping& site) {
  const std::string reduction = site.word("reduction", "none");
  const TypeSet reduced = bit(ElementType::f32) | bit(ElementType::f64) | bit(ElementType::i32) | bit(ElementType::i64) | kBytes;
  if (reduction != "none" && (bit(site.type(0)) & reduced) == 0)
    Site::refuse("numbers of 8, 32 or 64 bits to reduce", to_string(site.type(0)));
}

void scatter_elements_shape(Shaping& site) {
  check_elements(site, site.extents(1));
  check_reduction(site);
  if (site.extents(2) != site.extents(1) || site.type(2) != site.type(0))
    Site::refuse("an update for each place", to_string(site.extents(2)));
  same_shape(site);
}

void scatter_elements(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", 0), x.extents.size());
  const Shape places = call.integers_of(1);
  const std::int64_t stride = strides_of(x.extents)[axis];
  const std::string reduction = call.word("reduction", "none");
  with_reduced(x, reduction, [&]<class T>() {
    std::copy_n(x.as<T>(), x.size(), y.as<T>());
    each_element(call.in[1].extents, x.extents, axis, [&](std::int64_t i, std::int64_t at) {
      put(y.as<T>()[at + place_in(places[static_cast<std::size_t>(i)], x.extents[axis]) * stride], call.in[2].as<T>()[i],
          reduction);
    });
  });
}

/// How many leading extents a place of GatherND and ScatterND chooses, behind `batch` of them; the last extent of the places.
std::int64_t chosen_of(const Shape& x, const Shape& places, std::int64_t batch) {
  const std::int64_t rank = static_cast<std::int64_t>(x.size());
  if (places.empty() || batch < 0 || batch >= static_cast<std::int64_t>(places.size()) || batch > rank || places.back() < 0 ||
      places.back() > rank - batch)
    Site::refuse("places within " + to_string(x), to_string(places));
  for (std::int64_t d = 0; d < batch; ++d)
    if (places[static_cast<std::size_t>(d)] != x[static_cast<std::size_t>(d)])
      Site::refuse("places for each of the batch", to_string(places));
  return places.back();
}

void gather_nd_shape(Shaping& site) {
  const Shape &x = site.extents(0), &places = site.extents(1);
  const std::int64_t batch = site.integer("batch_dims", 0), chosen = chosen_of(x, places, batch);
  Shape y(places.begin(), places.end() - 1);
  y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(batch + chosen), x.end());
  site.give(0, site.type(0), std::move(y));
}

/// Offset of the part of x that place `i` names.
std::int64_t named(const Shape& places, std::size_t i, const Shape& x, const Shape& strides, std::size_t batch,
                   std::size_t chosen) {
  std::int64_t at = 0;
  for (std::size_t k = 0; k < chosen; ++k) at += place_in(places[i * chosen + k], x[batch + k]) * strides[batch + k];
  return at;
}

void gather_nd(Call& call) {
  const Operand& x = call.in[0];
  const Shape& extents = call.in[1].extents;
  const auto batch = static_cast<std::size_t>(call.integer("batch_dims", 0)), chosen = static_cast<std::size_t>(extents.back());
  const Shape places = call.integers_of(1), strides = strides_of(x.extents);
  const std::int64_t part = product(x.extents, batch + chosen, x.extents.size()),
                     whole = product(x.extents, batch, x.extents.size());
  const std::int64_t batches = product(extents, 0, batch), each = product(extents, batch, extents.size() - 1);
  with_storage(x.type, [&]<class T>() {
    T* to = call.out[0].as<T>();
    for (std::int64_t i = 0; i < batches * each; ++i)
      to = std::copy_n(
          x.as<T>() + i / each * whole + named(places, static_cast<std::size_t>(i), x.extents, strides, batch, chosen), part, to);
  });
}

void scatter_nd_shape(Shaping& site) {
  const Shape &x = site.extents(0), &places = site.extents(1);
  const std::int64_t chosen = chosen_of(x, places, 0);
  check_reduction(site);
  Shape updates(places.begin(), places.end() - 1);
  updates.insert(updates.end(), x.begin() + static_cast<std::ptrdiff_t>(chosen), x.end());
  if (site.extents(2) != updates || site.type(2) != site.type(0))
    Site::refuse("updates " + to_string(updates), to_string(site.extents(2)));
  same_shape(site);
}

void scatter_nd(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const auto chosen = static_cast<std::size_t>(call.in[1].extents.back());
  const Shape places = call.integers_of(1), strides = strides_of(x.extents);
  const std::int64_t part = product(x.extents, chosen, x.extents.size()),
                     count = product(call.in[1].extents, 0, call.in[1].extents.size() - 1);
  const std::string reduction = call.word("reduction", "none");
  with_reduced(x, reduction, [&]<class T>() {
    std::copy_n(x.as<T>(), x.size(), y.as<T>());
    for (std::int64_t i = 0; i < count; ++i) {
      T* to = y.as<T>() + named(places, static_cast<std::size_t>(i), x.extents, strides, 0, chosen);
      for (std::int64_t k = 0; k < part; ++k) put(to[k], call.in[2].as<T>()[i * part + k], reduction);
    }
  });
}

void one_hot_shape(Shaping& site) {
  const auto depth = site.numbers_of(1);
  if (depth.size() != 1 || !(depth[0] >= 0 && depth[0] < 1e9)) Site::refuse("one depth", fmt::format("{}", depth.size()));
  if (site.extents(2) != Shape{2}) Site::refuse("the values off and on", to_string(site.extents(2)));
  Shape y = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", -1), y.size() + 1);
  y.insert(y.begin() + static_cast<std::ptrdiff_t>(axis), static_cast<std::int64_t>(depth[0]));
  site.give(0, site.type(2), std::move(y));
}

void one_hot(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", -1), y.extents.size());
  const std::int64_t depth = y.extents[axis], inner = product(y.extents, axis + 1, y.extents.size());
  with_storage(y.type, [&]<class T>() {
    std::fill_n(y.as<T>(), y.size(), call.in[2].as<T>()[0]);
    with_number(x.type, [&]<class P>() {
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const auto at = static_cast<std::int64_t>(x.as<P>()[i]), place = at < 0 ? at + depth : at;
        if (place >= 0 && place < depth) y.as<T>()[(i / inner * depth + place) * inner + i % inner] = call.in[2].as<T>()[1];
      }
    });
  });
}

void top_shape(Shaping& site) {
  Shape y = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", -1), y.size());
  const Shape k = site.version < 10 ? Shape{site.integer("k", 0)} : site.integers_of(1);
  if (k.size() != 1 || k[0] < 0 || k[0] > y[axis])
    Site::refuse(fmt::format("a number of elements up to {}", y[axis]), to_string(k));
  y[axis] = k[0];
  site.give(0, site.type(0), y);
  site.give(1, ElementType::i64, y);
}

void top(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::size_t axis = Shaping::axis(call.integer("axis", -1), x.extents.size());
  const std::int64_t n = x.extents[axis], k = y.extents[axis], inner = product(x.extents, axis + 1, x.extents.size()),
                     outer = product(x.extents, 0, axis);
  const bool largest = call.integer("largest", 1) != 0;
  with_number(x.type, [&]<class T>() {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    for (std::int64_t line = 0; line < outer * inner; ++line) {
      const T* from = x.as<T>() + line / inner * n * inner + line % inner;
      const auto before = [&](std::int64_t a, std::int64_t b) {
        const T p = from[a * inner], q = from[b * inner];
        if (p != p || q != q) return p != p && !(q != q) ? largest : (!(p != p) ? !largest : a < b);
        return p != q ? (largest ? p > q : p < q) : a < b;
      };
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t to = line / inner * k * inner + line % inner + i * inner;
        if (call.makes(0)) y.as<T>()[to] = from[order[static_cast<std::size_t>(i)] * inner];
        if (call.makes(1)) call.out[1].as<std::int64_t>()[to] = order[static_cast<std::size_t>(i)];
      }
    }
  });
}

/// Which elements are not 0, which a condition keeps: their number is known only with the values.
void nonzero_shape(Shaping& site) {
  const Known& x = site.in(0);
  if (x.value == nullptr) throw Undecided{"a shape that hangs on values"};
  std::int64_t count = 0;
  with_number_or_boolean(x.type, [&]<class T>() {
    const T* values = reinterpret_cast<const T*>(x.value->bytes.data());
    for (std::int64_t i = 0; i < elements(x.extents); ++i) count += values[i] != T(0);
  });
  site.give(0, ElementType::i64, {static_cast<std::int64_t>(x.extents.size()), count});
}

void nonzero(Call& call) {
  const Operand& x = call.in[0];
  const std::int64_t count = call.out[0].extents[1];
  const Shape strides = strides_of(x.extents);
  std::int64_t found = 0;
  with_number_or_boolean(x.type, [&]<class T>() {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      if (x.as<T>()[i] == T(0)) continue;
      for (std::size_t d = 0; d < strides.size(); ++d)
        call.out[0].as<std::int64_t>()[static_cast<std::int64_t>(d) * count + found] = i / strides[d] % x.extents[d];
      ++found;
    }
  });
}

void compress_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const Shape condition = site.integers_of(1);
  const auto kept = static_cast<std::int64_t>(std::count(condition.begin(), condition.end(), 1));
  if (site.attribute("axis") == nullptr) {
    if (static_cast<std::int64_t>(condition.size()) > elements(x))
      Site::refuse("at most a condition for each element", fmt::format("{}", condition.size()));
    return site.give(0, site.type(0), {kept});
  }
  Shape y = x;
  const std::size_t axis = Shaping::axis(site.integer("axis", 0), x.size());
  if (static_cast<std::int64_t>(condition.size()) > x[axis])
    Site::refuse("at most a condition for each place", fmt::format("{}", condition.size()));
  y[axis] = kept;
  site.give(0, site.type(0), std::move(y));
}

void compress(Call& call) {
  const Operand& x = call.in[0];
  const bool flat = call.attribute("axis") == nullptr;
  const std::size_t axis = flat ? 0 : Shaping::axis(call.integer("axis", 0), x.extents.size());
  const Shape condition = call.integers_of(1);
  const std::int64_t outer = flat ? 1 : product(x.extents, 0, axis), n = flat ? x.size() : x.extents[axis],
                     inner = flat ? 1 : product(x.extents, axis + 1, x.extents.size());
  with_storage(x.type, [&]<class T>() {
    T* to = call.out[0].as<T>();
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::size_t i = 0; i < condition.size(); ++i)
        if (condition[i] != 0) to = std::copy_n(x.as<T>() + (o * n + static_cast<std::int64_t>(i)) * inner, inner, to);
  });
}

}  // namespace

Rows gather_operators() {
  return {{"Gather", {1, 11, 13}, kAny, gather_shape, gather, true},
          {"GatherElements", {11, 13}, kAny, gather_elements_shape, gather_elements, true},
          {"GatherND", {11, 12, 13}, kAny, gather_nd_shape, gather_nd, true},
          {"Scatter", {9, 11}, kAny, scatter_elements_shape, scatter_elements, true},
          {"ScatterElements", {11, 13, 16, 18}, kAny, scatter_elements_shape, scatter_elements, true},
          {"ScatterND", {11, 13, 16, 18}, kAny, scatter_nd_shape, scatter_nd, true},
          {"OneHot", {9, 11, 28}, kWhole | bit(ElementType::f32) | bit(ElementType::f64), one_hot_shape, one_hot, true},
          {"TopK", {1, 10, 11, 24}, kNumbers, top_shape, top},
          {"NonZero", {9, 13}, kNumbers | kBoolean, nonzero_shape, nonzero},
          {"Compress", {9, 11, 28}, kAny, compress_shape, compress, true}};
}

}  // namespace soma
