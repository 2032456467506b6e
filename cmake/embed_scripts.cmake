# bench/toynn/* → one C++ file that defines toynn_scripts(). Called with -DOUT=FILE -DFILES=a.py,b.go.
string(REPLACE "," ";" files "${FILES}")
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"script(${text})script\"},\n")
endforeach()
file(WRITE ${OUT} "// bench/toynn/* → text in the program. Written by cmake/embed_scripts.cmake.
#include \"lab/toynn/scripts.h\"

#include <array>

namespace soma {

std::span<const Script> toynn_scripts() {
  static constexpr auto texts = std::to_array<Script>({
${entries}  });
  return texts;
}

}  // namespace soma
")
