// arrays [batch, channels, …] → the greatest, the mean or a norm of every window, or of everything.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "graph/operators/windows.h"

namespace soma {
namespace {

Shape pooled_extents(const Shape& x, const Shape& y) {
  Shape extents = {x[0], x[1]};
  extents.insert(extents.end(), y.begin(), y.end());
  return extents;
}

void pool_shape(Shaping& site) {
  const Windows windows = windows_of(site, site.extents(0), {});
  for (std::size_t d = 0; d < windows.x.size(); ++d)
    if (windows.x[d] < 1) Site::refuse("extents of at least 1", to_string(windows.x));
  site.give(0, site.type(0), pooled_extents(site.extents(0), windows.y));
  site.give(1, ElementType::i64, pooled_extents(site.extents(0), windows.y));
}

/// Calls each(first element of an image's channel in x, in y) for all of them.
template <class Each>
void each_channel(const Call& call, const Windows& windows, Each&& each) {
  const std::int64_t area = product(windows.x, 0, windows.x.size()), positions = windows.positions();
  for (std::int64_t c = 0, n = call.in[0].extents[0] * call.in[0].extents[1]; c < n; ++c) each(c * area, c * positions);
}

void max_pool(Call& call) {
  const Windows windows = windows_of(call, call.in[0].extents, {});
  const bool by_columns = call.integer("storage_order", 0) != 0;
  with_number(call.in[0].type, [&]<class T>() {
    each_channel(call, windows, [&](std::int64_t from, std::int64_t to) {
      const T* x = call.in[0].as<T>() + from;
      T* y = call.out[0].as<T>() + to;
      std::int64_t* winners = call.makes(1) ? call.out[1].as<std::int64_t>() + to : nullptr;
      each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
        if (point == 0) {
          y[window] =
              std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
          if (winners != nullptr) winners[window] = -1;
        }
        if (offset < 0) return;
        const bool first = winners != nullptr && winners[window] < 0;
        if (!(x[offset] > y[window]) && !(x[offset] != x[offset]) && !first) return;
        y[window] = x[offset];
        if (winners != nullptr) winners[window] = from + offset;
      });
    });
  });
  if (!by_columns || !call.makes(1)) return;
  // Counted with the first of the extents running fastest.
  const std::int64_t area = product(windows.x, 0, windows.x.size());
  for (std::int64_t i = 0; i < call.out[1].size(); ++i) {
    std::int64_t& winner = call.out[1].as<std::int64_t>()[i];
    std::int64_t rest = winner % area, turned = 0;
    Shape place(windows.x.size());
    for (std::size_t d = windows.x.size(); d-- > 0; rest /= windows.x[d]) place[d] = rest % windows.x[d];
    for (std::size_t d = windows.x.size(); d-- > 0;) turned = turned * windows.x[d] + place[d];
    winner += turned - winner % area;
  }
}

/// How many points of a window lie inside the padded extents: what a mean that counts padding divides by.
std::int64_t padded_points(const Windows& windows, std::int64_t window) {
  std::int64_t count = 1;
  for (std::size_t d = windows.y.size(); d-- > 0; window /= windows.y[d]) {
    const std::int64_t begin = window % windows.y[d] * windows.stride[d],
                       room = windows.x[d] + windows.before[d] + windows.after[d] - begin;
    count *= std::min(windows.kernel[d], (room + windows.dilation[d] - 1) / windows.dilation[d]);
  }
  return count;
}

void average_pool(Call& call) {
  const Windows windows = windows_of(call, call.in[0].extents, {});
  const bool padding_counts = call.integer("count_include_pad", 0) != 0;
  const std::int64_t points = windows.points();
  with_real(call.in[0].type, [&]<class T>() {
    each_channel(call, windows, [&](std::int64_t from, std::int64_t to) {
      T sum = 0;
      std::int64_t count = 0;
      each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
        if (point == 0) sum = 0, count = 0;
        if (offset >= 0) sum += call.in[0].as<T>()[from + offset], ++count;
        if (point + 1 < points) return;
        const std::int64_t divisor = padding_counts ? padded_points(windows, window) : count;
        call.out[0].as<T>()[to + window] = divisor > 0 ? sum / static_cast<T>(divisor) : T(0);
      });
    });
  });
}

void norm_pool(Call& call) {
  const Windows windows = windows_of(call, call.in[0].extents, {});
  const double p = call.attribute("p") != nullptr && call.attribute("p")->has_f() ? static_cast<double>(call.number("p", 2))
                                                                                  : static_cast<double>(call.integer("p", 2));
  const std::int64_t points = windows.points();
  with_real(call.in[0].type, [&]<class T>() {
    each_channel(call, windows, [&](std::int64_t from, std::int64_t to) {
      double sum = 0;
      each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
        if (point == 0) sum = 0;
        if (offset >= 0) sum += std::pow(std::abs(static_cast<double>(call.in[0].as<T>()[from + offset])), p);
        if (point + 1 == points) call.out[0].as<T>()[to + window] = static_cast<T>(std::pow(sum, 1 / p));
      });
    });
  });
}

void global_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  if (x.size() < 2 || elements(Shape(x.begin() + 2, x.end())) < 1) Site::refuse("an array [batch, channels, …]", to_string(x));
  Shape y = {x[0], x[1]};
  y.resize(x.size(), 1);
  site.give(0, site.type(0), std::move(y));
}

/// One number out of each channel's points: step(sum so far, x), then end(sum, count).
template <class Step, class End>
void global(Call& call, double start, Step step, End end) {
  const std::int64_t channels = call.out[0].size(), area = channels > 0 ? call.in[0].size() / channels : 0;
  with_real(call.in[0].type, [&]<class T>() {
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = start;
      for (std::int64_t i = 0; i < area; ++i) sum = step(sum, static_cast<double>(call.in[0].as<T>()[c * area + i]));
      call.out[0].as<T>()[c] = static_cast<T>(end(sum, static_cast<double>(area)));
    }
  });
}

void global_average(Call& call) {
  global(
      call, 0, [](double sum, double x) { return sum + x; }, [](double sum, double n) { return sum / n; });
}
void global_max(Call& call) {
  global(
      call, -std::numeric_limits<double>::infinity(),
      [](double best, double x) { return std::isnan(best) || best > x ? best : x; }, [](double best, double) { return best; });
}
void global_norm(Call& call) {
  const double p = call.version < 2 ? static_cast<double>(call.number("p", 2)) : static_cast<double>(call.integer("p", 2));
  global(
      call, 0, [p](double sum, double x) { return sum + std::pow(std::abs(x), p); },
      [p](double sum, double) { return std::pow(sum, 1 / p); });
}

}  // namespace

Rows pool_operators() {
  return {{"MaxPool", {1, 8, 10, 11, 12, 22}, kReal | kBytes, pool_shape, max_pool},
          {"AveragePool", {1, 7, 10, 11, 19, 22}, kReal, pool_shape, average_pool},
          {"LpPool", {1, 2, 11, 18, 22}, kReal, pool_shape, norm_pool},
          {"GlobalAveragePool", {1, 22}, kReal, global_shape, global_average},
          {"GlobalMaxPool", {1, 22}, kReal, global_shape, global_max},
          {"GlobalLpPool", {1, 2, 22}, kReal, global_shape, global_norm}};
}

}  // namespace soma
