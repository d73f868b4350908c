#include "coordinator/control/scan_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr double kYear = 365.25 * 86'400;
constexpr uint128 kLoopbackV4 = uint128{127} << 24;

// The limits on targets do not hold there.
bool IsLoopback(const IpRange& r) {
  return r.first.is_v6()
             ? r.first.value() == 1 && r.last.value() == 1
             : r.first.value() >= kLoopbackV4 && r.last.value() < kLoopbackV4 + (uint128{1} << 24);
}

// The most addresses of a set that are in one /24 or /64, those of loopback aside.
double MostInOnePrefix(const IpSet& addresses) {
  double most = 0, current = 0;
  bool any = false, v6 = false;
  uint128 prefix = 0;  // that `current` counts
  const auto add = [&](bool is_v6, uint128 which, double n) {
    if (!any || is_v6 != v6 || which != prefix) current = 0;
    any = true;
    v6 = is_v6;
    prefix = which;
    current += n;
    most = std::max(most, current);
  };
  for (const IpRange& r : addresses.ranges()) {
    if (IsLoopback(r)) continue;
    const bool is_v6 = r.first.is_v6();
    const int bits = is_v6 ? 64 : 8;
    const uint128 first = r.first.value() >> bits, last = r.last.value() >> bits;
    const uint128 size = uint128{1} << bits;
    if (first == last) {
      add(is_v6, first, static_cast<double>(r.last.value() - r.first.value()) + 1);
      continue;
    }
    add(is_v6, first, static_cast<double>(((first + 1) << bits) - r.first.value()));
    if (last - first > 1) add(is_v6, first + 1, static_cast<double>(size));
    add(is_v6, last, static_cast<double>(r.last.value() - (last << bits)) + 1);
  }
  return most;
}

bool OnlyLoopback(const IpSet& addresses) {
  return std::all_of(addresses.ranges().begin(), addresses.ranges().end(), IsLoopback);
}

// Of the vantages that may help, or of one lane's.
double RateOf(const std::vector<std::string>& vantages, const FleetPace& fleet) {
  double sum = 0;
  if (vantages.empty()) {
    for (const auto& [vantage, rate] : fleet) sum += rate;
  }
  for (const std::string& vantage : vantages) {
    const auto found = fleet.find(vantage);
    sum += found == fleet.end() ? kAssumedAgentRate : found->second;
  }
  return sum > 0 ? sum : kAssumedAgentRate;
}

}  // namespace

ScanEstimate EstimateScan(const ScanSpec& spec, const FleetPace& fleet) {
  const auto positions = static_cast<double>(spec.space->size());
  const bool each = spec.mode == ScanMode::kEachVantage;
  ScanEstimate out;
  out.probes = positions * (each ? static_cast<double>(spec.vantages.size()) : 1);
  const auto consider = [&](double probes, double rate, std::string_view limit) {
    if (rate <= 0 || probes / rate <= out.seconds) return;
    out.seconds = probes / rate;
    out.rate = rate;
    out.limit = limit;
  };
  if (each) {
    for (const std::string& vantage : spec.vantages)
      consider(positions, RateOf({vantage}, fleet), "from the agents of " + vantage);
  } else {
    consider(positions, RateOf(spec.vantages, fleet), "from the agents");
  }
  consider(out.probes, spec.max_rate, "of the whole scan (max_rate)");
  // Lanes divide the limits on targets among them.
  const double lanes = positions > 0 ? out.probes / positions : 1;
  for (const Block& block : spec.space->blocks()) {
    const double ports = block.ports.size() * lanes;
    if (!OnlyLoopback(block.addresses))
      consider(ports, spec.timing.address_rate, "to one address (address_rate)");
    if (spec.timing.prefix_rate > 0) {
      consider(MostInOnePrefix(block.addresses) * ports, spec.timing.prefix_rate,
               "to one /24 or /64 (prefix_rate)");
    }
  }
  return out;
}

std::string YearsText(double seconds) {
  const double years = seconds / kYear;
  if (years < 9.95) return fmt::format("{:.1f} years", years);
  if (years < 1e6) return fmt::format("{:.0f} years", years);
  if (years < 1e9) return fmt::format("{:.3g} million years", years / 1e6);
  return fmt::format("{:.3g} billion years", years / 1e9);
}

absl::Status CheckLength(const ScanSpec& spec, const FleetPace& fleet, bool allow_long) {
  if (allow_long) return absl::OkStatus();
  const ScanEstimate estimate = EstimateScan(spec, fleet);
  if (estimate.seconds <= kYear) return absl::OkStatus();
  return FailedPrecondition(
      "the scan would take at least {}: {:.3g} probes, at {:.6g} a second {}; scan fewer addresses "
      "or ports, or say that it is meant, with --yes (allow_long in the API)",
      YearsText(estimate.seconds), estimate.probes, estimate.rate, estimate.limit);
}

}  // namespace portolan
