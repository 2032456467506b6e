// a failure → one line a person can act on: Result<T> for the world, ContractError for our own bugs.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace soma {

/// A failure of the world around the library. `message` has the form *who: wanted X, got Y; try Z*, one line.
struct Error {
  enum class Kind {
    usage,        ///< the request makes no sense: an unknown key, name, target, a zero batch
    data,         ///< a file or a sample is not what it claims to be
    io,           ///< the system refused: missing file, full disk, no permission
    unavailable,  ///< a part this build or this machine does not have
    diverged,     ///< training produced a value that is not finite
  };
  Kind kind = Kind::data;
  std::string message;
};

/// Thrown by SOMA_REQUIRE in every build type: the library was used against its contract.
struct ContractError : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void contract_failed(const char* condition, const char* file, int line);

#define SOMA_REQUIRE(condition) ((condition) ? static_cast<void>(0) : ::soma::contract_failed(#condition, __FILE__, __LINE__))

/// A value, or the Error that kept it from being made. Must be looked at.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// The value. Throws ContractError with the error's message when there is none.
  T& value() & { return need(); }
  const T& value() const& { return const_cast<Result*>(this)->need(); }
  T&& value() && { return std::move(need()); }
  T& operator*() & { return need(); }
  const T& operator*() const& { return const_cast<Result*>(this)->need(); }
  T&& operator*() && { return std::move(need()); }
  T* operator->() { return &need(); }
  const T* operator->() const { return &const_cast<Result*>(this)->need(); }

  /// The error; only when !ok().
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  T& need() {
    if (!ok()) throw ContractError(error().message);
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  void value() const {
    if (!ok_) throw ContractError(error_.message);
  }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace soma
