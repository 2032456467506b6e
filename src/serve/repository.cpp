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

namespace soma {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kFile = "model.onnx";
constexpr int kLoaderNice = 10;  // reading a new version never takes the processor from answering with the old one

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

/// What a task came to. One that has no memory has failed, and changed nothing.
Result<void> attempt(const std::function<Result<void>()>& task) {
  try {
    return task();
  } catch (const std::bad_alloc&) {
    return Error{Error::Kind::unavailable, "serve: wanted memory to look at the models, got none; try again"};
  }
}

Error unreadable(const fs::path& directory, const std::error_code& error) {
  return {Error::Kind::io, fmt::format("serve: wanted to read {}, got '{}'", directory.string(), error.message())};
}

/// The highest NUMBER/model.onnx of a directory.
Result<std::optional<std::string>> newest(const fs::path& directory) {
  std::optional<std::int64_t> best;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const auto number = version_number(it->path().filename().string());
    if (!number || number <= best.value_or(-1)) continue;
    const auto there = is_file(it->path() / kFile);
    if (!there) return there.error();
    if (*there) best = number;
  }
  if (error) return unreadable(directory, error);
  return best ? std::optional(std::to_string(*best)) : std::nullopt;
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

}  // namespace

Repository::Repository(fs::path source, int threads, std::int64_t max_batch, Changed changed)
    : source_(std::move(source)), threads_(threads), max_batch_(max_batch), trust_(changed) {}

Repository::~Repository() { stop(); }

void Repository::stop() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (loader_.joinable()) loader_.join();
}

Result<std::map<std::string, Repository::Found>> Repository::scan() const {
  std::map<std::string, Found> found;
  const auto directory = is_folder(source_);
  if (!directory) return directory.error();
  const fs::path single = *directory ? source_ / kFile : source_;
  const auto alone = *directory ? is_file(single) : true;
  if (!alone) return alone.error();
  if (*alone) {
    found[""] = {"1", single};  // its name is in the file
    return found;
  }
  std::error_code error;
  for (fs::directory_iterator it(source_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name != clean(name) || name.starts_with('.')) continue;
    const auto folder = is_folder(it->path());
    if (!folder) return folder.error();
    if (!*folder) continue;
    const auto version = newest(it->path());
    const auto number = version ? *version : std::nullopt;
    found[name] = {number.value_or(""), it->path() / number.value_or("1") / kFile, version ? "" : version.error().message};
  }
  if (error) return unreadable(source_, error);
  return found;
}

Result<std::shared_ptr<ServedVersion>> Repository::make(const std::string& name, const Found& found) {
  if (!found.problem.empty()) return Error{Error::Kind::io, found.problem};
  if (found.version.empty())
    return wrong("wanted {} with a number for VERSION, found none", (source_ / name / "VERSION" / kFile).string());
  Result<Model> model = read_onnx(found.file, trust_);
  if (!model) return model.error();
  auto version = std::make_shared<ServedVersion>();
  auto first = Engine::create(*model, max_batch_);
  if (!first) return first.error();
  for (int i = 0; i < threads_; ++i) {
    version->engines.push_back(i == 0 ? std::move(*first) : version->engines[0]->twin());
    Engine& engine = *version->engines.back();
    if (const auto warm = warm_up(engine, engine.sample_size()); !warm) return warm.error();
  }
  for (const Tensor& tensor : model->parameters) version->parameters += static_cast<std::int64_t>(tensor.values.size());
  model->parameters = {};
  version->face.version = found.version;
  version->face.input = model->input;
  version->face.outputs = version->engines.front()->output_size();
  if (std::ssize(model->class_names) == version->face.outputs) version->face.labels = model->class_names;
  version->model = std::move(*model);
  if (!name.empty()) version->face.name = name;
  if (name.empty()) version->face.name = clean(version->model.name);
  if (version->face.name.empty()) version->face.name = clean(found.file.stem().string());
  return version;
}

/// A lack of memory is one more reason why a version cannot be loaded; the one that answers stays.
Result<std::shared_ptr<ServedVersion>> Repository::make_or_why(const std::string& name, const Found& found) try {
  return make(name, found);
} catch (const std::bad_alloc&) {
  return wrong("wanted memory for {}, got none; try a smaller model", found.file.string());
}

Result<void> Repository::bring_up(const std::string& name, const Found& found) {
  const auto note = [&](Entry& entry, const char* state, const std::string& reason) {
    entry.attempt = found.version, entry.state = state, entry.reason = reason;
  };
  if (!name.empty()) {
    const std::lock_guard lock(mutex_);
    entries_[name].wanted = true;
    note(entries_[name], "LOADING", "");
  }
  auto made = make_or_why(name, found);
  const std::lock_guard lock(mutex_);
  if (!made) {
    // A single file that cannot be read again belongs to the one model there is.
    const std::string known = !name.empty()      ? name
                              : entries_.empty() ? clean(found.file.stem().string())
                                                 : entries_.begin()->first;
    note(entries_[known], "UNAVAILABLE", made.error().message);
    return made.error();
  }
  const std::string& final_name = (*made)->face.name;
  auto& statistics = statistics_[{final_name, found.version}];
  if (!statistics) statistics = std::make_shared<ModelStatistics>(threads_, max_batch_);
  (*made)->statistics = statistics;
  if (name.empty()) std::erase_if(entries_, [&](const auto& entry) { return entry.first != final_name; });
  Entry& entry = entries_[final_name];
  entry.served = *made;
  entry.wanted = true;
  note(entry, "READY", "");
  return {};
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
    const Result<void> result = attempt(next.first);
    // Somebody waits for the answer, and requests for the table: without memory for them this tries again until there is some.
    for (bool published = false; !published;) {
      try {
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
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.served || !entry.second.wanted; });
}

std::vector<std::pair<std::pair<std::string, std::string>, std::shared_ptr<ModelStatistics>>> Repository::statistics() const {
  const std::lock_guard lock(mutex_);
  return {statistics_.begin(), statistics_.end()};
}

}  // namespace soma
