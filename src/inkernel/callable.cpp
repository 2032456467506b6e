// a Layout → a function that any BPF program may call, and the C that declares it.
#include "inkernel/callable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <system_error>

#include "core/file.h"
#include "inkernel/compiled.h"
#include "inkernel/emitter.h"

namespace soma::bpf {
namespace {

const char* c_type(ValueType type) { return type == ValueType::byte ? "__u8" : type == ValueType::int16 ? "__s16" : "__u32"; }

}  // namespace

Callable make_callable(const Prepared& prepared, ValueType type) {
  const Layout& layout = prepared.layout;
  Callable made;
  made.image = prepared.image;
  made.type = type;
  made.values = layout.inputs;
  made.outputs = layout.outputs;
  made.loops_at = (4 + 4 * layout.outputs + 7) / 8 * 8;
  made.values_at = made.loops_at + kCallableRaw;
  made.memory_at = made.values_at + (message::bytes_of(type) * layout.inputs + 7) / 8 * 8;
  made.size = made.loops_at + layout.scratch;

  Assembler code;
  const auto failed = code.label();
  code.jump(Jump::eq, r1, 0, failed);  // a global function's pointer may be null
  code.mov(r6, r1);
  code.add(r6, static_cast<std::int32_t>(made.loops_at));
  code.map(r7, Map::image);
  Emitter network(code, layout, failed);
  network.inputs(type);
  network.network();
  for (std::int64_t i = 0; i < layout.outputs; ++i) {
    code.load(Size::word, r1, r6, layout.sums + 8 * i);
    code.store(Size::word, r6, 4 + 4 * i - made.loops_at, r1);
  }
  code.load(Size::dword, r0, r6, layout.best);
  code.alu(Alu::bit_xor, r0, -1);
  code.alu(Alu::bit_and, r0, 0xffff);
  code.store(Size::word, r6, -made.loops_at, r0);
  const auto end = code.label();
  code.go(end);
  code.place(failed);
  code.mov(r0, -1);
  code.place(end);
  code.exit();  // the only one, so that the words before it can stand in C
  made.code = code.finish();
  return made;
}

std::string c_header(const Callable& callable, const std::string& model) {
  std::string name;  // that no comment ends with
  std::copy_if(model.begin(), model.end(), std::back_inserter(name), [](char c) { return c >= ' ' && c != '*' && c != '/'; });
  std::string text = fmt::format(
      R"(// {0}: a network in 8 bits as a function for BPF programs, Linux 6.9 or newer. Written by soma export --to bpf.
//
//   int soma_predict(struct soma_args *);
//
// reads values, writes label and outputs, and returns the label, or -1 for a null pointer. The struct is all its memory: keep it in a
// map, one for each processor and kind of program (BPF_MAP_TYPE_PERCPU_ARRAY), so that nobody interrupts a run with another.
//
// Include <linux/types.h> or vmlinux.h before. With SOMA_LINKED defined the function is only declared, and {0}.bpf.o has it:
//   bpftool gen object program.o yours.o {0}.bpf.o
#pragma once

struct soma_args {{
  __s32 label;          // out: index of the greatest output, the first of equal ones
  __u32 outputs[{1}];   // out: floats of IEEE 754, as their bits
  __u64 loops[{2}];     // the function's own
  {3} values[{4}];      // in: {5}
  __u8 memory[{6}] __attribute__((aligned(8)));  // the function's own
}};

#ifdef SOMA_LINKED
extern int soma_predict(struct soma_args *arguments);
#else
static __u64 soma_image[] __attribute__((section("{7}"), aligned(8))) = {{
)",
      name, callable.outputs, kCallableRaw / 8, c_type(callable.type), callable.values,
      callable.type == ValueType::byte    ? "raw samples as bytes, rows, columns, channels"
      : callable.type == ValueType::int16 ? "raw samples, each a number of --int16-units-ths"
                                          : "raw samples, floats of IEEE 754 as their bits",
      callable.size - callable.memory_at, kImageSection);
  const auto word = [](const auto* bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  };
  for (std::size_t i = 0; i < callable.image.size(); i += 8)
    text += fmt::format("{:#x},{}", word(&callable.image[i]), i % 64 == 56 ? "\n" : " ");
  text +=
      "\n};\n\n__attribute__((noinline)) int soma_predict(struct soma_args *arguments) {\n"
      "  register struct soma_args *from asm(\"r1\") = arguments;\n  register int label asm(\"r0\");\n  asm volatile(\n";
  const std::vector<Instruction>& code = callable.code.instructions;
  for (std::size_t i = 0; i + 1 < code.size(); ++i) {  // the exit is the compiler's
    if (i == callable.code.maps.front()) {
      text += "    \"r7 = %[image] ll;\"\n";
      ++i;
      continue;
    }
    text += fmt::format("    \".8byte {:#x};\"\n", word(&code[i]));
  }
  return text +
         "    : \"=r\"(label), \"+r\"(from)\n    : [image] \"i\"(soma_image)\n"
         "    : \"r2\", \"r3\", \"r4\", \"r5\", \"r6\", \"r7\", \"r8\", \"r9\", \"memory\");\n  return label;\n}\n#endif\n";
}

}  // namespace soma::bpf

namespace soma {

Result<void> write_bpf(const Model& model, const std::filesystem::path& directory, const std::string& name,
                       const BpfOptions& options) {
  const auto compiled =
      bpf::prepare_model(model, {.max_products = options.max_products, .int16_units = options.int16_units}, bpf::kCallableRaw);
  if (!compiled) return compiled.error();
  const bpf::Callable callable = bpf::make_callable(compiled->prepared, options.type);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Error{Error::Kind::io, fmt::format("export: {}: {}; try another --out", directory.string(), error.message())};
  if (const auto written = write_file(directory / (name + ".bpf.h"), bpf::c_header(callable, name)); !written)
    return written.error();
  const auto write = [&](const char* kind, const std::vector<std::uint8_t>& object) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(object));
    return write_file(directory / (name + kind), std::span(&bytes, 1));
  };
  if (const auto written = write(".bpf.o", bpf::elf_object(callable)); !written) return written.error();
  const auto whole = bpf::compile(model,
                                  {.port = options.port,
                                   .max_products = options.max_products,
                                   .int16_units = options.int16_units,
                                   .loops = KernelLoops::may_goto},
                                  true);
  if (!whole) return whole.error();
  return write(".xdp.o", bpf::xdp_object(*whole));
}

}  // namespace soma
