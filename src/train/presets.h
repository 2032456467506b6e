// presets/*.toml → text in the program; cmake/embed_presets.cmake writes the definition.
#pragma once

#include <span>
#include <string_view>

namespace soma {

struct PresetText {
  std::string_view name, toml;
};

/// Sorted by name.
std::span<const PresetText> preset_texts();

}  // namespace soma
