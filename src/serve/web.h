// the files of src/serve/web → what the server hands to browsers, compiled into the program.
#pragma once

#include <span>
#include <string_view>

namespace soma {

struct WebFile {
  std::string_view name, content_type, contents;
};

/// All of them. Written at build time by cmake/embed_web.cmake.
std::span<const WebFile> web_files();

/// The one of that name, or null.
inline const WebFile* web_file(std::string_view name) {
  for (const WebFile& file : web_files())
    if (file.name == name) return &file;
  return nullptr;
}

}  // namespace soma
