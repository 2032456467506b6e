// sequences [time, batch, in] → what a recurrent layer makes of them: RNN, GRU, LSTM, forwards, backwards or both.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/operator.h"
#include "graph/product.h"

namespace soma {
namespace {

struct Sizes {
  std::int64_t time, batch, in, hidden, directions, gates;
  bool batch_first;
};

std::int64_t gates_of(const Site& site) { return site.node.op_type() == "LSTM" ? 4 : site.node.op_type() == "GRU" ? 3 : 1; }

Sizes sizes_of(const Site& site, const Shape& x, const Shape& w, const Shape& r) {
  const std::string direction = site.word("direction", "forward");
  Sizes s{};
  s.batch_first = site.integer("layout", 0) != 0;
  s.directions = direction == "bidirectional" ? 2 : 1;
  s.gates = gates_of(site);
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) Site::refuse("x, w and r of three extents", to_string(x));
  s.time = x[s.batch_first ? 1 : 0];
  s.batch = x[s.batch_first ? 0 : 1];
  s.in = x[2];
  s.hidden = r[2];
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    Site::refuse("forward, reverse or bidirectional", direction);
  if (w != Shape{s.directions, s.gates * s.hidden, s.in})
    Site::refuse("w " + to_string({s.directions, s.gates * s.hidden, s.in}), to_string(w));
  if (r != Shape{s.directions, s.gates * s.hidden, s.hidden})
    Site::refuse("r " + to_string({s.directions, s.gates * s.hidden, s.hidden}), to_string(r));
  return s;
}

double activated(const std::string& kind, double x) {
  if (kind == "Sigmoid") return 1 / (1 + std::exp(-x));
  if (kind == "Tanh") return std::tanh(x);
  return std::max(x, 0.0);
}

std::vector<std::string> activations_of(const Site& site, std::int64_t directions) {
  const std::vector<std::string> usual = site.node.op_type() == "LSTM"  ? std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"}
                                         : site.node.op_type() == "GRU" ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                                                        : std::vector<std::string>{"Tanh"};
  std::vector<std::string> given = site.words("activations");
  if (given.empty())
    for (std::int64_t d = 0; d < directions; ++d) given.insert(given.end(), usual.begin(), usual.end());
  if (given.size() != usual.size() * static_cast<std::size_t>(directions))
    Site::refuse(fmt::format("{} activations", usual.size()), fmt::format("{}", given.size()));
  for (const std::string& each : given)
    if (each != "Sigmoid" && each != "Tanh" && each != "Relu") Site::refuse("Sigmoid, Tanh or Relu", each);
  return given;
}

void recurrent_shape(Shaping& site) {
  const Sizes s = sizes_of(site, site.extents(0), site.extents(1), site.extents(2));
  (void)activations_of(site, s.directions);
  if (site.integer("hidden_size", s.hidden) != s.hidden)
    Site::refuse(fmt::format("{} hidden", s.hidden), fmt::format("{}", site.integer("hidden_size", 0)));
  if (site.integer("input_forget", 0) != 0) Site::refuse("gates of their own", "input_forget");
  const Shape state = s.batch_first ? Shape{s.batch, s.directions, s.hidden} : Shape{s.directions, s.batch, s.hidden};
  const auto want = [&](std::size_t i, const Shape& extents) {
    if (site.has(i) && site.extents(i) != extents) Site::refuse(to_string(extents), to_string(site.extents(i)));
  };
  want(3, {s.directions, 2 * s.gates * s.hidden});
  want(4, {s.batch});
  want(5, state);
  if (s.gates == 4) want(6, state), want(7, {s.directions, 3 * s.hidden});
  for (std::size_t i = 0; i < site.inputs(); ++i)
    if (i != 4 && site.has(i) && site.type(i) != site.type(0)) Site::refuse(to_string(site.type(0)), to_string(site.type(i)));
  if (site.has(4) && site.type(4) != ElementType::i32) Site::refuse("lengths in int32", to_string(site.type(4)));
  site.give(0, site.type(0),
            s.batch_first ? Shape{s.batch, s.time, s.directions, s.hidden} : Shape{s.time, s.directions, s.batch, s.hidden});
  site.give(1, site.type(0), state);
  site.give(2, site.type(0), state);
}

/// One direction over one sequence.
template <class T>
class Cell {
 public:
  Cell(const Call& call, const Sizes& sizes, std::int64_t direction)
      : call_(call),
        s_(sizes),
        direction_(direction),
        activations_(activations_of(call, sizes.directions)),
        h_(static_cast<std::size_t>(sizes.hidden)),
        c_(h_.size()),
        sums_(static_cast<std::size_t>(sizes.gates * sizes.hidden)),
        inner_(sums_.size()) {
    clip_ = static_cast<double>(call.number("clip", 0));
  }

  void run(std::int64_t row, std::int64_t length) {
    for (std::int64_t j = 0; j < s_.hidden; ++j) {
      h_[at(j)] = call_.has(5) ? static_cast<double>(call_.in[5].as<T>()[state(row) + j]) : 0;
      c_[at(j)] = s_.gates == 4 && call_.has(6) ? static_cast<double>(call_.in[6].as<T>()[state(row) + j]) : 0;
    }
    const bool backwards = direction_ == 1 || call_.word("direction", "forward") == "reverse";
    for (std::int64_t step = 0; step < length; ++step) {
      const std::int64_t t = backwards ? length - 1 - step : step;
      const T* x = call_.in[0].as<T>() + (s_.batch_first ? row * s_.time + t : t * s_.batch + row) * s_.in;
      gate_sums(x);
      advance();
      for (std::int64_t j = 0; j < s_.hidden && call_.makes(0); ++j) {
        const std::int64_t place =
            s_.batch_first ? (row * s_.time + t) * s_.directions + direction_ : (t * s_.directions + direction_) * s_.batch + row;
        call_.out[0].as<T>()[place * s_.hidden + j] = static_cast<T>(h_[at(j)]);
      }
    }
    for (std::int64_t j = 0; j < s_.hidden; ++j) {
      if (call_.makes(1)) call_.out[1].as<T>()[state(row) + j] = static_cast<T>(h_[at(j)]);
      if (call_.makes(2)) call_.out[2].as<T>()[state(row) + j] = static_cast<T>(c_[at(j)]);
    }
  }

 private:
  static std::size_t at(std::int64_t j) { return static_cast<std::size_t>(j); }
  [[nodiscard]] std::int64_t state(std::int64_t row) const {
    return (s_.batch_first ? row * s_.directions + direction_ : direction_ * s_.batch + row) * s_.hidden;
  }
  /// sums = x·Wᵀ + its bias; inner = h·Rᵀ + its bias.
  void gate_sums(const T* x) {
    const std::int64_t rows = s_.gates * s_.hidden;
    const T* w = call_.in[1].as<T>() + direction_ * rows * s_.in;
    const T* r = call_.in[2].as<T>() + direction_ * rows * s_.hidden;
    const T* bias = call_.has(3) ? call_.in[3].as<T>() + direction_ * 2 * rows : nullptr;
    for (std::int64_t g = 0; g < rows; ++g) {
      double sum = bias != nullptr ? static_cast<double>(bias[g]) : 0,
             inner = bias != nullptr ? static_cast<double>(bias[rows + g]) : 0;
      for (std::int64_t i = 0; i < s_.in; ++i) sum += static_cast<double>(w[g * s_.in + i]) * static_cast<double>(x[i]);
      for (std::int64_t i = 0; i < s_.hidden; ++i) inner += static_cast<double>(r[g * s_.hidden + i]) * h_[at(i)];
      sums_[at(g)] = sum;
      inner_[at(g)] = inner;
    }
  }
  [[nodiscard]] double f(std::size_t which, double x) const {
    const std::size_t each = activations_.size() / static_cast<std::size_t>(s_.directions);
    return activated(activations_[each * static_cast<std::size_t>(direction_) + which],
                     clip_ > 0 ? std::clamp(x, -clip_, clip_) : x);
  }
  void advance() {
    const std::int64_t n = s_.hidden;
    const auto sum = [&](std::int64_t gate, std::int64_t j) { return sums_[at(gate * n + j)] + inner_[at(gate * n + j)]; };
    if (s_.gates == 1) {
      for (std::int64_t j = 0; j < n; ++j) h_[at(j)] = f(0, sum(0, j));
    } else if (s_.gates == 4) {
      const T* peephole = call_.has(7) ? call_.in[7].as<T>() + direction_ * 3 * n : nullptr;
      const auto peep = [&](std::int64_t which, std::int64_t j, double c) {
        return peephole != nullptr ? static_cast<double>(peephole[which * n + j]) * c : 0;
      };
      for (std::int64_t j = 0; j < n; ++j) {
        const double before = c_[at(j)];
        const double input = f(0, sum(0, j) + peep(0, j, before)), forget = f(0, sum(2, j) + peep(2, j, before));
        c_[at(j)] = forget * before + input * f(1, sum(3, j));
        h_[at(j)] = f(0, sum(1, j) + peep(1, j, c_[at(j)])) * f(2, c_[at(j)]);
      }
    } else {
      gated();
    }
  }
  /// Cho et al. 2014; with linear_before_reset the reset comes after the product, as in cuDNN.
  void gated() {
    const std::int64_t n = s_.hidden;
    std::vector<double> update(at(n)), reset(at(n)), candidate(at(n));
    for (std::int64_t j = 0; j < n; ++j) {
      update[at(j)] = f(0, sums_[at(j)] + inner_[at(j)]);
      reset[at(j)] = f(0, sums_[at(n + j)] + inner_[at(n + j)]);
    }
    const bool after = call_.integer("linear_before_reset", 0) != 0;
    const T* r = call_.in[2].as<T>() + (direction_ * 3 + 2) * n * n;
    const T* bias = call_.has(3) ? call_.in[3].as<T>() + direction_ * 6 * n + 5 * n : nullptr;
    for (std::int64_t j = 0; j < n; ++j) {
      double inner = reset[at(j)] * inner_[at(2 * n + j)];
      if (!after) {
        inner = bias != nullptr ? static_cast<double>(bias[j]) : 0;
        for (std::int64_t i = 0; i < n; ++i) inner += static_cast<double>(r[j * n + i]) * reset[at(i)] * h_[at(i)];
      }
      candidate[at(j)] = f(1, sums_[at(2 * n + j)] + inner);
    }
    for (std::int64_t j = 0; j < n; ++j) h_[at(j)] = (1 - update[at(j)]) * candidate[at(j)] + update[at(j)] * h_[at(j)];
  }

  const Call& call_;
  const Sizes& s_;
  std::int64_t direction_;
  std::vector<std::string> activations_;
  std::vector<double> h_, c_, sums_, inner_;
  double clip_ = 0;
};

void recurrent(Call& call) {
  const Sizes s = sizes_of(call, call.in[0].extents, call.in[1].extents, call.in[2].extents);
  const Shape lengths = call.has(4) ? call.integers_of(4) : Shape(static_cast<std::size_t>(s.batch), s.time);
  for (const std::int64_t length : lengths)
    if (length < 0 || length > s.time) Site::refuse(fmt::format("lengths up to {}", s.time), fmt::format("{}", length));
  with_real(call.in[0].type, [&]<class T>() {
    if (call.makes(0)) std::fill_n(call.out[0].as<T>(), call.out[0].size(), T(0));
    for (std::int64_t d = 0; d < s.directions; ++d) {
      Cell<T> cell(call, s, d);
      for (std::int64_t row = 0; row < s.batch; ++row) cell.run(row, lengths[static_cast<std::size_t>(row)]);
    }
  });
}

}  // namespace

Rows recurrent_operators() {
  return {{"RNN", {1, 7, 14, 22}, kReal, recurrent_shape, recurrent},
          {"GRU", {1, 3, 7, 14, 22}, kReal, recurrent_shape, recurrent},
          {"LSTM", {1, 7, 14, 22}, kReal, recurrent_shape, recurrent}};
}

}  // namespace soma
