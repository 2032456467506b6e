// counters of all threads → the text Prometheus reads.
#pragma once

#include <string>

namespace soma {

struct Serving;

/// Exposition format 0.0.4. Sums are taken while the threads go on: families may be a request apart.
std::string metrics_text(const Serving& serving);

}  // namespace soma
