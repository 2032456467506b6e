# files of any kind → one C++ file that defines web_files(). Called with -DOUT=FILE -DFILES=a.html,b.js.
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(entries "")
set(number 0)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  get_filename_component(kind ${file} LAST_EXT)
  if(kind STREQUAL ".html")
    set(type "text/html; charset=utf-8")
  elseif(kind STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  elseif(kind STREQUAL ".css")
    set(type "text/css; charset=utf-8")
  elseif(kind STREQUAL ".svg")
    set(type "image/svg+xml")
  elseif(kind STREQUAL ".png")
    set(type "image/png")
  else()
    message(FATAL_ERROR "embed_web: ${name} is of no known kind; add its content type here")
  endif()
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${bytes}")
  # Literals of 1000 bytes each: compilers have limits, and an array of numbers would be slow to compile.
  string(LENGTH "${bytes}" length)
  math(EXPR size "${length} / 4")
  set(text "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${bytes}" ${at} 4000 piece)
    string(APPEND text "\n    \"${piece}\"")
    math(EXPR at "${at} + 4000")
  endwhile()
  string(APPEND arrays "constexpr char file_${number}[] =${text};\n")
  string(APPEND entries "    {\"${name}\", \"${type}\", {file_${number}, ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// src/serve/web/* → bytes in the program. Written by cmake/embed_web.cmake.
#include \"serve/web.h\"

#include <array>

namespace soma {
namespace {

${arrays}
}  // namespace

std::span<const WebFile> web_files() {
  static constexpr auto files = std::to_array<WebFile>({
${entries}  });
  return files;
}

}  // namespace soma
")
