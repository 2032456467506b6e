// a model file, or a directory of them → versions ready to answer; reads them again while the old ones go on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "serve/counters.h"
#include "serve/engine.h"
#include "serve/infer_request.h"
#include "soma/error.h"
#include "soma/graph.h"
#include "soma/model.h"
#include "soma/reading.h"

namespace soma {

/// One version of a model, warm, with an engine for each thread; or a graph, of whose face nothing but the names counts.
struct ServedVersion {
  ModelFace face;
  Model model;                   ///< without its parameters, which the engines have, unless the kernel may want them
  std::unique_ptr<Graph> graph;  ///< of what is no list of layers; run by one thread
  std::int64_t parameters = 0;
  double memory = 0;  ///< bytes that its engines take
  std::vector<std::unique_ptr<Engine>> engines;
  std::shared_ptr<ModelStatistics> statistics;
};

/// What is served, by name.
using ServedTable = std::map<std::string, std::shared_ptr<ServedVersion>, std::less<>>;

/// A line of the repository index.
struct ModelStatus {
  std::string name, version, state, reason;  ///< state: READY, LOADING, UNLOADING, UNAVAILABLE
};

class Repository {
 public:
  /// Told the new table after each change, on the loading thread; calls `then` when every thread uses it.
  using Publish = std::function<void(const ServedTable& table, std::function<void()> then)>;
  using Done = std::function<void(const Result<void>&)>;

  /// What an operator should read: one line each, without an end.
  using Tell = std::function<void(const std::string& line)>;

  /// `room`: bytes that the models may take together, those that are about to be replaced among them. `whole`: models in 8 bits
  /// keep their parameters, which the kernel computes with.
  Repository(std::filesystem::path source, int threads, std::int64_t max_batch, double room, Changed changed, Reading reading,
             std::vector<std::string> required, Tell tell, bool whole = false);
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  /// Everything, before the server starts. Fails when nothing at all can be served.
  [[nodiscard]] Result<void> load_all();
  /// From now on changes are possible, in the background.
  void start(Publish publish);
  /// Waits for what the loading thread is doing; nothing is published afterwards.
  void stop();

  /// The newest version of one model, or of all there are; models whose directory has gone are unloaded. A version that cannot be
  /// read, has no room, or answers with numbers that are not finite, leaves the old one where it was; where there is none, the
  /// newest that can be read serves. What went wrong is told, counted, and the error of the newest.
  void reload(Done done = {});
  void load(const std::string& name, Done done);
  void unload(const std::string& name, Done done);

  /// The source is one model, not a directory of them.
  [[nodiscard]] bool single_file() const;
  [[nodiscard]] ServedTable table() const;
  [[nodiscard]] std::vector<ModelStatus> index() const;
  /// Every model that is required is served, and one at least.
  [[nodiscard]] bool ready() const;
  /// Since the start; and whether the last attempt of each model, served or not, went well.
  [[nodiscard]] std::int64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool all_well() const;
  /// Of the versions that are served, by name and version.
  [[nodiscard]] std::vector<std::pair<std::pair<std::string, std::string>, std::shared_ptr<ModelStatistics>>> statistics() const;

 private:
  struct Found {
    std::vector<std::string> versions;  ///< newest first
    std::filesystem::path place;        ///< of model.onnx, or of the directories that are named after the versions
    bool single = false;                ///< place is the file itself
    std::string problem = {};           ///< why the directory could not be read
    [[nodiscard]] std::filesystem::path file(const std::string& version) const;
  };
  struct Entry {
    std::shared_ptr<ServedVersion> served;
    std::string attempt, state, reason;  ///< of the last version that was tried
    bool wanted = true;                  ///< false once it was unloaded on request
  };
  [[nodiscard]] Result<std::map<std::string, Found>> scan() const;
  [[nodiscard]] Result<std::shared_ptr<ServedVersion>> make(const std::string& name, const std::string& version,
                                                            const std::filesystem::path& file);
  Result<void> bring_up(const std::string& name, const Found& found);
  Result<void> bring_up(const std::string& name, const std::string& version, const std::filesystem::path& file,
                        const std::string& problem);
  [[nodiscard]] Result<std::shared_ptr<ServedVersion>> make_graph(const std::filesystem::path& file);
  [[nodiscard]] double room_left() const;
  [[nodiscard]] Result<void> check_room(const std::filesystem::path& file, double bytes) const;
  void forget_gone();
  Result<void> load_now(const std::optional<std::string>& only);
  void enqueue(std::function<Result<void>()> work, Done done);
  void work();

  const std::filesystem::path source_;
  const int threads_;
  const std::int64_t max_batch_;
  const double room_;
  const Changed trust_;
  const Reading reading_;
  const std::vector<std::string> required_;
  const Tell tell_;
  const bool whole_;
  Publish publish_;
  std::atomic<std::int64_t> failures_{0};
  std::vector<std::string> failed_;  ///< why, for each version that a load now going on could not take

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ModelStatistics>> statistics_;

  std::mutex queue_mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::function<Result<void>()>, Done>> queue_;
  bool stopping_ = false;
  std::thread loader_;
};

}  // namespace soma
