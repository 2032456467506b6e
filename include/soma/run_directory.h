// where a run is to go → its directory, held by nobody else, whose finished work is not written over by accident.
#pragma once

#include <filesystem>
#include <string>

#include "soma/file.h"

namespace soma {

/// What stands in a directory decides whether a run may start there: a checkpoint or a model is work that cost somebody time.
struct Destination {
  std::filesystem::path out;  ///< wanted; empty: out/NAME, or the first of out/NAME-2, -3 … without work in it
  std::string name = "run";   ///< NAME
  bool resume = false;        ///< go on from the checkpoint in `out`; without one, start there
  bool force = false;         ///< earlier work there may go
};

/// A directory that this process alone writes to, until this goes out of scope: it holds the lock `lock` in it.
struct RunDirectory {
  std::filesystem::path path;
  bool goes_on = false;  ///< resume was asked for, and a checkpoint is there
  std::string note;      ///< a line for the user when it is another directory than the usual one
  Lock lock;
};

/// Fails as open_run_directory would for the work that stands in `out`. Makes and changes nothing.
[[nodiscard]] Result<void> check_destination(const Destination& destination);

/// Makes the directory and takes it. What a dead run left half written goes, and with force its work. Fails when somebody else is
/// at it, when it holds work and neither resume nor force is set, and when the system cannot say whether it does.
[[nodiscard]] Result<RunDirectory> open_run_directory(const Destination& destination);

}  // namespace soma
