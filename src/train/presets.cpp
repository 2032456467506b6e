// a preset's name → the Config that was compiled into the program from presets/.
#include "train/presets.h"

#include <fmt/format.h>

#include "core/text.h"
#include "soma/config.h"

namespace soma {

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const PresetText& entry : preset_texts()) names.emplace_back(entry.name);
  return names;
}

Result<Config> preset(std::string_view name) {
  for (const PresetText& entry : preset_texts())
    if (entry.name == name) return parse_config(entry.toml, fmt::format("presets/{}.toml", name));
  const std::vector<std::string> names = preset_names();
  return Error{Error::Kind::usage, fmt::format("unknown preset '{}'{}", name, suggestion(name, names))};
}

}  // namespace soma
