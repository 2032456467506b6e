// the parsed command line → an action; the action's outcome → an exit status.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "soma/error.h"
#include "soma/file.h"
#include "soma/reading.h"

namespace soma {
struct KernelOptions;
}

namespace soma::app {

/// Exit statuses: wrong usage is told apart from a run that failed.
enum Status { done = 0, failed = 1, wrong_usage = 2, interrupted = 130 };

/// What the chosen subcommand does; returns its exit status.
using Action = std::function<int()>;

// Each adds one subcommand and, when it is the one called, sets `action`.
void add_train(CLI::App& program, Action& action);
void add_eval(CLI::App& program, Action& action);
void add_predict(CLI::App& program, Action& action);
void add_run(CLI::App& program, Action& action);
void add_export(CLI::App& program, Action& action);
void add_info(CLI::App& program, Action& action);
void add_serve(CLI::App& program, Action& action);
void add_kernel(CLI::App& program, Action& action);
void add_data(CLI::App& program, Action& action);
void add_batch(CLI::App& program, Action& action);
void add_lab(CLI::App& program, Action& action);
void add_verify(CLI::App& program, Action& action);
void add_devices(CLI::App& program, Action& action);
void add_version(CLI::App& program, Action& action);

/// --trust-changed: a file of soma's is taken although it is not what soma wrote.
void add_trust(CLI::App& command, Changed& changed);

/// --max-macs and --int16-units.
void add_kernel_numbers(CLI::App& command, KernelOptions& options);

/// --preprocess and --classes: what the file of another tool does not say.
void add_reading(CLI::App& command, Reading& reading);

/// Prints the error as one line on stderr; its kind decides the status.
int complain(const Error& error);

}  // namespace soma::app
