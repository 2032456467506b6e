// soma data: names of data sets → what they hold, where they lie, and how to get them.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "soma/dataset.h"
#include "soma/file.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

namespace fs = std::filesystem;

int list() {
  std::vector<Row> rows;
  for (const KnownDataset& known : known_datasets()) {
    const auto found = find_dataset(known.name);
    if (!found) return complain(found.error());
    const auto& place = *found;
    rows.push_back({known.name, known.splits.empty() ? "–" : known.splits, known.description,
                    known.generated ? "built in"
                    : place         ? place->string()
                                    : "not here; soma data fetch " + known.name});
  }
  print_table(stdout, {"name", "splits", "what", "where"}, rows, "llll");
  return done;
}

int info(const std::string& source) {
  const Result<Dataset> data = load_dataset(source);
  if (!data) return complain(data.error());
  fmt::print("{}: {} samples of {}, {}\n", bold(source, stdout), grouped(data->count), to_string(data->shape),
             data->bytes.empty() ? "numbers" : "bytes");
  const auto place = find_dataset(source);
  if (!place) return complain(place.error());
  if (*place) fmt::print("in {}\n", (*place)->string());

  std::vector<std::int64_t> counts(data->class_names.size());
  for (const std::int32_t label : data->labels) ++counts[static_cast<std::size_t>(label)];
  std::vector<Row> rows;
  for (std::size_t c = 0; c < counts.size(); ++c)
    rows.push_back({data->class_names[c], grouped(counts[c]),
                    percent(static_cast<double>(counts[c]) / static_cast<double>(std::max<std::int64_t>(1, data->count)))});
  print_table(stdout, {"class", "samples", "share"}, rows, "lrr");

  if (data->columns.empty() || data->floats.empty()) return done;
  const std::size_t width = data->columns.size();
  rows.clear();
  for (std::size_t column = 0; column < width; ++column) {
    float low = data->floats[column], high = low;
    double sum = 0;
    for (std::size_t at = column; at < data->floats.size(); at += width) {
      low = std::min(low, data->floats[at]);
      high = std::max(high, data->floats[at]);
      sum += static_cast<double>(data->floats[at]);
    }
    const Column& names = data->columns[column];
    if (names.categories.empty())
      rows.push_back({names.name, fmt::format("{:g}", low), fmt::format("{:.4g}", sum / static_cast<double>(data->count)),
                      fmt::format("{:g}", high)});
    else
      rows.push_back({names.name, fmt::format("{} words", names.categories.size()), "", ""});
  }
  print_table(stdout, {"column", "least", "mean", "most"}, rows, "lrrr");
  return done;
}

int fetch(const std::string& name) {
  const Result<fs::path> place = fetch_dataset(name, [](std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  if (!place) return complain(place.error());
  fmt::print("{} lies in {}\n", name, place->string());
  return done;
}

int write_images(const Dataset& data, const std::string& directory) {
  const fs::path out(directory), images = out / "images-idx3-ubyte", labels = out / "labels-idx1-ubyte";
  if (const auto made = make_directory(out); !made) return complain(made.error());
  if (const auto written = write_idx(data, images, labels); !written) return complain(written.error());
  fmt::print("wrote {} images: {} and {}\n", grouped(data.count), images.string(), labels.string());
  return done;
}

struct MakeOptions {
  std::string what, out;
  std::int64_t count = 0;
  std::uint64_t seed = 1;
};

int make(const MakeOptions& options) {
  if (options.what != "digits")
    return complain({Error::Kind::usage, fmt::format("data make: wanted digits, the only generator, got '{}'", options.what)});
  if (options.count < 1)
    return complain({Error::Kind::usage, fmt::format("data make: --count: wanted at least 1, got {}", options.count)});
  const int status = write_images(make_digits(options.count, options.seed), options.out);
  if (status == done)
    fmt::print("next: soma train mnist-cnn --data {}\n", (fs::path(options.out) / "images-idx3-ubyte").string());
  return status;
}

int convert(const std::string& source, const std::string& out) {
  const bool to_csv = out.ends_with(".csv");
  DataOptions options;
  if (source.ends_with(".csv")) options.label = "0";
  const Result<Dataset> data = load_dataset(source, options);
  if (!data) return complain(data.error());
  if (to_csv) {
    if (const auto written = write_csv(*data, out); !written) return complain(written.error());
    fmt::print("wrote {} lines, the label first: {}\n", grouped(data->count), out);
    return done;
  }
  const Result<Dataset> images = as_images(*data);
  if (!images) return complain(images.error());
  return write_images(*images, out);
}

}  // namespace

void add_data(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand("data", "List, describe, download and make data sets");
  command->require_subcommand(1);
  command->add_subcommand("list", "Show the data sets known by name")->callback([&action] { action = list; });

  auto name = std::make_shared<std::string>();
  CLI::App* describe = command->add_subcommand("info", "Show what a data set holds");
  describe->add_option("NAME", *name, "A data set's name or path")->required();
  describe->callback([name, &action] { action = [name] { return info(*name); }; });

  CLI::App* download = command->add_subcommand("fetch", "Download a data set and check it");
  download->add_option("NAME", *name, "A data set's name")->required();
  download->callback([name, &action] { action = [name] { return fetch(*name); }; });

  auto options = std::make_shared<MakeOptions>();
  CLI::App* generate = command->add_subcommand("make", "Write a generated data set as IDX files");
  generate->add_option("WHAT", options->what, "digits")->required();
  generate->add_option("--count", options->count, "How many samples")->type_name("N")->required();
  generate->add_option("--out", options->out, "Directory for the two files")->type_name("DIR")->required();
  generate->add_option("--seed", options->seed, "Seed of the drawing")->type_name("N");
  generate->callback([options, &action] { action = [options] { return make(*options); }; });

  auto out = std::make_shared<std::string>();
  CLI::App* other_form = command->add_subcommand("convert", "Write a data set as CSV with the label first, or as IDX images");
  other_form->add_option("SOURCE", *name, "A data set's name or path; a CSV has its label first")->required();
  other_form->add_option("OUT", *out, "FILE.csv, or a directory for the two IDX files")->required();
  other_form->callback([name, out, &action] { action = [name, out] { return convert(*name, *out); }; });
}

}  // namespace soma::app
