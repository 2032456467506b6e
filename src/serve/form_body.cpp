// a body of multipart/form-data → its parts (RFC 7578).
#include "serve/form_body.h"

#include <algorithm>
#include <cstddef>

#include "serve/http.h"

namespace soma {
namespace {

constexpr std::size_t kMostParts = 1000;

Error wrong(const char* what) { return {Error::Kind::data, what}; }

/// What a boundary may hold (RFC 2046, 5.1.1).
bool is_boundary(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

Result<void> read_fields(std::string_view head, FormPart& part) {
  bool named = false, typed = false;
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), end + 2));
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos ||
        !std::all_of(line.begin(), line.begin() + std::ptrdiff_t(colon), http::is_token))
      return wrong("wanted 'Name: value' in the fields of a form's part, got something else");
    const std::string_view name = line.substr(0, colon), value = http::trimmed(line.substr(colon + 1));
    if (http::same_word(name, "content-disposition")) {
      const auto said = http::parameters(value);
      const std::string_view kind = http::trimmed(value.substr(0, value.find(';')));
      if (named || !said || !http::same_word(kind, "form-data") || !said->contains("name"))
        return wrong("wanted 'Content-Disposition: form-data; name=\"…\"' once in a part, got something else");
      part.name = said->at("name");
      named = true;
    } else if (http::same_word(name, "content-type")) {
      if (typed) return wrong("wanted one Content-Type in a form's part, got two");
      part.content_type = value;
      typed = true;
    } else if (http::same_word(name, "content-transfer-encoding") && !http::same_word(value, "binary") &&
               !http::same_word(value, "8bit") && !http::same_word(value, "7bit")) {
      return wrong("wanted a form's part as it is, got a Content-Transfer-Encoding");
    }
  }
  if (!named) return wrong("wanted 'Content-Disposition: form-data; name=\"…\"' in each part, got none");
  return {};
}

}  // namespace

Result<std::vector<FormPart>> form_parts(std::string_view body, std::string_view content_type) {
  const auto said = http::parameters(content_type);
  if (!said) return wrong("wanted each parameter of Content-Type once, got it twice or malformed");
  const auto found = said->find("boundary");
  if (found == said->end()) return wrong("wanted a boundary in Content-Type, got none");
  const std::string& boundary = found->second;
  if (boundary.empty() || boundary.size() > 70 || boundary.ends_with(' ') ||
      !std::all_of(boundary.begin(), boundary.end(), is_boundary))
    return wrong("wanted a boundary of 1 to 70 letters, digits and '()+_,-./:=?, got another");
  const std::string delimiter = "\r\n--" + boundary;
  // The first delimiter may stand at the very beginning, without the end of a line before it.
  std::size_t at = body.starts_with(std::string_view(delimiter).substr(2)) ? delimiter.size() - 2 : body.find(delimiter);
  if (at == std::string_view::npos) return wrong("wanted a form with its boundary, found none");
  if (!body.starts_with(std::string_view(delimiter).substr(2))) at += delimiter.size();
  std::vector<FormPart> parts;
  for (;;) {
    std::string_view rest = body.substr(at);
    const bool last = rest.starts_with("--");
    if (last) rest.remove_prefix(2);
    while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
    if (last && (rest.empty() || rest.starts_with("\r\n"))) break;
    if (last || !rest.starts_with("\r\n")) return wrong("wanted the end of a line behind a form's boundary");
    const std::size_t next = rest.find(delimiter);
    if (next == std::string_view::npos) return wrong("wanted a form that ends with its boundary, got one cut off");
    const std::string_view whole = rest.substr(0, next);
    const std::size_t head = whole.find("\r\n\r\n");
    if (head == std::string_view::npos) return wrong("wanted an empty line behind a part's fields, found none");
    if (parts.size() == kMostParts) return wrong("wanted at most 1000 parts in a form, got more");
    FormPart& part = parts.emplace_back();
    if (const auto fields = read_fields(whole.substr(0, head), part); !fields) return fields.error();
    part.body = whole.substr(head + 4);
    at = body.size() - rest.size() + next + delimiter.size();
  }
  if (parts.empty()) return wrong("wanted a form with a part, got none");
  return parts;
}

}  // namespace soma
