// arrays → the same values made comparable: softmax, batch, instance, group, layer and local normalisation.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "graph/operator.h"

namespace soma {
namespace {

/// An array seen as [outer, n, inner]: n runs along what is normalised together.
struct Lines {
  std::int64_t outer, n, inner;
};

/// Before operator set 13 everything from the axis on is one line; since then the axis alone.
Lines softmax_lines(const Site& site, const Shape& x) {
  const bool flattens = site.version < 13;
  if (x.empty()) return {1, 1, 1};
  const std::int64_t given = site.integer("axis", flattens ? 1 : -1);
  const std::size_t axis = flattens && given == static_cast<std::int64_t>(x.size()) ? x.size() : Shaping::axis(given, x.size());
  if (flattens) return {product(x, 0, axis), product(x, axis, x.size()), 1};
  return {product(x, 0, axis), x[axis], product(x, axis + 1, x.size())};
}

void softmax_shape(Shaping& site) {
  (void)softmax_lines(site, site.extents(0));
  same_shape(site);
}

/// Calls each(x of the line, y of the line, step between its elements) for every line.
template <class T, class Each>
void each_of(const Lines& lines, const Operand& x, const Operand& y, Each&& each) {
  for (std::int64_t o = 0; o < lines.outer; ++o)
    for (std::int64_t i = 0; i < lines.inner && lines.n > 0; ++i) {
      const std::int64_t at = o * lines.n * lines.inner + i;
      each(x.as<T>() + at, y.as<T>() + at, lines.inner);
    }
}

template <bool log>
void softmax(Call& call) {
  const Lines lines = softmax_lines(call, call.in[0].extents);
  with_real(call.in[0].type, [&]<class T>() {
    each_of<T>(lines, call.in[0], call.out[0], [&](const T* x, T* y, std::int64_t step) {
      T greatest = x[0];
      for (std::int64_t k = 1; k < lines.n; ++k) greatest = std::max(greatest, x[k * step]);
      T sum = 0;
      for (std::int64_t k = 0; k < lines.n; ++k) {
        const T power = std::exp(x[k * step] - greatest);
        sum += power;
        y[k * step] = log ? x[k * step] - greatest : power;
      }
      for (std::int64_t k = 0; k < lines.n; ++k) y[k * step] = log ? y[k * step] - std::log(sum) : y[k * step] / sum;
    });
  });
}

void hardmax(Call& call) {
  const Lines lines = softmax_lines(call, call.in[0].extents);
  with_real(call.in[0].type, [&]<class T>() {
    each_of<T>(lines, call.in[0], call.out[0], [&](const T* x, T* y, std::int64_t step) {
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < lines.n; ++k)
        if (x[k * step] > x[best * step]) best = k;
      for (std::int64_t k = 0; k < lines.n; ++k) y[k * step] = k == best ? T(1) : T(0);
    });
  });
}

std::int64_t channels_of(const Shape& x) { return x.size() < 2 ? 1 : x[1]; }

bool trains(const Site& site) {
  if (site.version >= 14) return site.integer("training_mode", 0) != 0;
  if (site.version < 7) return site.integer("is_test", 0) == 0;
  return std::count_if(site.node.output().begin(), site.node.output().end(), [](const auto& name) { return !name.empty(); }) > 1;
}

void batch_norm_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  if (x.empty()) Site::refuse("an array [batch, channels, …]", to_string(x));
  if (site.version < 9 && site.integer("spatial", 1) != 1) Site::refuse("statistics per channel", "spatial = 0");
  // Before operator set 14 what the other outputs hold was left to the program.
  if (trains(site) && site.version < 14) Site::refuse("prediction, which has one output", "training before operator set 14");
  const Shape per_channel = {channels_of(x)};
  for (const std::size_t i : {1U, 2U, 3U, 4U})
    if (site.extents(i) != per_channel || (bit(site.type(i)) & kReal) == 0)
      Site::refuse(fmt::format("{} numbers for each statistic", per_channel[0]), to_string(site.extents(i)));
  same_shape(site);
  site.give(1, site.type(3), per_channel);
  site.give(2, site.type(4), per_channel);
}

void batch_norm(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const std::int64_t channels = channels_of(x.extents), batch = x.extents[0],
                     area = x.extents.size() < 2 ? 1 : product(x.extents, 2, x.extents.size());
  const double epsilon = static_cast<double>(call.number("epsilon", 1e-5F)),
               momentum = static_cast<double>(call.number("momentum", 0.9F));
  with_real(x.type, [&]<class T>() {
    const auto value = [&](std::size_t i, std::int64_t c) {
      return call.in[i].type == ElementType::f64 ? call.in[i].as<double>()[c] : static_cast<double>(call.in[i].as<float>()[c]);
    };
    const auto put = [&](std::size_t i, std::int64_t c, double statistic) {
      if (!call.makes(i)) return;
      if (call.out[i].type == ElementType::f64)
        call.out[i].as<double>()[c] = statistic;
      else
        call.out[i].as<float>()[c] = static_cast<float>(statistic);
    };
    for (std::int64_t c = 0; c < channels; ++c) {
      double mean = value(3, c), variance = value(4, c);
      const auto each = [&](auto&& use) {
        for (std::int64_t n = 0; n < batch; ++n)
          for (std::int64_t i = 0; i < area; ++i) use((n * channels + c) * area + i);
      };
      if (trains(call)) {
        const double count = static_cast<double>(batch * area);
        double sum = 0, squares = 0;
        each([&](std::int64_t at) { sum += static_cast<double>(x.as<T>()[at]); });
        const double own = sum / count;
        each([&](std::int64_t at) { squares += std::pow(static_cast<double>(x.as<T>()[at]) - own, 2); });
        put(1, c, mean * momentum + own * (1 - momentum));
        put(2, c, variance * momentum + squares / count * (1 - momentum));
        mean = own, variance = squares / count;
      }
      const double factor = value(1, c) / std::sqrt(variance + epsilon), shift = value(2, c) - mean * factor;
      each([&](std::int64_t at) { y.as<T>()[at] = static_cast<T>(static_cast<double>(x.as<T>()[at]) * factor + shift); });
    }
  });
}

/// y = (x − mean) / √(variance + epsilon) over `n` neighbouring elements; both statistics are returned.
template <class T>
std::pair<double, double> standardise(const T* x, T* y, std::int64_t n, double epsilon, bool centred = true) {
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < n && centred; ++i) sum += static_cast<double>(x[i]);
  const double mean = n > 0 ? sum / static_cast<double>(n) : 0;
  for (std::int64_t i = 0; i < n; ++i) squares += std::pow(static_cast<double>(x[i]) - mean, 2);
  const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
  for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<T>((static_cast<double>(x[i]) - mean) * factor);
  return {mean, factor};
}

void instance_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  if (x.size() < 2) Site::refuse("an array [batch, channels, …]", to_string(x));
  const std::int64_t groups = site.integer("num_groups", x[1]);
  if (groups < 1 || x[1] % groups != 0) Site::refuse(fmt::format("groups of {} channels", x[1]), fmt::format("{}", groups));
  const Shape wanted = {site.node.op_type() == "GroupNormalization" && site.version < 21 ? groups : x[1]};
  for (const std::size_t i : {1U, 2U})
    if (site.extents(i) != wanted || site.type(i) != site.type(0))
      Site::refuse(to_string(wanted) + " factors and shifts", to_string(site.extents(i)));
  same_shape(site);
}

/// Instances are groups of one channel. Before operator set 21 a group had one factor.
void group_norm(Call& call) {
  const Shape& x = call.in[0].extents;
  const std::int64_t area = product(x, 2, x.size()), groups = call.integer("num_groups", x[1]),
                     inside = groups > 0 ? x[1] / groups : 0;
  const double epsilon = static_cast<double>(call.number("epsilon", 1e-5F));
  const std::int64_t factors = call.in[1].size();
  with_real(call.in[0].type, [&]<class T>() {
    for (std::int64_t g = 0; g < x[0] * groups; ++g) {
      T* y = call.out[0].as<T>() + g * inside * area;
      standardise(call.in[0].as<T>() + g * inside * area, y, inside * area, epsilon);
      for (std::int64_t i = 0; i < inside * area; ++i) {
        const std::int64_t channel = g % groups * inside + i / area, at = factors == x[1] ? channel : channel / inside;
        y[i] = y[i] * call.in[1].as<T>()[at] + call.in[2].as<T>()[at];
      }
    }
  });
}

void layer_shape(Shaping& site) {
  const Shape& x = site.extents(0);
  const std::size_t axis = Shaping::axis(site.integer("axis", -1), x.size());
  const Shape tail(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end());
  for (const std::size_t i : {1U, 2U})
    if (site.has(i) && (broadcast(x, site.extents(i)) != x || site.type(i) != site.type(0)))
      Site::refuse("factors that broadcast to " + to_string(tail), to_string(site.extents(i)));
  same_shape(site);
  Shape statistics = x;
  std::fill(statistics.begin() + static_cast<std::ptrdiff_t>(axis), statistics.end(), 1);
  site.give(1, site.type(0) == ElementType::f64 ? ElementType::f64 : ElementType::f32, statistics);
  site.give(2, site.type(0) == ElementType::f64 ? ElementType::f64 : ElementType::f32, statistics);
}

template <bool centred>
void layer_norm(Call& call) {
  const Shape& x = call.in[0].extents;
  const std::size_t axis = Shaping::axis(call.integer("axis", -1), x.size());
  const std::int64_t rows = product(x, 0, axis), n = product(x, axis, x.size());
  const double epsilon = static_cast<double>(call.number("epsilon", 1e-5F));
  with_real(call.in[0].type, [&]<class T>() {
    T* y = call.out[0].as<T>();
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto [mean, factor] = standardise(call.in[0].as<T>() + r * n, y + r * n, n, epsilon, centred);
      if (call.makes(1)) call.out[1].as<T>()[r] = static_cast<T>(mean);
      if (call.makes(2)) call.out[2].as<T>()[r] = static_cast<T>(factor);
    }
    for (const std::size_t i : {1U, 2U})
      if (call.has(i))
        each_line<2>(x, {strides_of(x), broadcast_strides(call.in[i].extents, x)},
                     [&](const auto& at, std::int64_t count, const auto& step) {
                       for (std::int64_t k = 0; k < count; ++k) {
                         T& each = y[at[0] + k * step[0]];
                         const T by = call.in[i].as<T>()[at[1] + k * step[1]];
                         each = i == 1 ? each * by : each + by;
                       }
                     });
  });
}

void local_shape(Shaping& site) {
  if (site.extents(0).size() < 2 || site.integer("size", 0) < 1)
    Site::refuse("an array [batch, channels, …] and a size", to_string(site.extents(0)));
  same_shape(site);
}

/// Krizhevsky et al. 2012: each value by the squares of its neighbours among channels.
void local_response(Call& call) {
  const Shape& x = call.in[0].extents;
  const std::int64_t channels = x[1], area = product(x, 2, x.size()), size = call.integer("size", 1);
  const double alpha = static_cast<double>(call.number("alpha", 1e-4F)), beta = static_cast<double>(call.number("beta", 0.75F)),
               bias = static_cast<double>(call.number("bias", 1));
  with_real(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.in[0].size(); ++i) {
      const std::int64_t channel = i / area % channels, first = std::max<std::int64_t>(channel - (size - 1) / 2, 0);
      const std::int64_t last = std::min(channel + size / 2, channels - 1);
      double squares = 0;
      for (std::int64_t c = first; c <= last; ++c)
        squares += std::pow(static_cast<double>(call.in[0].as<T>()[i + (c - channel) * area]), 2);
      call.out[0].as<T>()[i] = static_cast<T>(static_cast<double>(call.in[0].as<T>()[i]) *
                                              std::pow(bias + alpha / static_cast<double>(size) * squares, -beta));
    }
  });
}

void lp_shape(Shaping& site) {
  (void)Shaping::axis(site.integer("axis", -1), site.extents(0).size());
  same_shape(site);
}

void lp_norm(Call& call) {
  const Shape& x = call.in[0].extents;
  const std::size_t axis = Shaping::axis(call.integer("axis", -1), x.size());
  const bool squared = call.integer("p", 2) != 1;
  const Lines lines{product(x, 0, axis), x[axis], product(x, axis + 1, x.size())};
  with_real(call.in[0].type, [&]<class T>() {
    each_of<T>(lines, call.in[0], call.out[0], [&](const T* from, T* y, std::int64_t step) {
      T sum = 0;
      for (std::int64_t k = 0; k < lines.n; ++k) sum += squared ? from[k * step] * from[k * step] : std::abs(from[k * step]);
      const T norm = squared ? std::sqrt(sum) : sum;
      for (std::int64_t k = 0; k < lines.n; ++k) y[k * step] = norm == 0 ? T(0) : from[k * step] / norm;
    });
  });
}

}  // namespace

Rows normalise_operators() {
  return {{"Softmax", {1, 11, 13}, kReal, softmax_shape, softmax<false>},
          {"LogSoftmax", {1, 11, 13}, kReal, softmax_shape, softmax<true>},
          {"Hardmax", {1, 11, 13}, kReal, softmax_shape, hardmax},
          {"BatchNormalization", {1, 6, 7, 9, 14, 15}, kReal, batch_norm_shape, batch_norm},
          {"InstanceNormalization", {1, 6, 22}, kReal, instance_shape, group_norm},
          {"GroupNormalization", {18, 21}, kReal, instance_shape, group_norm},
          {"LayerNormalization", {17}, kReal, layer_shape, layer_norm<true>},
          {"RMSNormalization", {23}, kReal, layer_shape, layer_norm<false>},
          {"LRN", {1, 13}, kReal, local_shape, local_response},
          {"LpNormalization", {1, 22}, kReal, lp_shape, lp_norm}};
}

}  // namespace soma
