// arrays → the same elements in other extents or another order: reshape, transpose, expand, blocks; and the extents themselves.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "graph/operator.h"

namespace soma {
namespace {

void copy(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  with_storage(x.type, [&]<class T>() { std::copy_n(x.as<T>(), x.size(), y.as<T>()); });
}

void reshape_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  Shape y = site.version < 5 ? site.integers("shape") : site.integers_of(1);
  const bool zeros = site.integer("allowzero", 0) != 0;
  std::int64_t open = -1, known = 1;
  for (std::size_t d = 0; d < y.size(); ++d) {
    if (y[d] == 0 && !zeros) {
      if (d >= x.size()) Site::refuse("an extent to copy", to_string(x));
      y[d] = x[d];
    }
    if (y[d] == -1 && open < 0)
      open = static_cast<std::int64_t>(d);
    else if (y[d] < 0 || (y[d] > 0 && known > (std::int64_t{1} << 40) / y[d]))
      Site::refuse("extents, one of them open", to_string(y));
    else
      known *= y[d];
  }
  const std::int64_t all = elements(x);
  if (open >= 0) y[static_cast<std::size_t>(open)] = known > 0 ? all / known : 0;
  if (elements(y) != all) Site::refuse(fmt::format("extents for {} elements", all), to_string(y));
  site.give(0, site.type(0), std::move(y));
}

void flatten_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const std::int64_t given = site.integer("axis", 1), rank = static_cast<std::int64_t>(x.size());
  if (given < -rank || given > rank) Site::refuse(fmt::format("an axis of {} extents", rank), fmt::format("{}", given));
  const auto axis = static_cast<std::size_t>(given < 0 ? given + rank : given);
  site.give(0, site.type(0), {product(x, 0, axis), product(x, axis, x.size())});
}

/// An attribute before operator set 13, the second input since.
Shape axes_of(const Shaping& site) {
  if (site.version < 13) return site.integers("axes");
  return site.has(1) ? site.integers_of(1) : Shape();
}

void squeeze_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const Shape given = axes_of(site);
  const auto axes = Shaping::axes(given, x.size());
  Shape y;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const bool named = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (named && x[d] != 1) Site::refuse("extents of 1 along the axes", to_string(x));
    if (given.empty() ? x[d] != 1 : !named) y.push_back(x[d]);
  }
  site.give(0, site.type(0), std::move(y));
}

void unsqueeze_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const Shape given = axes_of(site);
  if (given.size() > 64) Site::refuse("at most 64 axes", fmt::format("{}", given.size()));
  Shape y = x;
  for (const std::size_t axis : Shaping::axes(given, x.size() + given.size()))
    y.insert(y.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  site.give(0, site.type(0), std::move(y));
}

Shape order_of(const Site& site, std::size_t rank) {
  Shape order = site.integers("perm");
  if (order.empty() && site.attribute("perm") == nullptr) {
    order.resize(rank);
    std::iota(order.rbegin(), order.rend(), 0);
  }
  Shape sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t d = 0; d < std::max(rank, order.size()); ++d)
    if (sorted.size() != rank || sorted[d] != static_cast<std::int64_t>(d))
      Site::refuse(fmt::format("an order of {} extents", rank), to_string(order));
  return order;
}

void transpose_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  Shape y;
  for (const std::int64_t d : order_of(site, x.size())) y.push_back(x[static_cast<std::size_t>(d)]);
  site.give(0, site.type(0), std::move(y));
}

void transpose(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const Shape own = strides_of(x.extents);
  Shape strides;
  for (const std::int64_t d : order_of(call, own.size())) strides.push_back(own[static_cast<std::size_t>(d)]);
  with_storage(x.type, [&]<class T>() { copy_strided(y.extents, x.as<T>(), strides, y.as<T>(), strides_of(y.extents)); });
}

void expand_shape(Shaping& site) {
  const Shape wanted = site.integers_of(1);
  const auto y = broadcast(site.extents(0), wanted);
  if (!y) Site::refuse("extents that broadcast", to_string(site.extents(0)) + " and " + to_string(wanted));
  site.give(0, site.type(0), *y);
}

void expand(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  with_storage(x.type, [&]<class T>() {
    copy_strided(y.extents, x.as<T>(), broadcast_strides(x.extents, y.extents), y.as<T>(), strides_of(y.extents));
  });
}

/// [n, c, h, w] seen as six extents, three of them blocks, and the order in which they come out.
struct Blocks {
  Shape seen;
  std::array<std::size_t, 6> order;
  Shape y;
};

Blocks blocks_of(const Site& site, const Shape& x) {
  const std::int64_t b = site.integer("blocksize", 0);
  if (x.size() != 4 || b < 1) Site::refuse("an array [batch, channels, height, width] and a blocksize", to_string(x));
  if (site.node.op_type() == "SpaceToDepth") {
    if (x[2] % b != 0 || x[3] % b != 0) Site::refuse(fmt::format("a height and width of blocks of {}", b), to_string(x));
    const Shape seen = {x[0], x[1], x[2] / b, b, x[3] / b, b}, y = {x[0], x[1] * b * b, x[2] / b, x[3] / b};
    if (site.word("mode", "DCR") == "CRD") return {seen, {0, 1, 3, 5, 2, 4}, y};
    return {seen, {0, 3, 5, 1, 2, 4}, y};
  }
  if (x[1] % (b * b) != 0) Site::refuse(fmt::format("channels in blocks of {}", b * b), to_string(x));
  const Shape y = {x[0], x[1] / (b * b), x[2] * b, x[3] * b};
  if (site.word("mode", "DCR") == "CRD") return {{x[0], y[1], b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, y};
  return {{x[0], b, b, y[1], x[2], x[3]}, {0, 3, 4, 1, 5, 2}, y};
}

void blocks_shape(Shaping& site) { site.give(0, site.type(0), blocks_of(site, site.extents(0)).y); }

void blocks(Call& call) {
  const Blocks all = blocks_of(call, call.in[0].extents);
  const Shape own = strides_of(all.seen);
  Shape extents, strides;
  for (const std::size_t d : all.order) {
    extents.push_back(all.seen[d]);
    strides.push_back(own[d]);
  }
  with_storage(call.in[0].type,
               [&]<class T>() { copy_strided(extents, call.in[0].as<T>(), strides, call.out[0].as<T>(), strides_of(extents)); });
}

/// Where [start, end) of an array's extents lies; all of them before operator set 15.
std::pair<std::size_t, std::size_t> range_of(const Site& site, std::size_t rank) {
  const auto extents = static_cast<std::int64_t>(rank);
  const auto place = [&](std::int64_t at) {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(at < 0 ? at + extents : at, 0, extents));
  };
  const std::size_t start = place(site.integer("start", 0)), end = place(site.integer("end", extents));
  return {start, std::max(start, end)};
}

void shape_shape(Shaping& site) {
  const auto [start, end] = range_of(site, site.extents(0).size());
  site.give(0, ElementType::i64, {static_cast<std::int64_t>(end - start)});
}

void shape_of(Call& call) {
  const auto [start, end] = range_of(call, call.in[0].extents.size());
  std::copy(call.in[0].extents.begin() + static_cast<std::ptrdiff_t>(start),
            call.in[0].extents.begin() + static_cast<std::ptrdiff_t>(end), call.out[0].as<std::int64_t>());
}

void size_shape(Shaping& site) {
  (void)site.in(0);
  site.give(0, ElementType::i64, {});
}

void size_of(Call& call) { *call.out[0].as<std::int64_t>() = call.in[0].size(); }

void dropout_shape(Shaping& site) {
  if (site.version < 7 && site.integer("is_test", 0) == 0) Site::refuse("prediction", "training, whose mask is random");
  if (site.has(2)) {
    const Shape trains = site.integers_of(2);
    const double ratio = site.has(1) ? site.numbers_of(1).at(0) : 0.5;
    if (trains.size() != 1 || (trains[0] != 0 && ratio != 0)) Site::refuse("prediction", "training, whose mask is random");
  }
  same_shape(site);
  site.give(1, site.version < 10 ? site.type(0) : ElementType::boolean, site.extents(0));
}

void dropout(Call& call) {
  copy(call);
  if (!call.makes(1)) return;
  if (call.out[1].type == ElementType::boolean) std::fill_n(call.out[1].as<bool>(), call.out[1].size(), true);
  with_real(call.out[1].type, [&]<class T>() { std::fill_n(call.out[1].as<T>(), call.out[1].size(), T(1)); });
}

}  // namespace

Rows layout_operators() {
  return {{"Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25}, kAny, same_shape, copy, true},
          {"Reshape", {1, 5, 13, 14, 19, 21, 23, 24, 25}, kAny, reshape_shape, copy, true},
          {"Flatten", {1, 9, 11, 13, 21, 23, 24, 25}, kAny, flatten_shape, copy, true},
          {"Squeeze", {1, 11, 13, 21, 23, 24, 25}, kAny, squeeze_shape, copy, true},
          {"Unsqueeze", {1, 11, 13, 21, 23, 24, 25}, kAny, unsqueeze_shape, copy, true},
          {"Transpose", {1, 13, 21, 23, 24, 25}, kAny, transpose_shape, transpose, true},
          {"Expand", {8, 13}, kAny, expand_shape, expand, true},
          {"DepthToSpace", {1, 11, 13, 28}, kAny, blocks_shape, blocks, true},
          {"SpaceToDepth", {1, 13, 28}, kAny, blocks_shape, blocks, true},
          {"Shape", {1, 13, 15, 19, 21, 23, 24, 25}, kAny, shape_shape, shape_of, true},
          {"Size", {1, 13, 19, 21, 23, 24, 25}, kAny, size_shape, size_of, true},
          {"Dropout", {1, 6, 7, 10, 12, 13, 22}, kReal, dropout_shape, dropout}};
}

}  // namespace soma
