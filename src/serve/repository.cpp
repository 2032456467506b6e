// a model file, or a directory of them → versions ready to answer; reads them again while the old ones go on.
#include "serve/repository.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>
#include <thread>

#include "core/text.h"
#include "data/table_survey.h"
#include "model/onnx_names.h"
#include "nn/plan.h"
#include "serve/graph_request.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kFile = "model.onnx";
constexpr double kMostGraphBytes = 1 << 30;  // between inputs and outputs of a graph
constexpr int kLoaderNice = 10;              // reading a new version never takes the processor from answering with the old one

template <class... Args>
Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return {Error::Kind::data, "serve: " + fmt::format(format, std::forward<Args>(args)...)};
}

/// A name that fits in a path of the protocol.
std::string clean(std::string name) {
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.') c = '-';
  return name;
}

std::optional<std::int64_t> version_number(const std::string& name) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 0 || std::to_string(number) != name)
    return std::nullopt;
  return number;
}

constexpr std::chrono::milliseconds kRetry(50);

Error unreadable(const fs::path& directory, const std::error_code& error) {
  return {Error::Kind::io, fmt::format("serve: wanted to read {}, got '{}'", directory.string(), error.message())};
}

/// The NUMBERs of a directory's NUMBER/model.onnx, the highest first.
Result<std::vector<std::string>> versions_in(const fs::path& directory) {
  std::vector<std::int64_t> numbers;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const auto number = version_number(it->path().filename().string());
    if (!number) continue;
    const auto there = is_file(it->path() / kFile);
    if (!there) return there.error();
    if (*there) numbers.push_back(*number);
  }
  if (error) return unreadable(directory, error);
  std::sort(numbers.rbegin(), numbers.rend());
  std::vector<std::string> versions;
  for (const std::int64_t number : numbers) versions.push_back(std::to_string(number));
  return versions;
}

/// One set of weights, and for each thread what lies between its layers for a largest batch.
Result<double> bytes_needed(const Model& model, int threads, std::int64_t max_batch) {
  const auto resolved = resolve(model.network);
  if (!resolved) return resolved.error();
  const auto plan = make_plan(*resolved, max_batch, PlanFor::prediction);
  if (!plan) return plan.error();
  return sizeof(float) * (static_cast<double>(plan->parameter_end) +
                          static_cast<double>(threads) * static_cast<double>(plan->activations + plan->scratch));
}

/// The first requests of a version are as fast as the later ones, and a network that has gone bad is found here.
Result<void> warm_up(Engine& engine, std::int64_t values) {
  const std::vector<std::byte> blank(static_cast<std::size_t>(values) * sizeof(float));
  for (const std::int64_t rows : {std::int64_t{1}, engine.max_batch()}) {
    for (std::int64_t row = 0; row < rows; ++row) engine.fill(row, blank.data(), 1, Layout::floats);
    const float* y = engine.run(rows);
    if (!std::all_of(y, y + rows * engine.output_size(), [](float value) { return std::isfinite(value); }))
      return wrong("wanted finite outputs for a blank sample, got others; try training it again");
  }
  return {};
}

/// The same for a graph: inputs of zeros, 1 where the file leaves an extent free. Without a declared rank there is nothing to
/// try.
Result<void> warm_up(Graph& graph) {
  std::vector<TypedArray> blank;
  for (const GraphPort& port : graph.inputs()) {
    if (!port.ranked) return {};
    TypedArray& array = blank.emplace_back(TypedArray{port.type, port.extents, {}, {}});
    std::replace(array.extents.begin(), array.extents.end(), std::int64_t{-1}, std::int64_t{1});
    const auto count = static_cast<std::size_t>(elements(array.extents));
    if (port.type == ElementType::string)
      array.strings.resize(count);
    else
      array.bytes.resize(count * size_of(data_type_of(port.type)));
  }
  const auto made = graph.run(blank);
  return made ? Result<void>() : made.error();
}

}  // namespace

Repository::Repository(fs::path source, int threads, std::int64_t max_batch, double room, Changed changed, Reading reading,
                       std::vector<std::string> required, Tell tell, bool whole)
    : source_(std::move(source)),
      threads_(threads),
      max_batch_(max_batch),
      room_(room),
      trust_(changed),
      reading_(std::move(reading)),
      required_(std::move(required)),
      tell_(std::move(tell)),
      whole_(whole) {}

fs::path Repository::Found::file(const std::string& version) const { return single ? place : place / version / kFile; }

Repository::~Repository() { stop(); }

void Repository::stop() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (loader_.joinable()) loader_.join();
}

bool Repository::single_file() const {
  std::error_code error;
  return !fs::is_directory(source_, error) || fs::is_regular_file(source_ / kFile, error);
}

Result<std::map<std::string, Repository::Found>> Repository::scan() const {
  std::map<std::string, Found> found;
  const auto directory = is_folder(source_);
  if (!directory) return directory.error();
  const fs::path single = *directory ? source_ / kFile : source_;
  const auto alone = *directory ? is_file(single) : true;
  if (!alone) return alone.error();
  if (*alone) {
    found[""] = {.versions = {"1"}, .place = single, .single = true};  // its name is in the file
    return found;
  }
  std::error_code error;
  for (fs::directory_iterator it(source_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with('.')) continue;
    const auto folder = is_folder(it->path());
    if (folder && !*folder) continue;
    if (name != clean(name)) {
      tell_(fmt::format("serve: '{}' is passed over: a model's name has letters, digits, '-', '_' and '.' only", one_line(name)));
      continue;
    }
    const auto versions = folder ? versions_in(it->path()) : folder.error();
    found[name] = {.versions = versions ? *versions : std::vector<std::string>(),
                   .place = it->path(),
                   .problem = versions ? "" : versions.error().message};
  }
  if (error) return unreadable(source_, error);
  return found;
}

/// Bytes for models beside what is served.
double Repository::room_left() const {
  double left = room_;
  for (const auto& [name, version] : table()) left -= version->memory;
  return left;
}

/// Whether so many bytes more fit there.
Result<void> Repository::check_room(const fs::path& file, double bytes) const {
  const double left = room_left();
  if (bytes <= left) return {};
  constexpr double kMegabyte = 1e6;
  return wrong(
      "{}: wanted {:.1f} MB for it on {} threads, got {:.1f} MB left for models; try fewer --threads, a smaller --max-batch or "
      "--max-memory",
      file.string(), bytes / kMegabyte, threads_, std::max(0.0, left) / kMegabyte);
}

/// A file whose operators are known and are no list of layers. What a run needs is known when it comes: it may take a quarter of
/// the room that is left. Fails as unavailable where there is no room, otherwise as Graph::read does.
Result<std::shared_ptr<ServedVersion>> Repository::make_graph(const fs::path& file) {
  auto version = std::make_shared<ServedVersion>();
  const auto most = static_cast<std::size_t>(std::min(std::max(0.0, room_left() / 4), kMostGraphBytes));
  auto graph = Graph::read(file, trust_, {.most_bytes = most});
  if (!graph) return graph.error();
  std::error_code unknown;
  const auto size = fs::file_size(file, unknown);
  version->memory = (unknown ? 0.0 : static_cast<double>(size)) + 2 * static_cast<double>(most);  // and the outputs
  if (const auto fits = check_room(file, version->memory); !fits) return Error{Error::Kind::unavailable, fits.error().message};
  if (!reading_.preprocess.empty() || !reading_.classes.empty())
    return Error{
        Error::Kind::unavailable,
        fmt::format("serve: {}: wanted a list of layers for --preprocess and --classes, got a graph, which takes tensors "
                    "as they are",
                    file.string())};
  version->graph = std::make_unique<Graph>(std::move(*graph));
  if (const auto warm = warm_up(*version->graph); !warm)
    tell_(fmt::format("serve: {}: blank inputs were refused, others may not be: {}", file.string(), warm.error().message));
  return version;
}

Result<std::shared_ptr<ServedVersion>> Repository::make(const std::string& name, const std::string& version_name,
                                                        const fs::path& file) {
  if (version_name.empty())
    return wrong("wanted {} with a number for VERSION, found none", (source_ / name / "VERSION" / kFile).string());
  std::error_code unknown;  // what cannot be asked for its size cannot be read either
  if (const auto size = fs::file_size(file, unknown); !unknown)
    if (const auto fits = check_room(file, static_cast<double>(size)); !fits) return fits.error();
  TensorNames names;
  Result<Model> model = read_onnx(file, trust_, names);
  if (!model && model.error().kind == Error::Kind::data) {
    auto graph = make_graph(file);
    if (!graph) return graph.error().kind == Error::Kind::unavailable ? graph.error() : model.error();
    (*graph)->face.name = name.empty() ? clean(file.stem().string()) : name;
    (*graph)->face.version = version_name;
    return graph;
  }
  if (!model) return model.error();
  if (const auto applied = apply(reading_, *model); !applied) return applied.error();
  auto version = std::make_shared<ServedVersion>();
  const auto bytes = bytes_needed(*model, threads_, max_batch_);
  if (!bytes) return bytes.error();
  version->memory = *bytes;
  if (const auto fits = check_room(file, version->memory); !fits) return fits.error();
  auto first = Engine::create(*model, max_batch_);
  if (!first) return first.error();
  for (int i = 0; i < threads_; ++i) {
    version->engines.push_back(i == 0 ? std::move(*first) : version->engines[0]->twin());
    Engine& engine = *version->engines.back();
    if (const auto warm = warm_up(engine, engine.sample_size()); !warm) return warm.error();
  }
  for (const Tensor& tensor : model->parameters) version->parameters += static_cast<std::int64_t>(tensor.values.size());
  if (!whole_ || !model->quantization) model->parameters = {};
  version->face.version = version_name;
  version->face.input = model->input;
  version->face.input_name = std::move(names.input);
  version->face.output_name = std::move(names.output);
  version->face.columns = source_columns(model->columns);
  if (std::ssize(model->columns) == elements(model->input))
    for (const Column& column : model->columns) version->face.categories.push_back(std::ssize(column.categories));
  version->face.reading = data_options(*model);
  version->face.reading.labelled = false;
  version->face.loss = model->loss;
  version->face.outputs = version->engines.front()->output_size();
  if (std::ssize(model->class_names) == version->face.outputs) version->face.labels = model->class_names;
  version->model = std::move(*model);
  if (!name.empty()) version->face.name = name;
  if (name.empty()) version->face.name = clean(version->model.name);
  if (version->face.name.empty()) version->face.name = clean(file.stem().string());
  return version;
}

/// The newest; when it fails and nothing of this model is served yet, those before it in turn. The newest one's error.
Result<void> Repository::bring_up(const std::string& name, const Found& found) {
  Result<void> first;
  for (std::size_t i = 0; i == 0 || i < found.versions.size(); ++i) {
    const std::string version = found.versions.empty() ? "" : found.versions[i];
    const auto up = bring_up(name, version, found.file(version), found.problem);
    if (up && i == 0) return {};
    if (up) {
      tell_(fmt::format("serve: version {} of '{}' answers in place of {}, which cannot be read", version, name,
                        found.versions[0]));
      break;
    }
    failures_.fetch_add(1, std::memory_order_relaxed);
    failed_.push_back(up.error().message);
    if (first) first = up;
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(name);
    if (name.empty() || (entry != entries_.end() && entry->second.served)) break;
  }
  if (found.versions.size() > 1) {  // what the index says besides is about the newest
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    entry.attempt = found.versions[0];
    entry.state = "UNAVAILABLE";
    entry.reason = first.error().message;
  }
  return first;
}

Result<void> Repository::bring_up(const std::string& name, const std::string& version, const fs::path& file,
                                  const std::string& problem) {
  const auto note = [&](Entry& entry, const char* state, const std::string& reason) {
    entry.attempt = version, entry.state = state, entry.reason = reason;
  };
  if (!name.empty()) {
    const std::lock_guard lock(mutex_);
    entries_[name].wanted = true;
    note(entries_[name], "LOADING", "");
  }
  Result<std::shared_ptr<ServedVersion>> made = Error{Error::Kind::data, "serve: no memory for this model"};
  try {
    made = problem.empty() ? make(name, version, file) : Error{Error::Kind::io, problem};
  } catch (const std::exception& error) {  // whatever it was, it is this version's error and nobody else's
    made = Error{Error::Kind::data,
                 fmt::format("serve: wanted to load {}, got '{}'; try a smaller model", file.string(), error.what())};
  }
  const std::lock_guard lock(mutex_);
  if (!made) {
    // A single file that cannot be read again belongs to the one model there is.
    const std::string known = !name.empty() ? name : entries_.empty() ? clean(file.stem().string()) : entries_.begin()->first;
    note(entries_[known], "UNAVAILABLE", made.error().message);
    return made.error();
  }
  const std::string& final_name = (*made)->face.name;
  auto& statistics = statistics_[{final_name, version}];
  if (!statistics) statistics = std::make_shared<ModelStatistics>(threads_, max_batch_);
  (*made)->statistics = statistics;
  if (name.empty()) std::erase_if(entries_, [&](const auto& entry) { return entry.first != final_name; });
  Entry& entry = entries_[final_name];
  entry.served = *made;
  entry.wanted = true;
  note(entry, "READY", "");
  return {};
}

/// Series of versions that are gone end.
void Repository::forget_gone() {
  const std::lock_guard lock(mutex_);
  std::erase_if(statistics_, [&](const auto& statistics) {
    const auto entry = entries_.find(statistics.first.first);
    return entry == entries_.end() || !entry->second.served || entry->second.served->face.version != statistics.first.second;
  });
}

Result<void> Repository::load_now(const std::optional<std::string>& only) {
  const auto found = scan();
  if (!found) return found.error();
  const bool single = found->contains("");
  if (only && single) {
    const std::lock_guard lock(mutex_);
    if (!entries_.contains(*only)) return Error{Error::Kind::usage, fmt::format("serve: no model '{}'", *only)};
  }
  if (only && !single && !found->contains(*only))
    return Error{Error::Kind::usage, fmt::format("serve: wanted a directory {}, found none", (source_ / *only).string())};
  Result<void> first;
  for (const auto& [name, version] : *found) {
    if (only && !single && name != *only) continue;
    if (auto up = bring_up(name, version); !up && first) first = up;
  }
  const bool starts_with_nothing = !loader_.joinable() && table().empty() && !first;  // then the first is the caller's to say
  for (std::size_t i = starts_with_nothing ? 1 : 0; i < failed_.size(); ++i) tell_(failed_[i]);
  failed_.clear();
  if (!only && !single) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) { return !found->contains(entry.first); });
  }
  return first;
}

Result<void> Repository::load_all() {
  auto loaded = load_now(std::nullopt);
  if (!table().empty()) return {};
  if (!loaded) return loaded;
  return wrong("wanted a model.onnx or NAME/VERSION/model.onnx in {}, found none; try soma train --out DIR", source_.string());
}

void Repository::start(Publish publish) {
  publish_ = std::move(publish);
  loader_ = std::thread([this] { work(); });
}

void Repository::reload(Done done) {
  enqueue([this] { return load_now(std::nullopt); }, std::move(done));
}

void Repository::load(const std::string& name, Done done) {
  enqueue([this, name] { return load_now(name); }, std::move(done));
}

void Repository::unload(const std::string& name, Done done) {
  enqueue(
      [this, name]() -> Result<void> {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(name);
        if (entry == entries_.end()) return Error{Error::Kind::usage, fmt::format("serve: no model '{}'", name)};
        if (entry->second.served) entry->second.attempt = entry->second.served->face.version;
        entry->second.served.reset();
        entry->second.wanted = false;
        entry->second.state = "UNAVAILABLE";
        entry->second.reason = "unloaded";
        return {};
      },
      std::move(done));
}

void Repository::enqueue(std::function<Result<void>()> work, Done done) {
  {
    const std::lock_guard lock(queue_mutex_);
    queue_.emplace_back(std::move(work), std::move(done));
  }
  changed_.notify_one();
}

void Repository::work() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLoaderNice);
  for (;;) {
    std::pair<std::function<Result<void>()>, Done> next;
    {
      std::unique_lock lock(queue_mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    Result<void> result;
    try {
      result = next.first();
    } catch (const std::exception& error) {  // it has failed, and changed nothing
      result =
          Error{Error::Kind::unavailable, fmt::format("serve: wanted to look at the models, got '{}'; try again", error.what())};
      tell_(result.error().message);
    }
    // Somebody waits for the answer, and requests for the table: without memory for them this tries again until there is some.
    for (bool published = false; !published;) {
      try {
        forget_gone();
        publish_(table(), [done = next.second, result] {
          if (done) done(result);
        });
        published = true;
      } catch (const std::bad_alloc&) {
        std::this_thread::sleep_for(kRetry);
      }
    }
  }
}

ServedTable Repository::table() const {
  const std::lock_guard lock(mutex_);
  ServedTable table;
  for (const auto& [name, entry] : entries_)
    if (entry.served) table[name] = entry.served;
  return table;
}

std::vector<ModelStatus> Repository::index() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> lines;
  for (const auto& [name, entry] : entries_) {
    const bool same = entry.served && entry.served->face.version == entry.attempt;
    if (entry.served) lines.push_back({name, entry.served->face.version, "READY", same ? entry.reason : ""});
    if (!same) lines.push_back({name, entry.attempt, entry.state, entry.reason});
  }
  return lines;
}

bool Repository::ready() const {
  const std::lock_guard lock(mutex_);
  const auto served = [&](const std::string& name) {
    const auto entry = entries_.find(name);
    return entry != entries_.end() && entry->second.served;
  };
  return std::all_of(required_.begin(), required_.end(), served) &&
         std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) { return entry.second.served != nullptr; });
}

bool Repository::all_well() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return !entry.second.wanted || entry.second.state != "UNAVAILABLE"; });
}

std::vector<std::pair<std::pair<std::string, std::string>, std::shared_ptr<ModelStatistics>>> Repository::statistics() const {
  const std::lock_guard lock(mutex_);
  return {statistics_.begin(), statistics_.end()};
}

}  // namespace soma
