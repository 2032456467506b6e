// what is served and how it fares → the JSON of the protocol and of the page: health, metadata, configuration, statistics, state.
#pragma once

#include <string_view>

#include "serve/http.h"

namespace soma {

struct Serving;
struct ServedVersion;

/// {"error":"…"}.
void send_error(http::Exchange& exchange, int status, std::string_view message, std::string_view fields = {});
void send_json(http::Exchange& exchange, std::string_view json, int status = 200);

void describe_health(Serving& serving, http::Exchange& exchange);
void describe_server(http::Exchange& exchange);
void describe_model(const ServedVersion& version, http::Exchange& exchange);
void describe_ready(const ServedVersion& version, http::Exchange& exchange);
void describe_configuration(const Serving& serving, const ServedVersion& version, http::Exchange& exchange);
/// Of one version, one model or all, as exchange.asked says.
void describe_statistics(Serving& serving, http::Exchange& exchange);
/// The repository's index; the body may ask for models that are ready only.
void describe_repository(Serving& serving, http::Exchange& exchange);
/// Machine, process and models, for a page that asks every second.
void describe_status(Serving& serving, http::Exchange& exchange);

}  // namespace soma
