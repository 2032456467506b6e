// arrays → the same picture at another size: nearest, linear, cubic, an axis at a time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/operator.h"

namespace soma {
namespace {

/// What an axis becomes.
struct Axis {
  std::int64_t from = 1, to = 1;
  double scale = 1;
};

/// The elements that one place of the result is made of, and their shares.
struct Taps {
  std::vector<std::int64_t> places;
  std::vector<double> shares;
};

/// Where scales and sizes stand: Upsample(7) has an attribute, Upsample(9) and Resize(10) input 1, later ones inputs 2 and 3.
template <class Numbers, class Integers>
std::vector<Axis> axes_of(const Site& site, const Shape& x, bool has_scales, bool has_sizes, Numbers&& numbers,
                          Integers&& integers) {
  const bool upsample = site.node.op_type() == "Upsample";
  std::vector<double> scales;
  Shape sizes, axes = site.integers("axes");
  if (upsample && site.version < 9) {
    for (const float each : site.numbers("scales")) scales.push_back(static_cast<double>(each));
  } else if (upsample || site.version < 11) {
    scales = numbers(1);
  } else {
    if (has_sizes) sizes = integers(3);
    if (has_scales && sizes.empty()) scales = numbers(2);
  }
  if (axes.empty())
    for (std::size_t d = 0; d < x.size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  if (std::max(scales.size(), sizes.size()) != axes.size())
    Site::refuse(fmt::format("scales or sizes for {} axes", axes.size()),
                 fmt::format("{}", std::max(scales.size(), sizes.size())));
  std::vector<Axis> all;
  for (const std::int64_t extent : x) all.push_back({extent, extent, 1});
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Axis& axis = all[Shaping::axis(axes[i], x.size())];
    if (axis.from < 1) Site::refuse("extents of at least 1", to_string(x));
    if (sizes.empty()) {
      if (!(scales[i] > 0) || scales[i] > 1e6) Site::refuse("scales of usable size", fmt::format("{}", scales[i]));
      axis.scale = scales[i];
      axis.to = static_cast<std::int64_t>(std::floor(static_cast<double>(axis.from) * scales[i]));
    } else {
      if (sizes[i] < 1 || sizes[i] > std::int64_t{1} << 30) Site::refuse("sizes of usable size", fmt::format("{}", sizes[i]));
      axis.to = sizes[i];
      axis.scale = static_cast<double>(sizes[i]) / static_cast<double>(axis.from);
    }
  }
  return all;
}

void resize_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  if (site.integer("antialias", 0) != 0) Site::refuse("antialias = 0", "1");
  if (site.word("keep_aspect_ratio_policy", "stretch") != "stretch")
    Site::refuse("keep_aspect_ratio_policy stretch", site.word("keep_aspect_ratio_policy", ""));
  if (site.word("coordinate_transformation_mode", "") == "tf_crop_and_resize")
    Site::refuse("places without a region", "tf_crop_and_resize");
  Shape y;
  const auto there = [&](std::size_t i) { return site.has(i) && elements(site.extents(i)) > 0; };
  for (const Axis& axis : axes_of(
           site, x, there(2), there(3), [&](std::size_t i) { return site.numbers_of(i); },
           [&](std::size_t i) { return site.integers_of(i); }))
    y.push_back(axis.to);
  const std::string mode = site.word("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "cubic" && mode != "bilinear")
    Site::refuse("nearest, linear or cubic", mode);
  if (mode != "nearest" && (bit(site.type(0)) & kReal) == 0) Site::refuse("real numbers to mix", to_string(site.type(0)));
  site.give(0, site.type(0), std::move(y));
}

double place_of(const Site& site, const Axis& axis, std::int64_t i) {
  const double at = static_cast<double>(i), to = static_cast<double>(axis.to), from = static_cast<double>(axis.from);
  const bool old = site.version < 11 || site.node.op_type() == "Upsample";
  const std::string mode = old ? "asymmetric" : site.word("coordinate_transformation_mode", "half_pixel");
  if (mode == "asymmetric") return at / axis.scale;
  // The length before it was rounded down.
  if (mode == "align_corners") return axis.scale * from != 1 ? at * (from - 1) / (axis.scale * from - 1) : 0;
  if (mode == "pytorch_half_pixel") return axis.to > 1 ? (at + 0.5) / axis.scale - 0.5 : 0;
  if (mode == "tf_half_pixel_for_nn") return (at + 0.5) / axis.scale;
  if (mode == "half_pixel_symmetric") {
    const double adjustment = to / (axis.scale * from);
    return from / 2 * (1 - adjustment) + (at + 0.5) / axis.scale - 0.5;
  }
  return (at + 0.5) / axis.scale - 0.5;
}

std::int64_t nearest_of(const Site& site, double place) {
  const bool old = site.version < 11 || site.node.op_type() == "Upsample";
  const std::string mode = old ? "floor" : site.word("nearest_mode", "round_prefer_floor");
  if (mode == "floor") return static_cast<std::int64_t>(std::floor(place));
  if (mode == "ceil") return static_cast<std::int64_t>(std::ceil(place));
  if (mode == "round_prefer_ceil") return static_cast<std::int64_t>(std::floor(place + 0.5));
  return static_cast<std::int64_t>(std::ceil(place - 0.5));
}

Taps taps_of(const Site& site, const Axis& axis, std::int64_t i) {
  const double place = place_of(site, axis, i);
  const std::string mode = site.word("mode", "nearest");
  const auto inside = [&](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, axis.from - 1); };
  if (mode == "nearest") return {{inside(nearest_of(site, place))}, {1}};
  const auto first = static_cast<std::int64_t>(std::floor(place));
  const double rest = place - std::floor(place);
  if (mode != "cubic") return {{inside(first), inside(first + 1)}, {1 - rest, rest}};
  // Keys 1981.
  const double a = static_cast<double>(site.number("cubic_coeff_a", -0.75F));
  Taps taps;
  double sum = 0;
  for (std::int64_t k = -1; k <= 2; ++k) {
    const double d = std::abs(rest - static_cast<double>(k));
    double share = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    if (site.integer("exclude_outside", 0) != 0 && inside(first + k) != first + k) share = 0;
    taps.places.push_back(inside(first + k));
    taps.shares.push_back(share);
    sum += share;
  }
  for (double& share : taps.shares) share /= sum;
  return taps;
}

/// Along one axis; shares in double, what they make in T.
template <class T>
std::vector<T> along(const std::vector<T>& x, Shape& extents, std::size_t d, const std::vector<Taps>& taps) {
  const std::int64_t outer = product(extents, 0, d), n = extents[d], inner = product(extents, d + 1, extents.size());
  extents[d] = static_cast<std::int64_t>(taps.size());
  std::vector<T> y(static_cast<std::size_t>(elements(extents)));
  std::size_t to = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (const Taps& each : taps)
      for (std::int64_t i = 0; i < inner; ++i) {
        const auto at = [&](std::size_t k) { return x[static_cast<std::size_t>((o * n + each.places[k]) * inner + i)]; };
        if (each.places.size() == 1) {
          y[to++] = at(0);
          continue;
        }
        double sum = 0;
        for (std::size_t k = 0; k < each.places.size(); ++k) sum += static_cast<double>(at(k)) * each.shares[k];
        y[to++] = static_cast<T>(sum);
      }
  return y;
}

void resize(Call& call) {
  const Operand& x = call.in[0];
  const auto numbers = [&](std::size_t i) {
    std::vector<double> all;
    with_real(call.in[i].type, [&]<class T>() { all.assign(call.in[i].as<T>(), call.in[i].as<T>() + call.in[i].size()); });
    return all;
  };
  // An input without elements is as good as none.
  const auto there = [&](std::size_t i) { return call.has(i) && call.in[i].size() > 0; };
  const auto axes = axes_of(call, x.extents, there(2), there(3), numbers, [&](std::size_t i) { return call.integers_of(i); });
  with_number(x.type, [&]<class T>() {
    std::vector<T> values(x.as<T>(), x.as<T>() + x.size());
    Shape extents = x.extents;
    for (std::size_t d = 0; d < axes.size(); ++d) {
      if (axes[d].from == axes[d].to && axes[d].scale == 1) continue;
      std::vector<Taps> taps;
      for (std::int64_t i = 0; i < axes[d].to; ++i) taps.push_back(taps_of(call, axes[d], i));
      values = along(values, extents, d, taps);
    }
    std::copy(values.begin(), values.end(), call.out[0].as<T>());
  });
}

}  // namespace

Rows resize_operators() {
  return {{"Resize", {10, 11, 13, 18, 19}, kNumbers, resize_shape, resize},
          {"Upsample", {7, 9, 10}, kNumbers, resize_shape, resize}};
}

}  // namespace soma
