// a program and its arguments → what it printed, or why it could not.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "soma/error.h"

namespace soma {

/// Looks `arguments[0]` up in $PATH, runs it without input, and waits. Its standard error goes nowhere. A program that is not
/// there is Error::unavailable, one that fails is Error::io.
[[nodiscard]] Result<std::string> run_command(const std::vector<std::string>& arguments);

/// Starts it, standard output and error going nowhere.
[[nodiscard]] Result<pid_t> start_command(const std::vector<std::string>& arguments);

}  // namespace soma
