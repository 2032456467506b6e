// shape + seed → a layer of the Go service: plain loops for each output, outputs in slices of slices; and the same layer for
// soma.
#include "lab/go_service/service_layers.h"

#include "core/random.h"

namespace soma {
namespace {

using Row = std::pmr::vector<float>;
using Plane = std::pmr::vector<Row>;
using Volume = std::pmr::vector<Plane>;

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

/// Numbers in [−1, 1), the next ones at each call.
class Draw {
 public:
  float operator()() { return static_cast<float>(2 * random_unit(1, stream(Stream::test), index_++) - 1); }
  Row row(std::int64_t count) {
    Row values(size(count));
    for (float& value : values) value = (*this)();
    return values;
  }
  Volume volume(std::int64_t c, std::int64_t h, std::int64_t w) {
    Volume values(size(c), Plane(size(h)));
    for (Plane& plane : values)
      for (Row& each : plane) each = row(w);
    return values;
  }

 private:
  std::uint64_t index_ = 0;
};

class ServiceLinear final : public ServiceLayer {
 public:
  ServiceLinear(std::int64_t in, std::int64_t out) : in_(in), out_(out), weights_(size(out)) {
    Draw draw;
    for (Row& row : weights_) row = draw.row(in);
    bias_ = draw.row(out);
    x_ = draw.row(in);
  }

  void forward(Strategy& strategy, std::int64_t batch, std::pmr::memory_resource* memory, std::vector<float>* y) const override {
    struct Call {
      const ServiceLinear& layer;
      Row y;
    } call{*this, Row(size(out_), memory)};
    strategy.run({out_, &call,
                  [](const void* context, std::int64_t first, std::int64_t last) noexcept {
                    Call& c = *static_cast<Call*>(const_cast<void*>(context));
                    for (std::int64_t o = first; o < last; ++o) c.y[size(o)] = c.layer.output(size(o));
                  }},
                 batch);
    if (y != nullptr) y->assign(call.y.begin(), call.y.end());
  }

  [[nodiscard]] std::int64_t outputs() const override { return out_; }
  [[nodiscard]] std::int64_t terms() const override { return in_; }
  [[nodiscard]] NetworkSpec spec() const override { return {{in_}, {{"layer", Linear{.out = out_}, {}, {}}}, {}}; }
  [[nodiscard]] std::vector<float> weights() const override {
    std::vector<float> flat;
    for (const Row& row : weights_) flat.insert(flat.end(), row.begin(), row.end());
    return flat;
  }
  [[nodiscard]] std::vector<float> bias() const override { return {bias_.begin(), bias_.end()}; }
  [[nodiscard]] std::vector<float> input() const override { return {x_.begin(), x_.end()}; }

 private:
  [[nodiscard]] float output(std::size_t o) const {
    float sum = bias_[o];
    for (std::size_t i = 0; i < x_.size(); ++i) sum += weights_[o][i] * x_[i];
    return sum;
  }

  std::int64_t in_, out_;
  Plane weights_;
  Row bias_, x_;
};

class ServiceConv final : public ServiceLayer {
 public:
  ServiceConv(std::int64_t in, std::int64_t side, std::int64_t out, std::int64_t kernel)
      : in_(in), side_(side), out_(out), kernel_(kernel), out_side_(side - kernel + 1) {
    Draw draw;
    for (std::int64_t o = 0; o < out; ++o) weights_.push_back(draw.volume(in, kernel, kernel));
    bias_ = draw.row(out);
    x_ = draw.volume(in, side, side);
  }

  void forward(Strategy& strategy, std::int64_t batch, std::pmr::memory_resource* memory, std::vector<float>* y) const override {
    struct Call {
      const ServiceConv& layer;
      Volume y;
    } call{*this, slices(memory)};
    strategy.run({outputs(), &call,
                  [](const void* context, std::int64_t first, std::int64_t last) noexcept {
                    Call& c = *static_cast<Call*>(const_cast<void*>(context));
                    const std::int64_t side = c.layer.out_side_;
                    for (std::int64_t i = first; i < last; ++i) {
                      const std::size_t o = size(i / (side * side)), h = size(i / side % side), w = size(i % side);
                      c.y[o][h][w] = c.layer.output(o, h, w);
                    }
                  }},
                 batch);
    if (y == nullptr) return;
    y->clear();
    for (const Plane& plane : call.y)
      for (const Row& row : plane) y->insert(y->end(), row.begin(), row.end());
  }

  [[nodiscard]] std::int64_t outputs() const override { return out_ * out_side_ * out_side_; }
  [[nodiscard]] std::int64_t terms() const override { return in_ * kernel_ * kernel_; }
  [[nodiscard]] NetworkSpec spec() const override {
    return {{in_, side_, side_}, {{"layer", Conv2d{.out = out_, .kernel_h = kernel_, .kernel_w = kernel_}, {}, {}}}, {}};
  }
  [[nodiscard]] std::vector<float> weights() const override {
    std::vector<float> flat;
    for (const Volume& filter : weights_)
      for (const Plane& plane : filter)
        for (const Row& row : plane) flat.insert(flat.end(), row.begin(), row.end());
    return flat;
  }
  [[nodiscard]] std::vector<float> bias() const override { return {bias_.begin(), bias_.end()}; }
  [[nodiscard]] std::vector<float> input() const override {
    std::vector<float> flat;
    for (std::size_t h = 0; h < size(side_); ++h)
      for (std::size_t w = 0; w < size(side_); ++w)
        for (const Plane& plane : x_) flat.push_back(plane[h][w]);
    return flat;
  }

 private:
  /// A slice of slices of slices, as many blocks from `memory` as Go's code takes from its heap.
  [[nodiscard]] Volume slices(std::pmr::memory_resource* memory) const {
    Volume y(memory);
    y.reserve(size(out_));
    for (std::int64_t o = 0; o < out_; ++o) {
      Plane& plane = y.emplace_back();
      plane.reserve(size(out_side_));
      for (std::int64_t h = 0; h < out_side_; ++h) plane.emplace_back(size(out_side_));
    }
    return y;
  }

  [[nodiscard]] float output(std::size_t o, std::size_t h, std::size_t w) const {
    float sum = bias_[o];
    for (std::size_t c = 0; c < size(in_); ++c)
      for (std::size_t i = 0; i < size(kernel_); ++i)
        for (std::size_t j = 0; j < size(kernel_); ++j) sum += weights_[o][c][i][j] * x_[c][h + i][w + j];
    return sum;
  }

  std::int64_t in_, side_, out_, kernel_, out_side_;
  std::vector<Volume> weights_;
  Row bias_;
  Volume x_;
};

}  // namespace

std::unique_ptr<ServiceLayer> make_service_linear(std::int64_t in, std::int64_t out) {
  return std::make_unique<ServiceLinear>(in, out);
}

std::unique_ptr<ServiceLayer> make_service_conv(std::int64_t in, std::int64_t side, std::int64_t out, std::int64_t kernel) {
  return std::make_unique<ServiceConv>(in, side, out, kernel);
}

}  // namespace soma
