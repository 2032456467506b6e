// a network and its weights → what its first layer looks for, what each layer costs, and how the run was set up.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart.h"
#include "report/page.h"
#include "report/picture.h"
#include "report/run_parts.h"
#include "report/words.h"
#include "soma/device.h"

namespace soma::report {
namespace {

constexpr std::int64_t kFilters = 64;  // pictures: more of them say no more

/// The first layer with weights: its array and, where its inputs are an image, the shape of one output's weights.
struct FirstWeights {
  const Tensor* tensor = nullptr;
  std::string layer;
  Shape shape;
};

FirstWeights first_weights(const Model& model) {
  Shape image = model.network.input;
  for (const Node& node : model.network.nodes) {
    const bool linear = std::holds_alternative<Linear>(node.layer), conv = std::holds_alternative<Conv2d>(node.layer);
    // A layer that changes the shape stands between the image and what follows.
    const bool keeps = std::holds_alternative<Flatten>(node.layer) || std::holds_alternative<Activation>(node.layer) ||
                       std::holds_alternative<BatchNorm>(node.layer) || std::holds_alternative<Dropout>(node.layer) ||
                       std::holds_alternative<AlphaDropout>(node.layer);
    if (linear || conv) {
      const auto found = std::find_if(model.parameters.begin(), model.parameters.end(),
                                      [&](const Tensor& tensor) { return tensor.name == node.name + ".weight"; });
      if (found == model.parameters.end()) return {};
      if (conv) return {&*found, node.name, {found->shape.begin() + 1, found->shape.end()}};
      const bool of_image = image.size() == 3 && elements(image) == found->shape[1];
      return {&*found, node.name, of_image ? image : Shape{}};
    }
    if (!keeps) image.clear();
  }
  return {};
}

std::string weight_table(const FirstWeights& first, const Model& model) {
  constexpr std::int64_t kRows = 16, kColumns = 16;
  const std::int64_t rows = std::min(kRows, first.tensor->shape[0]), columns = std::min(kColumns, first.tensor->shape[1]);
  Table all{{{"output", false}}, {}};
  const bool named = static_cast<std::int64_t>(model.columns.size()) == first.tensor->shape[1];
  for (std::int64_t j = 0; j < columns; ++j)
    all.columns.push_back({named ? escaped(model.columns[static_cast<std::size_t>(j)].name) : fmt::format("x{}", j)});
  for (std::int64_t i = 0; i < rows; ++i) {
    auto& row = all.rows.emplace_back(std::vector{std::to_string(i)});
    for (std::int64_t j = 0; j < columns; ++j)
      row.push_back(fixed(first.tensor->values[static_cast<std::size_t>(i * first.tensor->shape[1] + j)], 3));
  }
  const std::string more = rows < first.tensor->shape[0] || columns < first.tensor->shape[1]
                               ? fmt::format("<p class=\"note\">The first {} × {} of {} × {} weights.</p>\n", rows, columns,
                                             grouped(first.tensor->shape[0]), grouped(first.tensor->shape[1]))
                               : "";
  return table(all, "Weights of the first layer") + more;
}

}  // namespace

std::string first_layer(const RunFacts& facts) {
  const FirstWeights first = first_weights(facts.train.model);
  if (first.tensor == nullptr || first.tensor->shape.empty()) return "";
  const std::int64_t outputs = first.tensor->shape[0];
  const std::string head = fmt::format("<p>The weights of <b>{}</b>, one {} per output: ", escaped(first.layer),
                                       first.shape.empty() ? "row" : "picture");
  const bool tiny = first.shape.size() == 3 && first.shape[1] * first.shape[2] < 4;
  if (first.shape.empty() || tiny)
    return first.tensor->shape.size() == 2
               ? head + "above 0 they speak for it, below against.</p>\n" + weight_table(first, facts.train.model)
               : "";
  std::string items;
  const auto size = static_cast<std::size_t>(elements(first.shape));
  for (std::int64_t i = 0; i < std::min(outputs, kFilters); ++i) {
    const auto weights = std::span(first.tensor->values).subspan(static_cast<std::size_t>(i) * size, size);
    float largest = 0;
    for (const float w : weights) largest = std::max(largest, std::abs(w));
    items += fmt::format(
        "<img alt=\"weights of output {0}\" title=\"output {0}: at most ±{1}\" src=\"{2}\" width=\"72\" height=\"{3}\">\n", i,
        brief(largest), png_uri(weight_picture(first.shape, weights, largest)),
        std::clamp<std::int64_t>(72 * first.shape[1] / first.shape[2], 18, 144));
  }
  const std::string more =
      outputs > kFilters ? fmt::format("<p class=\"note\">The first {} of {} outputs.</p>\n", kFilters, grouped(outputs)) : "";
  return head +
         "<span class=\"plus\">orange</span> speaks for it, <span class=\"minus\">blue</span> against. Each picture has a scale "
         "of its own.</p>\n<div class=\"filters\">\n" +
         items + "</div>\n" + more;
}

std::string layers(const RunFacts& facts) {
  const auto resolved = resolve(facts.config.network);
  if (!resolved) return "";
  Table sizes{{{"layer", false}, {"kind", false}, {"output"}, {"parameters"}, {"FLOP, forward"}, {"memory"}}, {}};
  for (const LayerSummary& row : summarise(*resolved))
    sizes.rows.push_back({escaped(row.name), escaped(row.kind), to_string(row.output), grouped(row.parameters),
                          with_prefix(static_cast<double>(row.flops)), with_prefix(static_cast<double>(row.memory_bytes)) + "B"});
  std::string time;
  if (!facts.layers.empty()) {
    LabChart chart{LabChart::Kind::bars, "Time of one step", "", fmt::format("µs for a batch of {}", facts.config.train.batch)};
    chart.series = {{"forward"}, {"backward"}};
    for (const LayerTime& layer : facts.layers) {
      chart.categories.push_back(layer.layers);
      chart.series[0].y.push_back(1e6 * layer.forward_seconds);
      chart.series[1].y.push_back(1e6 * layer.backward_seconds);
    }
    time = report::chart(chart) +
           fmt::format(
               "<p class=\"note\">Medians of a few passes after training, on {} {}. Layers in one row were fused into one "
               "pass over memory.</p>\n",
               facts.train.threads, facts.train.threads == 1 ? "thread" : "threads");
  }
  return "<div class=\"beside\">\n" + table(sizes, "Layers") + (time.empty() ? "" : "<div>" + time + "</div>") + "</div>\n";
}

std::string settings(const RunFacts& facts) {
  const Config& config = facts.config;
  const Table run{{{"", false}, {"", false}},
                  {{"machine", escaped(soma::machine())},
                   {"SIMD target", escaped(facts.train.target)},
                   {"threads", std::to_string(facts.train.threads)},
                   {"strategy", escaped(config.train.strategy)},
                   {"precision", escaped(config.train.precision)},
                   {"seed", std::to_string(config.train.seed)},
                   {"soma", std::string(version())}}};
  return "<div class=\"beside\">\n" + table(run, "Machine") +
         fmt::format(
             "<div><p><code>config.toml</code>, with everything filled in. <code>soma train config.toml</code> gives the same "
             "model, bit for bit, on any number of threads.</p>\n"
             "<pre tabindex=\"0\" aria-label=\"config.toml\">{}</pre></div>\n</div>\n",
             escaped(to_toml(config)));
}

}  // namespace soma::report
