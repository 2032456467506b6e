// an int8 model → bytecode and image → maps and a program in the kernel, held against the interpreter.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "inkernel/layout.h"
#include "inkernel/packet.h"
#include "inkernel/system.h"
#include "soma/kernel.h"

namespace soma::bpf {

struct Compiled {
  IntegerProgram program;
  InputTables tables;
  Prepared prepared;
  Code code;
  std::uint32_t tag = 0;
  std::string name;
  std::int64_t streams = 0;  ///< 0: it has no map of them
};

/// Everything but the code, with raw values at `raw` of the scratch. Fails in one line on models and options that no program can
/// be made for.
[[nodiscard]] Result<Compiled> prepare_model(const Model& model, const KernelOptions& options, std::int64_t raw);
/// How a program for this kernel is made.
Form form_of(const KernelOptions& options);
/// The whole XDP program.
[[nodiscard]] Result<Compiled> compile(const Model& model, const KernelOptions& options, bool image_beside = false);

/// The model's tag, name and code into its image, where a prepared one has room for them.
void seal(Compiled& made, Code code);

/// What the kernel holds of one model. Sources and counters outlive it where another model takes its place.
struct Loaded {
  Descriptor inner, outer, scratch, buckets, counters, streams, program;
};
[[nodiscard]] Result<Loaded> load_into_kernel(const Compiled& compiled, const Code& code);
/// The same, with another's map of sources and counters.
[[nodiscard]] Result<Loaded> load_into_kernel(const Compiled& compiled, const Code& code, Descriptor buckets,
                                              Descriptor counters);

/// One question through the program (BPF_PROG_TEST_RUN), which has to answer it.
[[nodiscard]] Result<KernelAnswer> ask_program(const Descriptor& program, std::uint16_t port, const Layout& layout,
                                               ValueType type, std::span<const std::uint8_t> values);

/// 100 random samples through the program and through the interpreter: fails where they differ.
[[nodiscard]] Result<void> check(const Compiled& compiled, const Descriptor& program, std::uint16_t port);

}  // namespace soma::bpf
