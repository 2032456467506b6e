// linear layers → products in tiles, or a pass over the weights for few rows; dW goes into the optimizer's step at once.
#include <algorithm>

#include "gpu/lowering.h"

namespace soma::gpu {
namespace {

/// Tiles of a product of m × n: as large as it, and as 64 × 64, but of at least 64 threads.
struct Tile {
  std::int64_t m, n;
  Tile(std::int64_t rows, std::int64_t columns) : m(rows > 32 ? 64 : rows > 16 ? 32 : 16), n(columns > 16 ? 64 : 16) {
    if (n == 16) m = 64;
  }
  [[nodiscard]] std::int64_t threads() const { return m * n / 16; }
};

enum Product : std::uint32_t { kForward, kWeights, kInputs };

/// Workgroups that fill a large GPU: a product with fewer tiles is cut along its sum. By shape alone: the cut shows in the bits.
constexpr std::int64_t kWorkgroups = 128, kShortestPiece = 96;

std::int64_t pieces_of(const Tile& tile, std::int64_t m, std::int64_t n, std::int64_t depth) {
  const std::int64_t tiles = divided(m, tile.m) * divided(n, tile.n);
  return std::clamp<std::int64_t>(depth / kShortestPiece, 1, std::max<std::int64_t>(1, kWorkgroups / tiles));
}

constexpr std::int64_t kPanelsOfPiece = 8;  // of rows_back

}  // namespace

void Lowering::forward(const LinearStep& s, std::int64_t number_of_step) {
  const Undo f = s.activation ? Undo{s.activation->kind, s.activation->alpha} : Undo{};
  const std::optional<Range> bias = s.bias >= 0 ? std::optional(parameter(s.bias)) : std::nullopt;
  if (few_rows(s, batch())) {
    const std::int64_t columns = panels(s.out), pieces = std::clamp<std::int64_t>(512 / columns, 1, divided(s.in, 256));
    const Range to = place(Use::pieces, number_of_step, pieces * batch() * s.out, true);
    list_.push_back({Shader::rows_forward,
                     {256, number(batch()), number(s.in), number(s.out), number(pieces)},
                     {Axis{columns, 0, 1}, Axis{pieces, 0, 1}, {}},
                     {value(s.x.value), parameter(s.weight), to}});
    return sum_pieces(pieces, s.out, false, f, place(Use::pieces, number_of_step, to.size), value(s.y, true), bias);
  }
  const Tile tile(batch(), s.out);
  const std::int64_t pieces = pieces_of(tile, batch(), s.out, s.in);
  const bool whole = pieces == 1;
  const Range to = whole ? value(s.y, true) : place(Use::pieces, number_of_step, pieces * batch() * s.out, true);
  list_.push_back({Shader::gemm,
                   {number(tile.threads()), kForward, number(tile.m), number(tile.n), number(s.in), number(s.out), number(pieces),
                    static_cast<std::uint32_t>(f.kind), bits(f.alpha), word(whole && bias), 0, 0, 0},
                   {Axis{0, 1, tile.m}, Axis{s.out, 0, tile.n}, Axis{pieces, 0, 1}},
                   {value(s.x.value), parameter(s.weight), to, whole && bias ? *bias : Range{}}});
  if (!whole) sum_pieces(pieces, s.out, false, f, place(Use::pieces, number_of_step, to.size), value(s.y, true), bias);
}

const LinearStep* Lowering::head() const {
  constexpr std::int64_t kMostOutputs = 1024, kMostInputs = 16384;  // of a batch: what one workgroup does as fast as many
  const auto* last = std::get_if<LinearStep>(&plan_->steps.back().kind);
  const bool small = last != nullptr && last->y == plan_->output && last->out <= kPanel && !few_rows(*last, batch()) &&
                     batch() * last->out <= kMostOutputs && batch() * last->in <= kMostInputs;
  return small ? last : nullptr;
}

void Lowering::head(const LinearStep& s) {
  const bool back = training() && s.x.gradient >= 0;
  const Undo below = back ? undone_by(s.x) : Undo{};
  std::int64_t parts = 4;
  while (parts < 64 && parts * 2 * batch() <= 256) parts *= 2;
  std::vector<std::uint32_t> constants = constants_of_loss();
  constants.insert(constants.end(), {number(s.in), word(s.bias >= 0), word(back), static_cast<std::uint32_t>(below.kind),
                                     bits(below.alpha), number(parts)});
  list_.push_back({Shader::head,
                   std::move(constants),
                   {},
                   {value(s.x.value),
                    {Arena::start, 0, 4, false},
                    {Arena::order, 0, kWhole, false},
                    {Arena::targets, 0, kWhole, false},
                    {Arena::loss_table, 0, kWhole, false},
                    parameter(s.weight),
                    parameter(s.bias),
                    back ? gradient(s.x, true) : Range{},
                    value(s.y, true),
                    training() ? gradient(s.y, true) : Range{},
                    {Arena::records, 0, kWhole, true}}});
}

// dx first, since it reads the weights that dW then moves.
void Lowering::backward(const LinearStep& s, std::int64_t number_of_step) {
  const Range dy = gradient(s.y);
  if (s.x.gradient >= 0 && &s != head()) {
    const Undo f = undone_by(s.x);
    const std::optional<Range> below = f.kind == Activation::Kind::identity ? std::nullopt : std::optional(value(s.x.value));
    const Tile tile(batch(), s.in);
    const bool few = few_rows(s, batch());
    const std::int64_t pieces = few ? divided(panels(s.out), kPanelsOfPiece) : pieces_of(tile, batch(), s.in, s.out);
    const bool whole = !few && pieces == 1;
    const Range to = whole ? gradient(s.x, true) : place(Use::pieces_back, number_of_step, pieces * batch() * s.in, true);
    if (few)
      list_.push_back({Shader::rows_back,
                       {256, number(batch()), number(s.in), number(s.out)},
                       {Axis{s.in, 0, 256}, Axis{pieces, 0, 1}, {}},
                       {dy, parameter(s.weight), to}});
    else
      list_.push_back({Shader::gemm,
                       {number(tile.threads()), kInputs, number(tile.m), number(tile.n), number(s.in), number(s.out),
                        number(pieces), whole ? static_cast<std::uint32_t>(f.kind) : 0, bits(f.alpha), 0, 0, 0, 0},
                       {Axis{0, 1, tile.m}, Axis{s.in, 0, tile.n}, Axis{pieces, 0, 1}},
                       {dy, parameter(s.weight), to, whole ? below.value_or(Range{}) : Range{}}});
    if (!whole) sum_pieces(pieces, s.in, true, f, place(Use::pieces_back, number_of_step, to.size), gradient(s.x, true), below);
  }
  const Tile tile(s.in, s.out);
  const int states = moves_at_once() ? state_arrays(settings_->optimizer) : 0;
  list_.push_back({Shader::gemm,
                   {number(tile.threads()), kWeights, number(tile.m), number(tile.n), number(s.in), number(s.out), 1, 0, 0, 0,
                    word(moves_at_once()), word(keeps()), static_cast<std::uint32_t>(settings_->optimizer)},
                   {Axis{s.in, 0, tile.m}, Axis{s.out, 0, tile.n}, {}},
                   {value(s.x.value),
                    dy,
                    moves_at_once() ? parameter(s.weight, Arena::parameters, true) : Range{},
                    {Arena::numbers, 0, kUpdateNumbers * 256, false},
                    states > 0 ? parameter(s.weight, Arena::state0, true) : Range{},
                    states > 1 ? parameter(s.weight, Arena::state1, true) : Range{},
                    keeps() ? parameter(s.weight, Arena::gradients, true) : Range{}}});
  if (s.bias >= 0) update(s.bias, dy, 0, s.out, s.out);
}

}  // namespace soma::gpu
