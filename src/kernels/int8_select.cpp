// this processor → the tables of 8-bit kernels it can run, and the one that goes with a target.
#include <deque>
#include <vector>

#include "kernels/int8_targets.h"
#include "kernels/targets.h"

namespace soma {
namespace {

struct Tables {
  std::deque<Int8Kernels> filled;
  std::vector<const Int8Kernels*> usable;

  Tables() {
    for_each_simd_target([this](std::int64_t target, const char* name) {
      Int8Kernels& table = filled.emplace_back(reference_int8_kernels());
      table.target = name;
      fill_int8(target, table);
      usable.push_back(&table);
    });
    if (const Int8Kernels* vnni = vnni_int8_kernels(); vnni != nullptr && !usable.empty()) {
      Int8Kernels& table = filled.emplace_back(*vnni);
      table.quantize = usable.front()->quantize;
      usable.insert(usable.begin(), &table);
    }
    usable.push_back(&reference_int8_kernels());
  }
};

}  // namespace

std::span<const Int8Kernels* const> usable_int8_kernels() {
  static const Tables tables;
  return tables.usable;
}

const Int8Kernels& int8_kernels_for(std::string_view target) {
  // "avx512" stands for that and its extensions: they change the speed, not a bit.
  for (const Int8Kernels* table : usable_int8_kernels())
    if (std::string_view(table->target).starts_with(target)) return *table;
  return reference_int8_kernels();
}

}  // namespace soma
