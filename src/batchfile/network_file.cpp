// "ELU, 100" lines ↔ layers.
#include "batchfile/network_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/text.h"

namespace soma {
namespace {

constexpr std::int64_t kMostNeurons = 1 << 20;

// In the order of BatchLayer::Kind; None is another word for Identity.
const std::array<std::string, 9> kWords = {"Identity", "Logistic", "TanH", "ReLU", "LeakyReLU", "ELU", "SoftMax", "SELU", "None"};

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Lines::Lines(std::string_view text_of_file) : rest_(text_of_file) {
  if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
}

bool Lines::next() {
  while (!rest_.empty()) {
    const std::size_t stop = std::min(rest_.find('\n'), rest_.size());
    text = trimmed(rest_.substr(0, stop));
    rest_.remove_prefix(std::min(stop + 1, rest_.size()));
    ++number;
    if (!text.empty() && text.front() != '#') return true;
  }
  return false;
}

Result<std::vector<BatchLayer>> parse_network(std::string_view text, std::string_view origin) {
  std::vector<BatchLayer> layers;
  Lines lines(text);
  const auto fail = [&](std::string_view what) {
    return Error{Error::Kind::usage, fmt::format("{}:{}: {}", origin, lines.number, what)};
  };
  while (lines.next()) {
    const std::size_t comma = lines.text.find(',');
    if (comma == std::string_view::npos)
      return fail(fmt::format("wanted 'Activation, Neurons', got '{}'", one_line(lines.text, 40)));
    const std::string word = one_line(trimmed(lines.text.substr(0, comma)), 40);
    const std::string_view count = trimmed(lines.text.substr(comma + 1));
    const auto* const found = std::find(kWords.begin(), kWords.end(), word);
    if (found == kWords.end()) return fail(fmt::format("unknown activation '{}'{}", word, suggestion(word, kWords)));
    BatchLayer layer;
    if (const auto index = found - kWords.begin(); index < 8) layer.kind = static_cast<BatchLayer::Kind>(index);
    const auto [stop, failure] = std::from_chars(count.data(), count.data() + count.size(), layer.neurons);
    if (failure != std::errc() || stop != count.data() + count.size() || layer.neurons < 1 || layer.neurons > kMostNeurons)
      return fail(fmt::format("wanted 1 to {} neurons, got '{}'", kMostNeurons, one_line(count, 40)));
    layers.push_back(layer);
  }
  if (layers.size() < 2)
    return Error{Error::Kind::usage,
                 fmt::format("{}: wanted at least 2 layers, one 'Activation, Neurons' a line, got {}", origin, layers.size())};
  return layers;
}

std::string to_text(const std::vector<BatchLayer>& layers) {
  std::string text;
  for (const BatchLayer& layer : layers)
    text += fmt::format("{}, {}\n", kWords[static_cast<std::size_t>(layer.kind)], layer.neurons);
  return text;
}

}  // namespace soma
