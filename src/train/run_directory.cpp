// where a run is to go → its directory, held by nobody else, whose finished work is not written over by accident.
#include "soma/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoint = "checkpoint.safetensors";
// Of a run that starts over, what an older one says goes first, and what it could go on from last.
constexpr std::array kFiles = {"report.html", "model.onnx", "history.csv", kCheckpoint};

/// The name of the first work in the directory; empty when there is none.
Result<std::string> work_in(const fs::path& directory) {
  for (const char* name : {kCheckpoint, "model.onnx"}) {
    const auto there = is_there(directory / name);
    if (!there) return there.error();
    if (*there) return std::string(name);
  }
  return std::string();
}

Error holds(const fs::path& directory, std::string_view work) {
  return {
      Error::Kind::unavailable,
      fmt::format("{0}: wanted a directory without a run in it, found {1}; try --resume {0} to go on with that run, or --force "
                  "to lose it",
                  directory.string(), work)};
}

Result<RunDirectory> take(const fs::path& directory, const Destination& to) {
  if (const auto made = make_directory(directory); !made) return made.error();
  auto lock = Lock::take(directory / "lock", directory.string());
  if (!lock) return lock.error();
  const auto work = work_in(directory);
  if (!work) return work.error();
  const bool goes_on = to.resume && *work == kCheckpoint;
  if (!work->empty() && !goes_on && !to.force) return holds(directory, *work);
  if (const auto clean = remove_leftovers(directory / "config.toml"); !clean) return clean.error();
  for (const char* name : kFiles) {
    const fs::path file = directory / name;
    if (const auto clean = remove_leftovers(file); !clean) return clean.error();
    if (!goes_on && ::unlink(file.c_str()) != 0 && errno != ENOENT)
      return Error{Error::Kind::io, fmt::format("{}: cannot remove: {}", file.string(), std::strerror(errno))};
  }
  return RunDirectory{directory, goes_on, "", std::move(*lock)};
}

}  // namespace

Result<void> check_destination(const Destination& to) {
  if (to.force || to.resume || to.out.empty()) return {};
  const auto work = work_in(to.out);
  if (!work) return work.error();
  if (!work->empty()) return holds(to.out, *work);
  return {};
}

Result<RunDirectory> open_run_directory(const Destination& to) {
  if (!to.out.empty()) return take(to.out, to);
  const fs::path usual = fs::path("out") / to.name;
  for (int number = 1;; ++number) {
    const fs::path place = number == 1 ? usual : fs::path(fmt::format("{}-{}", usual.string(), number));
    auto taken = take(place, to);
    if (!taken && taken.error().kind == Error::Kind::unavailable && !to.force) continue;
    if (taken && number > 1)
      taken->note = fmt::format("{} holds another run: this one goes to {}", usual.string(), place.string());
    return taken;
  }
}

}  // namespace soma
