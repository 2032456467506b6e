// one lambda per layer kind → a visitor for std::visit.
#pragma once

namespace soma {

template <class... Cases>
struct Visit : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Visit(Cases...) -> Visit<Cases...>;

}  // namespace soma
