// a broken contract → an exception that names it.
#include "soma/error.h"

#include <fmt/format.h>

namespace soma {

void contract_failed(const char* condition, const char* file, int line) {
  throw ContractError(fmt::format("{}:{}: broken contract: {}", file, line, condition));
}

}  // namespace soma
