// a body of multipart/form-data → its parts (RFC 7578).
#include "serve/form_body.h"

#include "serve/http.h"

namespace soma {
namespace {

constexpr std::size_t kMostParts = 1000;

Error wrong(const char* what) { return {Error::Kind::data, what}; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The value of a parameter behind a semicolon: `a; name=x` or `a; name="x y"`. Escapes in quotes are left as they are.
std::string_view parameter(std::string_view field, std::string_view name) {
  for (std::size_t at = field.find(';'); at != std::string_view::npos && at < field.size();) {
    field.remove_prefix(at + 1);
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) return {};
    const bool same = http::same_word(trimmed(field.substr(0, equals)), name);
    field.remove_prefix(equals + 1);
    std::string_view value = field.substr(0, field.find(';'));
    at = value.size();
    if (trimmed(field).starts_with('"')) {
      const std::size_t open = field.find('"'), close = field.find('"', open + 1);
      if (close == std::string_view::npos) return {};
      value = field.substr(open + 1, close - open - 1);
      at = field.find(';', close);
    }
    if (same) return trimmed(value);
  }
  return {};
}

void read_fields(std::string_view head, FormPart& part) {
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), end + 2));
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(std::min(line.size(), colon + 1)));
    if (http::same_word(name, "content-disposition")) part.name = parameter(value, "name");
    if (http::same_word(name, "content-type")) part.content_type = value;
  }
}

}  // namespace

Result<std::vector<FormPart>> form_parts(std::string_view body, std::string_view content_type) {
  const std::string_view boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) return wrong("wanted a boundary of 1 to 70 characters in Content-Type, got none");
  const std::string delimiter = "\r\n--" + std::string(boundary);
  // The first delimiter may stand at the very beginning, without the end of a line before it.
  std::size_t at = body.starts_with(std::string_view(delimiter).substr(2)) ? delimiter.size() - 2 : body.find(delimiter);
  if (at == std::string_view::npos) return wrong("wanted a form with its boundary, found none");
  if (!body.starts_with(std::string_view(delimiter).substr(2))) at += delimiter.size();
  std::vector<FormPart> parts;
  for (;;) {
    std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) break;
    while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
    if (!rest.starts_with("\r\n")) return wrong("wanted the end of a line behind a form's boundary");
    const std::size_t next = rest.find(delimiter);
    if (next == std::string_view::npos) return wrong("wanted a form that ends with its boundary, got one cut off");
    const std::string_view whole = rest.substr(0, next);
    const std::size_t head = whole.find("\r\n\r\n");
    if (head == std::string_view::npos) return wrong("wanted an empty line behind a part's fields, found none");
    if (parts.size() == kMostParts) return wrong("wanted at most 1000 parts in a form, got more");
    FormPart& part = parts.emplace_back();
    read_fields(whole.substr(0, head), part);
    part.body = whole.substr(head + 4);
    at = body.size() - rest.size() + next + delimiter.size();
  }
  if (parts.empty()) return wrong("wanted a form with a part, got none");
  return parts;
}

}  // namespace soma
