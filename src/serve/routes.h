// a method and a path → who answers, and what that takes: all that can be asked, in one list.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "serve/http.h"

namespace soma {

class Service;

/// One line of the list. Segments of the pattern in braces stand for any text: {name} and {version} go to http::Asked.
struct Route {
  enum Trait : unsigned {
    open = 1,           ///< asked without a token: probes have no secrets, and the page asks for one
    control = 2,        ///< changes what is served: needs --control, and no page of another origin may ask
    other_origins = 4,  ///< pages of other origins may ask, and read the answer
    model = 8,          ///< {name} is a model that is served now
    samples = 16,       ///< takes bodies up to --max-body; others take little
  };
  http::Method method = http::Method::get;  ///< get stands for HEAD, too
  std::string_view pattern;
  void (*answer)(Service& service, http::Exchange& exchange) = nullptr;
  unsigned traits = 0;
  [[nodiscard]] bool is(Trait trait) const { return (traits & trait) != 0; }
};

std::span<const Route> routes();

/// What the target of a request leads to.
struct Destination {
  const Route* route = nullptr;  ///< none: nothing is there, or not with this method
  std::string allow;             ///< the methods of what is there, when route is none or the method is OPTIONS
  bool malformed = false;        ///< an escape that is none
  bool other_origins = false;
};

/// Fills asked.name and version with views into the target, or into asked.path where escapes had to be decoded. Escapes are
/// decoded after the path was cut at its slashes; a slash at the end says nothing.
Destination find_route(const http::Head& head, http::Asked& asked);

}  // namespace soma
