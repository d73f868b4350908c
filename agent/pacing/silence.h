#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace portolan {

// When silence is believed: once all tries that were asked for are made, and the chance that all of
// them were lost is below 10^-2.5 (10^-3 at a host that answers most), as far as losses there were
// proven. Pure.
class Silence {
 public:
  // What one more silent try says, where this share is lost: -log10 of the chance that it was. To
  // be added up over the tries of a port. Fewer than 2 % are never said to be lost.
  static float Certainty(double loss) {
    return static_cast<float>(-std::log10(std::clamp(loss, kLeastLoss, kMostLoss)));
  }
  // `certainty`: the sum over the tries made. `answer_odds`: how many times as likely an answer is
  // there as silence, apart from this port (Bayes): where a host answers nearly everything, one
  // silent port is rather a lost one, and is asked once more. `grants`: how often the position was
  // owed and granted again; each makes silence easier to believe, so that no scan goes on for ever.
  static bool IsBelieved(float certainty, uint32_t retries_asked, double answer_odds,
                         uint32_t grants) {
    const double try_says = -std::log10(kLeastLoss);
    const double odds = retries_asked == 0 ? 0 : std::clamp(std::log10(answer_odds), 0.0, try_says);
    const double certain = odds > 0 ? kCertainWhereAnswered : kCertain;
    const double enough = std::min(certain, try_says * (retries_asked + 1)) + odds - 1e-3;
    const double doubting = 1 - std::min(grants, kDoubtingGrants) / double{kDoubtingGrants};
    return certainty >= enough * doubting;
  }

 private:
  // One try more costs little where few ports are silent.
  static constexpr double kCertain = 2.5, kCertainWhereAnswered = 3;
  static constexpr double kLeastLoss = 0.02, kMostLoss = 0.95;
  static constexpr uint32_t kDoubtingGrants = 4;
};

}  // namespace portolan
