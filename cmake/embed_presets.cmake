# presets/*.toml → one C++ file that defines preset_texts(). Called with -DOUT=FILE -DFILES=a.toml,b.toml.
string(REPLACE "," ";" files "${FILES}")
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"preset(${text})preset\"},\n")
endforeach()
file(WRITE ${OUT} "// presets/*.toml → text in the program. Written by cmake/embed_presets.cmake.
#include \"train/presets.h\"

#include <array>

namespace soma {

std::span<const PresetText> preset_texts() {
  static constexpr auto texts = std::to_array<PresetText>({
${entries}  });
  return texts;
}

}  // namespace soma
")
