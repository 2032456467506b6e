// a graph + what its inputs are like → steps in memory laid out once; inputs → outputs.
#include "graph/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "core/text.h"
#include "graph/compiler.h"
#include "graph/convert.h"
#include "graph/lowering.h"

namespace soma {
namespace {

constexpr std::size_t kAlignment = 64;

bool is_half(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

std::byte nothing;  // what an array without elements points to

/// Blocks of memory that are in use for a while, and those that are free again.
class Blocks {
 public:
  std::size_t take(std::size_t size) {
    size = (size + kAlignment - 1) / kAlignment * kAlignment;
    auto best = free_.end();
    for (auto at = free_.begin(); at != free_.end(); ++at)
      if (at->second >= size && (best == free_.end() || at->second < best->second)) best = at;
    if (best == free_.end()) {
      const std::size_t place = end_;
      end_ += size;
      return place;
    }
    const auto [place, had] = *best;
    free_.erase(best);
    if (had > size) free_.emplace(place + size, had - size);
    return place;
  }
  void give_back(std::size_t place, std::size_t size) {
    size = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (size == 0) return;
    const auto at = free_.emplace(place, size).first;
    if (const auto next = std::next(at); next != free_.end() && place + at->second == next->first) {
      at->second += next->second;
      free_.erase(next);
    }
    if (at == free_.begin()) return;
    if (const auto before = std::prev(at); before->first + before->second == at->first) {
      before->second += at->second;
      free_.erase(at);
    }
  }
  [[nodiscard]] std::size_t size() const { return end_; }

 private:
  std::map<std::size_t, std::size_t> free_;
  std::size_t end_ = 0;
};

}  // namespace

std::string told(const onnx::NodeProto& node, std::int64_t version) {
  const std::string& name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return fmt::format("operator {}{}{} '{}' of opset {}", node.domain(), node.domain().empty() ? "" : ".", node.op_type(), name,
                     version);
}

void execute(const Operator& row, const onnx::NodeProto& node, std::int64_t version, std::vector<Operand> in,
             std::vector<Operand> out) {
  std::vector<std::vector<float>> floats;
  std::vector<std::pair<Operand, Operand>> results;
  if (!row.moves) {
    floats.reserve(in.size() + out.size());
    const auto widened = [&](const Operand& half) {
      auto& room = floats.emplace_back(static_cast<std::size_t>(half.size()));
      return Operand{ElementType::f32, half.extents, room.empty() ? static_cast<void*>(&nothing) : room.data()};
    };
    for (Operand& each : in) {
      if (!each || !is_half(each.type)) continue;
      const Operand wide = widened(each);
      convert_half(each, wide);
      each = wide;
    }
    for (Operand& each : out) {
      if (!each || !is_half(each.type)) continue;
      const Operand half = std::exchange(each, widened(each));
      results.emplace_back(each, half);
    }
  }
  Call call(node, version, std::move(in), std::move(out));
  row.run(call);
  for (const auto& [wide, half] : results) convert_half(wide, half);
}

Result<Program> Program::compile(const Source& source, std::span<const TypedArray> inputs) {
  std::string problem;
  for (const bool everything : {false, true}) {
    Compiler compiler(source, inputs, everything);
    const auto wrong = [&](const std::string& what) {
      return Error{Error::Kind::data, one_line(fmt::format("{}: {}: {}", source.who, compiler.where, what))};
    };
    try {
      compiler.run();
      if (!everything && source.options.lower) Lowering(compiler.program, *source.model, source.options.threads).run();
      if (const auto laid_out = compiler.program.lay_out(source.who, source.options.most_bytes); !laid_out)
        return laid_out.error();
      return std::move(compiler.program);
    } catch (const Refusal& refusal) {
      return wrong(refusal.what);
    } catch (const Undecided& undecided) {
      if (everything) return wrong("wanted less than " + undecided.what);
    }
  }
  return Error{Error::Kind::data, source.who + ": wanted a graph that can be compiled"};
}

Result<void> Program::lay_out(const std::string& who, std::size_t most) {
  Blocks blocks;
  for (std::size_t i = 0; i < steps_.size(); ++i)
    for (const std::int64_t value : steps_[i].in)
      if (value >= 0) values_[static_cast<std::size_t>(value)].last_read = static_cast<std::int64_t>(i);
  for (const std::int64_t output : outputs_)
    values_[static_cast<std::size_t>(output)].last_read = static_cast<std::int64_t>(steps_.size());
  std::vector<std::vector<std::int64_t>> done(steps_.size() + 1);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    for (const std::int64_t out : steps_[i].out) {
      if (out < 0) continue;
      Value& value = values_[static_cast<std::size_t>(out)];
      const auto count = static_cast<std::size_t>(elements(value.known.extents));
      if (value.known.type == ElementType::string) {
        value.place = texts_.size();
        texts_.emplace_back(count);
      } else {
        value.place = blocks.take(count * element_bytes(value.known.type));
      }
      value.last_read = std::max(value.last_read, static_cast<std::int64_t>(i));
      done[static_cast<std::size_t>(value.last_read)].push_back(out);
      if (blocks.size() > most)
        return Error{Error::Kind::data,
                     fmt::format("{}: wanted a graph that fits {} bytes, got one of {} and more", who, most, blocks.size())};
    }
    for (const std::int64_t each : done[i]) {
      const Value& value = values_[static_cast<std::size_t>(each)];
      if (value.known.type != ElementType::string)
        blocks.give_back(value.place, static_cast<std::size_t>(elements(value.known.extents)) * element_bytes(value.known.type));
    }
  }
  try {
    memory_.resize(blocks.size() + kAlignment);
  } catch (const std::bad_alloc&) {
    return Error{Error::Kind::io, fmt::format("{}: wanted {} bytes of memory, got none", who, blocks.size())};
  }
  return {};
}

void* Program::data(std::int64_t value, std::span<const TypedArray> inputs) {
  Value& at = values_[static_cast<std::size_t>(value)];
  const bool text = at.known.type == ElementType::string;
  if (at.stored && text) return texts_[at.place].empty() ? static_cast<void*>(&nothing) : texts_[at.place].data();
  if (at.stored) {
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.data());
    return memory_.data() + ((kAlignment - base % kAlignment) % kAlignment) + at.place;
  }
  const TypedArray& array = at.input >= 0 ? inputs[static_cast<std::size_t>(at.input)] : *at.known.value;
  if (text && !array.strings.empty()) return const_cast<std::string*>(array.strings.data());
  if (!text && !array.bytes.empty()) return const_cast<std::byte*>(array.bytes.data());
  return &nothing;
}

Operand Program::operand(std::int64_t value, std::span<const TypedArray> inputs) {
  if (value < 0) return {};
  const Known& known = values_[static_cast<std::size_t>(value)].known;
  return {known.type, known.extents, data(value, inputs)};
}

bool Program::serves(std::span<const TypedArray> inputs) const {
  if (for_these_only_ || inputs.size() != expected_.size()) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Expected& expected = expected_[i];
    if (inputs[i].type != expected.type || inputs[i].extents != expected.extents) return false;
    if (expected.fixed && inputs[i].bytes != expected.bytes) return false;
  }
  return true;
}

std::int64_t Program::islands() const {
  return std::count_if(steps_.begin(), steps_.end(), [](const Step& step) { return step.island != nullptr; });
}

Result<std::vector<TypedArray>> Program::run(std::span<const TypedArray> inputs) {
  for (const Step& step : steps_) {
    if (step.island != nullptr) {
      const std::int64_t samples = values_[static_cast<std::size_t>(step.in[0])].known.extents[0];
      step.island->run(static_cast<float*>(data(step.in[0], inputs)), static_cast<float*>(data(step.out[0], inputs)), samples);
      continue;
    }
    std::vector<Operand> in, out;
    for (const std::int64_t value : step.in) in.push_back(operand(value, inputs));
    for (const std::int64_t value : step.out) out.push_back(operand(value, inputs));
    try {
      execute(*step.row, *step.node, step.version, std::move(in), std::move(out));
    } catch (const Refusal& refusal) {
      return Error{Error::Kind::data, one_line(fmt::format("{}: {}: {}", who_, told(*step.node, step.version), refusal.what))};
    }
  }
  std::vector<TypedArray> results(outputs_.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Known& known = values_[static_cast<std::size_t>(outputs_[i])].known;
    const void* from = data(outputs_[i], inputs);
    const auto count = static_cast<std::size_t>(elements(known.extents));
    results[i].type = known.type;
    results[i].extents = known.extents;
    if (known.type == ElementType::string) {
      const auto* words = static_cast<const std::string*>(from);
      results[i].strings.assign(words, words + count);
    } else {
      const auto* bytes = static_cast<const std::byte*>(from);
      results[i].bytes.assign(bytes, bytes + count * element_bytes(known.type));
    }
  }
  return results;
}

}  // namespace soma
