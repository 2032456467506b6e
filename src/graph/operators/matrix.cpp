// matrices → their products: MatMul, Gemm, Einsum.
#include "graph/operators/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace soma {
namespace {

/// Types that products are made of here; 8 and 16 bits have operators of their own.
template <class F>
void with_factor(ElementType type, F&& f) {
  with_type<float, double, std::int32_t, std::int64_t, std::uint32_t, std::uint64_t>(type, f);
}
constexpr TypeSet kFactors =
    kReal | bit(ElementType::i32) | bit(ElementType::i64) | bit(ElementType::u32) | bit(ElementType::u64);

void matmul_shape(Shaping& site) {
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  site.give(0, site.type(0), matrix_stacks(site.extents(0), site.extents(1)).result);
}

void matmul(Call& call) {
  const MatrixStacks s = matrix_stacks(call.in[0].extents, call.in[1].extents);
  with_factor(call.in[0].type, [&]<class T>() {
    each_pair(s, [&](std::int64_t a, std::int64_t b, std::int64_t y) {
      multiply(s.m, s.n, s.k, Matrix<T>{call.in[0].as<T>() + a, s.k}, Matrix<T>{call.in[1].as<T>() + b, s.n},
               call.out[0].as<T>() + y);
    });
  });
}

struct GemmSizes {
  std::int64_t m, n, k;
  bool a_turned, b_turned;
};

GemmSizes gemm_sizes(const Site& site, const Shape& a, const Shape& b) {
  if (a.size() != 2 || b.size() != 2) Site::refuse("two matrices", to_string(a) + " and " + to_string(b));
  const bool a_turned = site.integer("transA", 0) != 0, b_turned = site.integer("transB", 0) != 0;
  const GemmSizes sizes{a[a_turned ? 1 : 0], b[b_turned ? 0 : 1], a[a_turned ? 0 : 1], a_turned, b_turned};
  if (b[b_turned ? 1 : 0] != sizes.k) Site::refuse(fmt::format("{} inputs on both sides", sizes.k), to_string(b));
  return sizes;
}

void gemm_shape(Shaping& site) {
  const GemmSizes sizes = gemm_sizes(site, site.extents(0), site.extents(1));
  if (site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  Shape y = {sizes.m, sizes.n};
  if (site.has(2) && (broadcast(y, site.extents(2)) != y || site.type(2) != site.type(0)))
    Site::refuse("a sum that broadcasts to " + to_string(y), to_string(site.extents(2)));
  site.give(0, site.type(0), std::move(y));
}

void gemm(Call& call) {
  const GemmSizes s = gemm_sizes(call, call.in[0].extents, call.in[1].extents);
  const float alpha = call.number("alpha", 1), beta = call.number("beta", 1);
  const Operand& y = call.out[0];
  with_factor(y.type, [&]<class T>() {
    multiply(s.m, s.n, s.k, Matrix<T>{call.in[0].as<T>(), s.a_turned ? 1 : s.k, s.a_turned ? s.m : 1},
             Matrix<T>{call.in[1].as<T>(), s.b_turned ? 1 : s.n, s.b_turned ? s.k : 1}, y.as<T>());
    const auto scaled = [](float by, T value) { return by == 1 ? value : static_cast<T>(static_cast<T>(by) * value); };
    for (std::int64_t i = 0; i < y.size(); ++i) y.as<T>()[i] = scaled(alpha, y.as<T>()[i]);
    if (!call.has(2)) return;
    each_line<2>(y.extents, {strides_of(y.extents), broadcast_strides(call.in[2].extents, y.extents)},
                 [&](const auto& at, std::int64_t n, const auto& step) {
                   for (std::int64_t i = 0; i < n; ++i) {
                     T& sum = y.as<T>()[at[0] + i * step[0]];
                     sum = static_cast<T>(sum + scaled(beta, call.in[2].as<T>()[at[1] + i * step[1]]));
                   }
                 });
  });
}

/// "ij,jk->ik": the extents of each letter, those of the result first.
struct Equation {
  std::vector<std::string> operands;
  std::string letters;  // of the result, then those summed over
  std::size_t kept = 0;
};

Equation equation_of(const Site& site, std::size_t inputs) {
  std::string text = site.word("equation", "");
  std::erase(text, ' ');
  if (text.find('.') != text.npos) Site::refuse("an equation of letters", "'" + text + "'");
  Equation equation;
  const std::size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  for (std::size_t at = 0; at <= left.size();) {
    const std::size_t comma = std::min(left.find(',', at), left.size());
    equation.operands.push_back(left.substr(at, comma - at));
    at = comma + 1;
  }
  std::map<char, int> count;
  for (const std::string& operand : equation.operands)
    for (const char letter : operand) ++count[letter];
  if (equation.operands.size() != inputs || count.size() > 16) Site::refuse("a term for each input", "'" + text + "'");
  if (arrow != text.npos) {
    equation.letters = text.substr(arrow + 2);
  } else {
    for (const auto& [letter, times] : count)
      if (times == 1) equation.letters += letter;
  }
  equation.kept = equation.letters.size();
  for (const char letter : equation.letters)
    if (count.count(letter) == 0 || std::count(equation.letters.begin(), equation.letters.end(), letter) > 1)
      Site::refuse("letters of the inputs, each once", "'" + text + "'");
  for (const auto& [letter, times] : count)
    if (equation.letters.find(letter) == std::string::npos) equation.letters += letter;
  return equation;
}

Shape extents_of(const Equation& equation, const std::vector<Shape>& inputs) {
  Shape extents(equation.letters.size(), -1);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() != equation.operands[i].size()) Site::refuse(equation.operands[i], to_string(inputs[i]));
    for (std::size_t d = 0; d < inputs[i].size(); ++d) {
      std::int64_t& extent = extents[equation.letters.find(equation.operands[i][d])];
      if (extent >= 0 && extent != inputs[i][d])
        Site::refuse(fmt::format("{} for '{}'", extent, equation.operands[i][d]), to_string(inputs[i]));
      extent = inputs[i][d];
    }
  }
  return extents;
}

void einsum_shape(Shaping& site) {
  const Equation equation = equation_of(site, site.inputs());
  std::vector<Shape> inputs;
  for (std::size_t i = 0; i < site.inputs(); ++i) inputs.push_back(site.extents(i));
  if (inputs.size() == 2 && site.type(0) != site.type(1)) Site::refuse(to_string(site.type(0)), to_string(site.type(1)));
  if (inputs.size() > 2) Site::refuse("one or two inputs", fmt::format("{}", inputs.size()));
  Shape y = extents_of(equation, inputs);
  y.resize(equation.kept);
  site.give(0, site.type(0), std::move(y));
}

void einsum(Call& call) {
  const Equation equation = equation_of(call, call.in.size());
  std::vector<Shape> inputs;
  for (const Operand& each : call.in) inputs.push_back(each.extents);
  const Shape extents = extents_of(equation, inputs);
  std::array<Shape, 3> strides;
  strides.fill(Shape(extents.size(), 0));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape own = strides_of(inputs[i]);
    for (std::size_t d = 0; d < own.size(); ++d) strides[i][equation.letters.find(equation.operands[i][d])] += own[d];
  }
  const Shape own = strides_of(call.out[0].extents);
  std::copy(own.begin(), own.end(), strides[2].begin());
  with_real(call.in[0].type, [&]<class T>() {
    T* y = call.out[0].as<T>();
    std::fill_n(y, call.out[0].size(), T(0));
    each_line<3>(extents, strides, [&](const auto& at, std::int64_t n, const auto& step) {
      for (std::int64_t i = 0; i < n; ++i) {
        const T factor = inputs.size() == 2 ? call.in[1].as<T>()[at[1] + i * step[1]] : T(1);
        y[at[2] + i * step[2]] += call.in[0].as<T>()[at[0] + i * step[0]] * factor;
      }
    });
  });
}

}  // namespace

MatrixStacks matrix_stacks(Shape a, Shape b) {
  if (a.empty() || b.empty()) Site::refuse("arrays with extents", "a number");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  MatrixStacks stacks;
  stacks.m = a[a.size() - 2];
  stacks.k = a.back();
  stacks.n = b.back();
  const auto outer = broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (!outer || b[b.size() - 2] != stacks.k) Site::refuse("matrices that fit", to_string(a) + " and " + to_string(b));
  stacks.outer = stacks.result = *outer;
  if (!row) stacks.result.push_back(stacks.m);
  if (!column) stacks.result.push_back(stacks.n);
  stacks.a = std::move(a);
  stacks.b = std::move(b);
  return stacks;
}

Rows matrix_operators() {
  return {{"MatMul", {1, 9, 13}, kFactors, matmul_shape, matmul},
          {"Gemm", {1, 6, 7, 9, 11, 13}, kFactors, gemm_shape, gemm},
          {"Einsum", {12, 28}, kReal, einsum_shape, einsum}};
}

}  // namespace soma
