// JSON → rows for a model: an object with a value for each column, a list of numbers, or a list of such.
#include "serve/json_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/text.h"

namespace soma {
namespace {

constexpr std::size_t kDeepest = 16;

/// What both kinds of rows have in common.
class Handler : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string problem;

  bool boolean(bool) override { return refuse("wanted numbers or words, got true or false"); }
  bool number_integer(number_integer_t value) override { return fits(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return fits(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) override { return fits(value); }
  bool binary(binary_t&) override { return refuse("wanted JSON"); }
  bool start_array(std::size_t) override {
    return ++depth_ <= kDeepest ? open_list() : refuse(fmt::format("wanted lists nested at most {} deep, got more", kDeepest));
  }
  bool end_array() override { return --depth_, close_list(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("malformed JSON near byte {}", position));
  }

 protected:
  virtual bool number(double value) = 0;
  virtual bool open_list() { return true; }
  virtual bool close_list() { return true; }
  bool refuse(std::string what) {
    if (problem.empty()) problem = std::move(what);
    return false;
  }
  std::size_t depth_ = 0;

 private:
  bool fits(double value) {
    if (!std::isfinite(static_cast<float>(value)))
      return refuse(fmt::format("wanted numbers that float32 can hold, got {}", value));
    return number(value);
  }
};

/// Inputs without names: numbers, one after the other, in lists of one depth that are as long as each other.
class Numbers final : public Handler {
 public:
  explicit Numbers(Floats& numbers) : numbers_(numbers) {}
  bool null() override { return refuse("wanted numbers, got null"); }
  bool string(string_t&) override { return refuse("wanted numbers, got a word"); }
  bool key(string_t&) override { return false; }
  bool start_object(std::size_t) override {
    return refuse("wanted a list of numbers, got an object: this model's inputs have no names");
  }
  bool end_object() override { return true; }
  /// How long the lists of each depth are, the outermost first.
  [[nodiscard]] Shape nesting() const {
    Shape extents;
    for (std::size_t depth = 0; depth < deepest_; ++depth) extents.push_back(extents_[depth]);
    return extents;
  }

 private:
  bool number(double value) override {
    if (depth_ == 0) return refuse("wanted a list of numbers, got one alone");
    if (!at_the_bottom(depth_)) return ragged();
    ++counts_[depth_ - 1];
    return numbers_.push_back(static_cast<float>(value)), true;
  }
  bool open_list() override {
    if (bottom_ && depth_ > deepest_) return ragged();
    deepest_ = std::max(deepest_, depth_);
    if (depth_ > 1) ++counts_[depth_ - 2];
    counts_[depth_ - 1] = 0;
    return true;
  }
  bool close_list() override {
    std::int64_t& extent = extents_[depth_];
    const std::int64_t count = counts_[depth_];
    if (!at_the_bottom(std::max(deepest_, depth_ + 1)) || (extent >= 0 && extent != count)) return ragged();
    return extent = count, true;
  }
  /// The first number, or the first end of a list, says how deep numbers lie.
  bool at_the_bottom(std::size_t depth) {
    if (!bottom_) deepest_ = depth;
    bottom_ = true;
    return depth == deepest_;
  }
  bool ragged() { return refuse("wanted lists of one depth and length, got others"); }

  Floats& numbers_;
  std::size_t deepest_ = 0;
  bool bottom_ = false;  // deepest_ is how deep numbers lie
  std::array<std::int64_t, kDeepest> counts_{}, extents_ = [] {
    std::array<std::int64_t, kDeepest> none{};
    none.fill(-1);
    return none;
  }();
};

/// Rows of samples of `shape`.
bool fits(const Shape& nesting, const Shape& shape) {
  const auto is = [&](const Shape& sample) {
    return nesting == sample ||
           (nesting.size() == sample.size() + 1 && std::equal(sample.begin(), sample.end(), nesting.begin() + 1));
  };
  return is(shape) || is({elements(shape)}) || (shape.size() == 3 && shape[0] == 1 && is({shape[1], shape[2]}));
}

/// Columns: an object is a row, and so is a list that holds values.
class Cells final : public Handler {
 public:
  Cells(const std::vector<Column>& columns, TableText& cells) : columns_(columns), cells_(cells) {}
  bool null() override { return cell({}); }
  bool string(string_t& text) override { return cell(text); }
  bool key(string_t& name) override {
    const auto found = std::find_if(columns_.begin(), columns_.end(), [&](const Column& column) { return column.name == name; });
    if (found == columns_.end()) {
      std::vector<std::string> names;
      for (const Column& column : columns_) names.push_back(column.name);
      return refuse(fmt::format("no column '{}'{}", name.substr(0, 80), suggestion(name.substr(0, 80), names)));
    }
    column_ = static_cast<std::size_t>(found - columns_.begin());
    if (row_[column_]) return refuse(fmt::format("wanted column '{}' once, got it twice", name));
    return true;
  }
  bool start_object(std::size_t) override {
    if (in_object_ || depth_ > 1 || !row_.empty())
      return refuse("wanted an object of columns or a list of them, got another nesting");
    in_object_ = true;
    row_.assign(columns_.size(), std::nullopt);
    return true;
  }
  bool end_object() override {
    in_object_ = false;
    return end_row();
  }

 private:
  bool number(double value) override {
    std::string text = fmt::format("{}", value);
    const std::size_t at = in_object_ ? column_ : row_.size();
    if ((in_object_ || depth_ > 0) && at < columns_.size() && !columns_[at].categories.empty() &&
        std::find(columns_[at].categories.begin(), columns_[at].categories.end(), text) == columns_[at].categories.end())
      return refuse(fmt::format("column '{}': wanted a word, got {}", columns_[at].name, text));
    return cell(std::move(text));
  }
  bool cell(std::string text) {
    if (in_object_) return row_[column_] = std::move(text), true;
    if (depth_ == 0) return refuse("wanted an object of columns or a list of values, got one alone");
    if (row_.size() == columns_.size()) return refuse(fmt::format("wanted {} values in a row, got more", columns_.size()));
    return row_.emplace_back(std::move(text)), true;
  }
  bool open_list() override {
    if (in_object_) return refuse(fmt::format("column '{}': wanted a number or a word, got a list", columns_[column_].name));
    if (depth_ > 2 || !row_.empty()) return refuse("wanted a list of values or a list of such, got another nesting");
    return true;
  }
  bool close_list() override {
    if (row_.empty() && depth_ == 0) return true;  // of a list of rows
    if (row_.size() != columns_.size())
      return refuse(fmt::format("wanted {} values in a row, got {}", columns_.size(), row_.size()));
    return end_row();
  }
  bool end_row() {
    for (const auto& cell : row_) cells_.cell(cell ? *cell : "");
    cells_.end_row();
    row_.clear();
    return true;
  }

  const std::vector<Column>& columns_;
  TableText& cells_;
  std::vector<std::optional<std::string>> row_;  // as far as it goes; of an object all of it
  std::size_t column_ = 0;
  bool in_object_ = false;
};

Result<void> parse(std::string_view text, std::string_view who, http::Budget& budget, Handler& handler) {
  const http::Charge charge(budget, 3 * text.size());  // the longest string or number that one piece of it may be
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &handler)) return {};
  return Error{Error::Kind::data, fmt::format("{}: {}", who, one_line(handler.problem))};
}

}  // namespace

Result<void> parse_json_rows(std::string_view text, std::string_view who, const std::vector<Column>& columns,
                             http::Budget& budget, TableText& cells) {
  Cells handler(columns, cells);
  return parse(text, who, budget, handler);
}

Result<void> parse_json_numbers(std::string_view text, std::string_view who, const Shape& shape, http::Budget& budget,
                                Floats& numbers) {
  Numbers handler(numbers);
  if (auto parsed = parse(text, who, budget, handler); !parsed) return parsed;
  const Shape nesting = handler.nesting();
  if (!numbers.empty() && fits(nesting, shape)) return {};
  return Error{Error::Kind::data, fmt::format("{}: wanted {} numbers nested as [{}], or a list of such, got [{}]", who,
                                              elements(shape), fmt::join(shape, ","), fmt::join(nesting, ","))};
}

}  // namespace soma
