// statuses and messages → the words HTTP and its clients expect.
#include <algorithm>

#include "serve/http.h"
#include "serve/json_text.h"

namespace soma::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Takes `"…"` off the front of the text; nothing when it does not end.
std::optional<std::string> quoted(std::string_view& text) {
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return text.remove_prefix(i + 1), value;
    const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    value += text[escape ? ++i : i];
  }
  return std::nullopt;
}

}  // namespace

bool is_token(char c) {
  const char letter = lower(c);
  return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::map<std::string, std::string>> parameters(std::string_view field) {
  std::map<std::string, std::string> found;
  field.remove_prefix(std::min(field.find(';'), field.size()));
  while (!field.empty()) {
    if (field.front() != ';') return std::nullopt;
    field = trimmed(field.substr(1));
    if (field.empty() || field.front() == ';') continue;
    const auto end_of_token = [&] { return std::find_if_not(field.begin(), field.end(), is_token) - field.begin(); };
    std::string name(field.substr(0, static_cast<std::size_t>(end_of_token())));
    std::transform(name.begin(), name.end(), name.begin(), lower);
    field.remove_prefix(name.size());
    if (name.empty() || !field.starts_with('=')) return std::nullopt;
    field.remove_prefix(1);
    std::optional<std::string> value;
    if (field.starts_with('"')) {
      value = quoted(field);
    } else {
      value = field.substr(0, static_cast<std::size_t>(end_of_token()));
      field.remove_prefix(value->size());
      if (value->empty()) return std::nullopt;
    }
    if (!value || !found.emplace(std::move(name), std::move(*value)).second) return std::nullopt;
    field = trimmed(field);
  }
  return found;
}

bool accepts(std::string_view field, std::string_view type) {
  while (!field.empty()) {
    const std::string_view entry = field.substr(0, field.find(','));
    field.remove_prefix(std::min(field.size(), entry.size() + 1));
    if (!same_word(trimmed(entry.substr(0, entry.find(';'))), type)) continue;
    const auto said = parameters(entry);
    return !said || !said->contains("q") || said->at("q").find_first_not_of("0.") != std::string::npos;
  }
  return false;
}

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

void append_error(Buffer& body, std::string_view message) {
  body.append("{\"error\":");
  append_json(body, message);
  body.append('}');
}

}  // namespace soma::http
