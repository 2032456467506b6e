// platforms + a job → seconds of ten sweeps by net, platform and batch size, measured or estimated from a part.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "lab/toynn/scripts.h"
#include "lab/toynn/soma_net.h"

namespace soma {

inline constexpr std::array<std::int64_t, 4> kToyBatches = {1, 3, 10, 100};
inline constexpr double kJobRows = 1200;  ///< the job: ten sweeps of 120 rows

// Platforms of this process.
inline constexpr const char *kLists = "C++, lists of lists", *kArrays = "C++, arrays", *kBlas = "BLAS",
                            *kOne = "soma, one thread", *kTeam = "soma, all threads";

/// How much to measure: seconds of a reading, and the longest batch worth waiting for.
struct Patience {
  double budget = 0, cap = 0;
};

/// Where a time stands in the tables: net, platform, whether it trains, batch.
using Place = std::tuple<ToySize, std::string, bool, std::int64_t>;

struct JobTimes {
  std::map<Place, double> seconds;                                 ///< of the job
  std::map<Place, double> rows;                                    ///< rows of the 1200 that were really measured
  std::map<std::pair<ToySize, std::string>, std::string> reasons;  ///< why a platform is not here

  [[nodiscard]] std::optional<double> at(ToySize size, const std::string& platform, bool train, std::int64_t batch) const {
    const auto place = seconds.find({size, platform, train, batch});
    return place == seconds.end() ? std::nullopt : std::optional(place->second);
  }
};

/// A platform of this process for one batch size, at the published rate.
Result<std::unique_ptr<ToyPlatform>> make_platform(const std::string& name, const ToySetting& setting, std::int64_t batch,
                                                   int threads);

/// Goes through the rows batch by batch, again and again. Borrows the platform.
class Walk {
 public:
  Walk(ToyPlatform& platform, std::int64_t count, std::int64_t batch, bool train)
      : platform_(platform), count_(count), batch_(batch), train_(train), y_(static_cast<std::size_t>(batch)) {}
  /// The next batch; its rows.
  std::int64_t next();

 private:
  ToyPlatform& platform_;
  std::int64_t count_, batch_, at_ = 0;
  bool train_;
  std::vector<float> y_;
};

/// Every batch size, trained and predicted, into `times`. What is not on this machine leaves its reason there.
Result<void> time_platform(JobTimes& times, ToySize size, const std::string& name, const ToySetting& setting, int threads,
                           const Patience& patience);
void time_script(JobTimes& times, ToySize size, const std::string& name, Language language, const ToySetting& setting,
                 const ScriptDirectory& scripts, const Patience& patience);

}  // namespace soma
