// what a batch run keeps between units ↔ a safetensors file.
#include "batchfile/persistence.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "batchfile/network_file.h"
#include "core/file.h"
#include "model/safetensors.h"
#include "soma/model.h"

namespace soma {
namespace {

constexpr std::string_view kFormat = "soma batch 1";

/// The words of the file's metadata, by name.
class Words {
 public:
  explicit Words(const TensorFile& file) : file_(file) {}

  [[nodiscard]] bool has(std::string_view name) const {
    return std::any_of(file_.metadata.begin(), file_.metadata.end(), [&](const auto& word) { return word.first == name; });
  }
  [[nodiscard]] std::string text(std::string_view name) {
    for (const auto& [key, value] : file_.metadata)
      if (key == name) return value;
    if (missing_.empty()) missing_ = name;
    return {};
  }
  template <class T>
  [[nodiscard]] T number(std::string_view name) {
    const std::string word = text(name);
    T value{};
    const auto [stop, failure] = std::from_chars(word.data(), word.data() + word.size(), value);
    if ((failure != std::errc() || stop != word.data() + word.size() || value < T{}) && missing_.empty()) missing_ = name;
    return value;
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  const TensorFile& file_;
  std::string missing_;
};

std::string name_of(std::size_t connection) { return fmt::format("connection{}.weight", connection + 1); }

}  // namespace

Result<void> write_persistence(const Trained& trained, const RunMark& mark, const std::filesystem::path& file) {
  TensorFile contents;
  const OnlineLayout layout(trained.layers, trained.bias);
  for (std::size_t l = 0; l < layout.connections.size(); ++l) {
    const Connection& c = layout.connections[l];
    Tensor& tensor = contents.tensors.emplace_back(Tensor{name_of(l), {c.rows, c.columns}, {}});
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.columns; ++j)
        tensor.values.push_back(static_cast<float>(trained.weights[static_cast<std::size_t>(c.offset + i * c.width + j)]));
  }
  contents.metadata = {{"format", std::string(kFormat)},
                       {"network", to_text(trained.layers)},
                       {"epochs", std::to_string(trained.epochs)},
                       {"lines", std::to_string(trained.lines)},
                       {"seconds", fmt::format("{}", trained.seconds)},
                       {"batch", std::to_string(mark.batch)},
                       {"run", std::to_string(mark.run)},
                       {"units", std::to_string(mark.units)},
                       {"result_file", mark.result_file},
                       {"result_line", mark.result_line},
                       {"result_size", std::to_string(mark.result_size)}};
  if (!trained.bias) contents.metadata.emplace_back("bias", "No");
  return write_safetensors(contents, file);
}

Result<Persisted> read_persistence(const std::filesystem::path& file, Changed changed) {
  auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  return parse_persistence(*bytes, file.string(), changed);
}

Result<Persisted> parse_persistence(std::string_view bytes, std::string_view origin, Changed changed) {
  auto contents = parse_safetensors(bytes, origin, changed);
  if (!contents) return contents.error();
  const auto fail = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", origin, what)}; };
  Words words(*contents);
  if (words.text("format") != kFormat)
    return fail(fmt::format("wanted a PersistenceFile that soma batch wrote ('{}'), got another kind of file; try another path",
                            kFormat));
  Persisted persisted;
  Trained& trained = persisted.trained;
  RunMark& mark = persisted.mark;
  trained.epochs = words.number<std::int64_t>("epochs");
  trained.lines = words.number<std::int64_t>("lines");
  trained.seconds = words.number<double>("seconds");
  mark.batch = words.number<std::uint64_t>("batch");
  mark.run = words.number<std::int64_t>("run");
  mark.units = words.number<std::int64_t>("units");
  mark.result_file = words.text("result_file");
  mark.result_line = words.text("result_line");
  mark.result_size = words.number<std::int64_t>("result_size");
  const std::string network = words.text("network");
  if (!words.missing().empty()) return fail(fmt::format("wanted '{}' in its metadata, got none", words.missing()));
  auto layers = parse_network(network, origin);
  if (!layers) return Error{Error::Kind::data, layers.error().message};
  trained.layers = std::move(*layers);

  trained.bias = !words.has("bias");
  const OnlineLayout layout(trained.layers, trained.bias);
  for (std::size_t l = 0; l < layout.connections.size(); ++l) {
    const Connection& c = layout.connections[l];
    const std::string name = name_of(l);
    const Tensor* found = nullptr;
    for (const Tensor& tensor : contents->tensors)
      if (tensor.name == name) found = &tensor;
    if (found == nullptr || found->shape != Shape{c.rows, c.columns})
      return fail(fmt::format("wanted '{}' of {}, got {}", name, to_string(Shape{c.rows, c.columns}),
                              found == nullptr ? "nothing of that name" : to_string(found->shape)));
    trained.weights.resize(static_cast<std::size_t>(c.offset + c.rows * c.width));
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.columns; ++j)
        trained.weights[static_cast<std::size_t>(c.offset + i * c.width + j)] =
            static_cast<double>(found->values[static_cast<std::size_t>(i * c.columns + j)]);
  }
  return persisted;
}

}  // namespace soma
