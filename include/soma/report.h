// a training run or a lab's findings → pages people look at, and events that TensorBoard opens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "soma/config.h"
#include "soma/dataset.h"
#include "soma/error.h"
#include "soma/lab.h"
#include "soma/model.h"
#include "soma/train.h"

namespace soma {

/// What a page about a training run is made of. Borrows all of it.
struct RunFacts {
  const Config& config;  ///< resolved
  const TrainReport& train;
  const Dataset* test = nullptr;           ///< with `evaluation`: where the pictures of mistakes come from
  const Evaluation* evaluation = nullptr;  ///< null: the page has no test figures
  std::span<const LayerTime> layers = {};  ///< empty: the page tells sizes only
};

/// One HTML file without anything outside it: no script, no network. Every word that comes from data is escaped. The same facts
/// on the same machine give the same page but for its date.
[[nodiscard]] std::string run_page(const RunFacts& facts);
[[nodiscard]] std::string lab_page(const LabReport& report);

/// The page as a file, replaced atomically.
[[nodiscard]] Result<void> write_run_page(const RunFacts& facts, const std::filesystem::path& file);
[[nodiscard]] Result<void> write_lab_page(const LabReport& report, const std::filesystem::path& file);

/// A run as TensorBoard reads it while it goes on: one new file `events.out.tfevents.…` per start or resume, records appended.
/// A kill can leave half a record at the end, which TensorBoard ignores. Steps are epochs. One thread at a time.
class EventWriter {
 public:
  /// Events that earlier files in the directory have for epochs after `epochs_done` no longer count: a run that starts afresh
  /// there, or goes on from a checkpoint.
  [[nodiscard]] static Result<EventWriter> create(const std::filesystem::path& directory, std::int64_t epochs_done = 0);
  EventWriter(EventWriter&&) noexcept;
  EventWriter& operator=(EventWriter&&) noexcept;
  ~EventWriter();

  /// loss/train, accuracy/train, loss/validation, accuracy/validation, rate, seconds.
  [[nodiscard]] Result<void> epoch(const EpochRecord& record);

  /// weights/NAME and gradients/NAME: how the values of each array are spread. Values that are not finite are left out.
  [[nodiscard]] Result<void> histograms(std::int64_t epoch, std::span<const Tensor> weights, std::span<const Tensor> gradients);

  /// loss/test, accuracy/test.
  [[nodiscard]] Result<void> test(std::int64_t epoch, const Evaluation& evaluation);

 private:
  struct State;
  explicit EventWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
