// soma data: names of data sets → what they hold, where they lie, and how to get them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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

/// Least, mean and most of every `width`th number from `at` on; gaps are left out.
struct Spread {
  float low = 0, high = 0;
  double sum = 0;
  std::int64_t count = 0, missing = 0;
};
void add(Spread& s, float x) {
  if (std::isnan(x)) return void(++s.missing);
  s.low = s.count == 0 ? x : std::min(s.low, x);
  s.high = s.count == 0 ? x : std::max(s.high, x);
  s.sum += static_cast<double>(x);
  ++s.count;
}

/// Of each column.
std::vector<Spread> spreads(const Dataset& data) {
  std::vector<Spread> all(data.columns.size());
  std::vector<float> sample(static_cast<std::size_t>(data.sample_size()));
  for (std::int64_t i = 0; i < data.count; ++i) {
    data.copy_floats(i, sample.data());
    for (std::size_t c = 0; c < all.size(); ++c) add(all[c], sample[c]);
  }
  return all;
}

std::string number(double value) { return fmt::format("{:.6g}", value); }

void print_targets(const Dataset& data) {
  std::vector<Row> rows;
  const auto all = static_cast<double>(std::max<std::int64_t>(1, data.count));
  std::vector<std::int64_t> counts(data.class_names.size());
  for (const std::int32_t label : data.labels) ++counts[static_cast<std::size_t>(label)];
  for (std::size_t c = 0; c < counts.size(); ++c)
    rows.push_back({data.class_names[c], grouped(counts[c]), percent(static_cast<double>(counts[c]) / all)});
  if (!rows.empty()) return print_table(stdout, {"class", "samples", "share"}, rows, "lrr");
  for (std::size_t i = 0; i < data.target_names.size(); ++i) {
    Spread s;
    for (std::size_t at = i; at < data.targets.size(); at += data.target_names.size()) add(s, data.targets[at]);
    const double mean = s.sum / all;
    rows.push_back(data.task == Task::labels ? Row{data.target_names[i], grouped(static_cast<std::int64_t>(s.sum)), percent(mean)}
                                             : Row{data.target_names[i], number(static_cast<double>(s.low)), number(mean),
                                                   number(static_cast<double>(s.high))});
  }
  if (data.task == Task::labels) return print_table(stdout, {"label", "samples", "share"}, rows, "lrr");
  if (!rows.empty()) print_table(stdout, {"value", "least", "mean", "most"}, rows, "lrrr");
}

void print_columns(const Dataset& data) {
  if (data.columns.empty()) return;
  const std::vector<Spread> all = spreads(data);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < data.columns.size(); ++i) {
    const Column& column = data.columns[i];
    const Spread& s = all[i];
    Row row = {column.name,
               !column.categories.empty() ? "words"
               : !column.date.empty()     ? "date"
                                          : "number",
               s.missing > 0 ? grouped(s.missing) : "–"};
    if (!column.categories.empty()) {
      constexpr std::size_t kShown = 3;
      std::string words;
      for (std::size_t w = 0; w < std::min(kShown, column.categories.size()); ++w)
        words += (w > 0 ? ", " : "") + column.categories[w];
      row.insert(
          row.end(),
          {"", "", "", fmt::format("{}: {}{}", column.categories.size(), words, column.categories.size() > kShown ? ", …" : "")});
    } else if (s.count > 0) {
      row.insert(row.end(), {number(static_cast<double>(s.low) + column.origin),
                             number(s.sum / static_cast<double>(s.count) + column.origin),
                             number(static_cast<double>(s.high) + column.origin), ""});
    }
    rows.push_back(std::move(row));
  }
  print_table(stdout, {"column", "kind", "missing", "least", "mean", "most", "words"}, rows, "llrrrrl");
}

int info(const std::string& source) {
  const Result<Dataset> data = load_dataset(source);
  if (!data) return complain(data.error());
  fmt::print("{}: {} samples of {}, {}\n", bold(source, stdout), grouped(data->count), to_string(data->shape),
             data->has_bytes() ? "bytes" : "numbers");
  const auto place = find_dataset(source);
  if (!place) return complain(place.error());
  if (*place) fmt::print("in {}\n", (*place)->string());

  for (const std::string& note : data->notes) fmt::print("{}\n", note);
  print_targets(*data);
  print_columns(*data);
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
  Result<Dataset> data = load_dataset(source, options);
  const bool unnamed = data && !data->columns.empty() && data->label_name == std::to_string(data->columns.size());
  if (unnamed) {  // a CSV without a header has its label first, as batch files do
    options.label = "0";
    data = load_dataset(source, options);
  }
  if (!data) return complain(data.error());
  if (to_csv) {
    if (const auto written = write_csv(*data, out); !written) return complain(written.error());
    fmt::print("wrote {} rows under a header: {}\n", grouped(data->count), out);
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
  CLI::App* other_form = command->add_subcommand("convert", "Write a data set as CSV with a header, or as IDX images");
  other_form->add_option("SOURCE", *name, "A data set's name or path; a CSV without a header has its label first")->required();
  other_form->add_option("OUT", *out, "FILE.csv, or a directory for the two IDX files")->required();
  other_form->callback([name, out, &action] { action = [name, out] { return convert(*name, *out); }; });
}

}  // namespace soma::app
