// counters of all threads → the text Prometheus reads.
#pragma once

#include "serve/http.h"

namespace soma {

struct Serving;

/// Exposition format 0.0.4. Sums are taken while the threads go on: families may be a request apart.
void send_metrics(const Serving& serving, http::Exchange& exchange);

}  // namespace soma
