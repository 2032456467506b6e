// windows, filters and arrays [batch, channels, …] → convolutions, and those that go the other way.
#include "graph/operators/convolution.h"

#include <fmt/format.h>

#include <algorithm>

namespace soma {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 30;  // of a window's numbers: sums of them never overflow

Shape list(const Site& site, std::string_view name, std::size_t count, std::int64_t otherwise) {
  Shape given = site.integers(name);
  if (given.empty()) given.assign(count, otherwise);
  if (given.size() != count) Site::refuse(fmt::format("{} of {} numbers", name, count), fmt::format("{}", given.size()));
  for (const std::int64_t each : given)
    if (each < std::min<std::int64_t>(otherwise, 1) || each > kLargest)
      Site::refuse(fmt::format("{} of usable size", name), fmt::format("{}", each));
  return given;
}

void shared_padding(Windows& windows, std::size_t d, std::int64_t all, bool more_behind) {
  windows.before[d] = more_behind ? all / 2 : (all + 1) / 2;
  windows.after[d] = all - windows.before[d];
}

void conv_shape(Shaping& site) {
  const ConvolutionSizes sizes = convolution_sizes(site, site.extents(0), site.extents(1));
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  if (site.has(2) && (site.extents(2) != Shape{sizes.out} || site.type(2) != site.type(0)))
    Site::refuse(fmt::format("a bias of {}", sizes.out), to_string(site.extents(2)));
  site.give(0, site.type(0), convolution_extents(sizes));
}

/// y [batch, out, …] += bias [out].
template <class T>
void add_bias(const Operand& bias, const Operand& y) {
  const std::int64_t out = y.extents[1], area = product(y.extents, 2, y.extents.size());
  for (std::int64_t i = 0; i < y.size(); ++i) y.as<T>()[i] += bias.as<T>()[i / area % out];
}

void conv(Call& call) {
  const ConvolutionSizes sizes = convolution_sizes(call, call.in[0].extents, call.in[1].extents);
  with_real(call.in[0].type, [&]<class T>() {
    convolve(sizes, call.in[0].as<T>(), call.in[1].as<T>(), call.out[0].as<T>());
    if (call.has(2)) add_bias<T>(call.in[2], call.out[0]);
  });
}

/// As windows of the result over which the input's points are spread: `x` of the windows is the result's extents, `y` the
/// input's.
ConvolutionSizes transposed_sizes(const Site& site, const Shape& x, const Shape& w) {
  if (x.size() < 3 || w.size() != x.size())
    Site::refuse("x [batch, channels, …] and filters of as many extents", to_string(x) + " and " + to_string(w));
  ConvolutionSizes sizes;
  sizes.groups = site.integer("group", 1);
  sizes.batch = x[0];
  sizes.channels = x[1];
  if (sizes.groups < 1 || sizes.groups > kLargest || x[1] < 1 || w[0] != x[1] || x[1] % sizes.groups != 0)
    Site::refuse(fmt::format("filters [{}, …]", x[1]), to_string(w));
  sizes.out = w[1] * sizes.groups;
  const std::size_t rank = x.size() - 2;
  Windows& windows = sizes.windows;
  windows.kernel.assign(w.begin() + 2, w.end());
  windows.y.assign(x.begin() + 2, x.end());
  windows.stride = list(site, "strides", rank, 1);
  windows.dilation = list(site, "dilations", rank, 1);
  const Shape extra = list(site, "output_padding", rank, 0), pads = list(site, "pads", 2 * rank, 0),
              wanted = site.integers("output_shape");
  windows.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  windows.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  const std::string mode = site.word("auto_pad", "NOTSET");
  if (!wanted.empty() && wanted.size() != rank)
    Site::refuse(fmt::format("an output_shape of {}", rank), fmt::format("{}", wanted.size()));
  for (std::size_t d = 0; d < rank; ++d) {
    if (windows.kernel[d] < 1 || windows.y[d] < 1) Site::refuse("filters and inputs of at least one point", to_string(w));
    const std::int64_t full =
        windows.stride[d] * (windows.y[d] - 1) + extra[d] + (windows.kernel[d] - 1) * windows.dilation[d] + 1;
    if (!wanted.empty() || mode.starts_with("SAME")) {
      const std::int64_t extent = wanted.empty() ? windows.y[d] * windows.stride[d] : wanted[d];
      shared_padding(windows, d, std::max<std::int64_t>(full - extent, 0), mode == "SAME_UPPER" || !mode.starts_with("SAME"));
      if (!mode.starts_with("SAME")) std::swap(windows.before[d], windows.after[d]);
      windows.x.push_back(extent);
    } else {
      windows.x.push_back(full - windows.before[d] - windows.after[d]);
    }
    if (windows.x[d] < 1) Site::refuse("a result of at least one point", fmt::format("{}", windows.x[d]));
  }
  return sizes;
}

void conv_transpose_shape(Shaping& site) {
  const ConvolutionSizes sizes = transposed_sizes(site, site.extents(0), site.extents(1));
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  if (site.has(2) && (site.extents(2) != Shape{sizes.out} || site.type(2) != site.type(0)))
    Site::refuse(fmt::format("a bias of {}", sizes.out), to_string(site.extents(2)));
  Shape y = {sizes.batch, sizes.out};
  y.insert(y.end(), sizes.windows.x.begin(), sizes.windows.x.end());
  site.give(0, site.type(0), std::move(y));
}

void conv_transpose(Call& call) {
  const ConvolutionSizes sizes = transposed_sizes(call, call.in[0].extents, call.in[1].extents);
  const Windows& windows = sizes.windows;
  const std::int64_t inside = sizes.channels / sizes.groups, outside = sizes.out / sizes.groups, points = windows.points();
  const std::int64_t positions = windows.positions(), area = product(windows.x, 0, windows.x.size()), rows = outside * points;
  with_real(call.in[0].type, [&]<class T>() {
    std::vector<T> patches(static_cast<std::size_t>(rows * positions));
    T* y = call.out[0].as<T>();
    std::fill_n(y, call.out[0].size(), T(0));
    for (std::int64_t image = 0; image < sizes.batch; ++image)
      for (std::int64_t group = 0; group < sizes.groups; ++group) {
        multiply(rows, positions, inside, Matrix<T>{call.in[1].as<T>() + group * inside * rows, 1, rows},
                 Matrix<T>{call.in[0].as<T>() + (image * sizes.channels + group * inside) * positions, positions},
                 patches.data());
        T* to = y + (image * sizes.out + group * outside) * area;
        each_point(windows, [&](std::int64_t window, std::int64_t point, std::int64_t offset) {
          for (std::int64_t o = 0; o < outside && offset >= 0; ++o)
            to[o * area + offset] += patches[static_cast<std::size_t>((o * points + point) * positions + window)];
        });
      }
    if (call.has(2)) add_bias<T>(call.in[2], call.out[0]);
  });
}

}  // namespace

Windows windows_of(const Site& site, const Shape& x, Shape kernel) {
  if (x.size() < 3) Site::refuse("an array [batch, channels, …]", to_string(x));
  const std::size_t rank = x.size() - 2;
  if (const Shape given = site.integers("kernel_shape"); !given.empty()) kernel = given;
  Windows windows;
  windows.x.assign(x.begin() + 2, x.end());
  windows.kernel = std::move(kernel);
  windows.stride = list(site, "strides", rank, 1);
  windows.dilation = list(site, "dilations", rank, 1);
  const Shape pads = list(site, "pads", 2 * rank, 0);
  windows.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  windows.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  if (windows.kernel.size() != rank)
    Site::refuse(fmt::format("windows of {} extents", rank), fmt::format("{}", windows.kernel.size()));
  const std::string mode = site.word("auto_pad", "NOTSET");
  const bool up = site.integer("ceil_mode", 0) != 0;
  for (std::size_t d = 0; d < rank; ++d) {
    if (windows.kernel[d] < 1 || windows.kernel[d] > kLargest || windows.x[d] > kLargest)
      Site::refuse("windows of usable size", to_string(windows.kernel));
    const std::int64_t reach = (windows.kernel[d] - 1) * windows.dilation[d] + 1, stride = windows.stride[d];
    if (mode == "VALID") windows.before[d] = windows.after[d] = 0;
    if (mode.starts_with("SAME")) {
      const std::int64_t outputs = (windows.x[d] + stride - 1) / stride;
      shared_padding(windows, d, std::max<std::int64_t>((outputs - 1) * stride + reach - windows.x[d], 0), mode == "SAME_UPPER");
    }
    const std::int64_t room = windows.x[d] + windows.before[d] + windows.after[d] - reach;
    if (room < 0) Site::refuse(fmt::format("an extent of at least {}", reach), fmt::format("{}", windows.x[d]));
    std::int64_t outputs = (room + (up ? stride - 1 : 0)) / stride + 1;
    // A window that would begin in the padding behind is none.
    if (up && (outputs - 1) * stride >= windows.x[d] + windows.before[d]) --outputs;
    windows.y.push_back(outputs);
  }
  return windows;
}

ConvolutionSizes convolution_sizes(const Site& site, const Shape& x, const Shape& w) {
  if (x.size() < 3 || w.size() != x.size())
    Site::refuse("x [batch, channels, …] and filters of as many extents", to_string(x) + " and " + to_string(w));
  ConvolutionSizes sizes;
  sizes.groups = site.integer("group", 1);
  sizes.batch = x[0];
  sizes.channels = x[1];
  sizes.out = w[0];
  sizes.windows = windows_of(site, x, Shape(w.begin() + 2, w.end()));
  if (sizes.groups < 1 || sizes.groups > kLargest || x[1] < 1 || x[1] != w[1] * sizes.groups || w[0] % sizes.groups != 0 ||
      !std::equal(w.begin() + 2, w.end(), sizes.windows.kernel.begin()))
    Site::refuse(fmt::format("filters for {} channels in {} groups", x[1], sizes.groups), to_string(w));
  // What the rows under all windows of an image take while the product is made.
  const Shape patches = {w[1], sizes.windows.points(), sizes.windows.positions()};
  if (elements(patches) > std::int64_t{1} << 30) Site::refuse("windows whose points fit into memory", to_string(patches));
  return sizes;
}

Shape convolution_extents(const ConvolutionSizes& sizes) {
  Shape y = {sizes.batch, sizes.out};
  y.insert(y.end(), sizes.windows.y.begin(), sizes.windows.y.end());
  return y;
}

Rows convolution_operators() {
  return {{"Conv", {1, 11, 22}, kReal, conv_shape, conv},
          {"ConvTranspose", {1, 11, 22}, kReal, conv_transpose_shape, conv_transpose}};
}

}  // namespace soma
