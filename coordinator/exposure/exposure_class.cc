#include "coordinator/exposure/exposure_class.h"

#include <algorithm>

namespace portolan {
namespace {

ExposureBarrier BarrierOf(const SubjectOutcome& outcome, std::span<const VantageView> views) {
  switch (outcome.symbol.reason) {
    case Reason::kPortUnreachable:
    case Reason::kProtoUnreachable:
      return ExposureBarrier::kHostFirewall;
    case Reason::kSelfConnect:
      return ExposureBarrier::kNotListening;
    case Reason::kConnRefused: {
      // Something listens at this address, so the RST was made by whoever keeps us out. At another
      // address of the same name it says nothing of this one.
      const bool open_to_others =
          std::any_of(views.begin(), views.end(), [&](const VantageView& v) {
            return v.outcome && IsOpen(v.outcome->symbol) && v.outcome->address == outcome.address;
          });
      return open_to_others ? ExposureBarrier::kHostFirewall : ExposureBarrier::kNotListening;
    }
    default:
      return ExposureBarrier::kNetwork;
  }
}

}  // namespace

std::string_view ExposureClassName(ExposureClass c) {
  switch (c) {
    case ExposureClass::kOpenEverywhere:
      return "open-everywhere";
    case ExposureClass::kOpenOnlyInside:
      return "open-only-inside";
    case ExposureClass::kOpenOnlyOutside:
      return "open-only-outside";
    case ExposureClass::kOpenFromSome:
      return "open-from-some";
    case ExposureClass::kNotOpen:
      return "not-open";
    case ExposureClass::kNotComparable:
      return "not-comparable";
  }
  return "unknown";
}

std::string_view ExposureBarrierName(ExposureBarrier b) {
  switch (b) {
    case ExposureBarrier::kNone:
      return "none";
    case ExposureBarrier::kNetwork:
      return "network";
    case ExposureBarrier::kHostFirewall:
      return "host-firewall";
    case ExposureBarrier::kNotListening:
      return "not-listening";
    case ExposureBarrier::kMixed:
      return "mixed";
  }
  return "unknown";
}

Comparison CompareVantages(std::span<const VantageView> views) {
  Comparison result;
  uint32_t open_by_side[2] = {0, 0}, looked_by_side[2] = {0, 0};
  for (const VantageView& v : views) {
    const int side = v.side == VantageRole::kOutside ? 1 : 0;
    if (!v.outcome || !IsObserved(v.outcome->symbol)) {
      ++result.unknown;
      continue;
    }
    ++looked_by_side[side];
    if (IsOpen(v.outcome->symbol)) {
      ++result.open;
      ++open_by_side[side];
      continue;
    }
    ++result.not_open;
    const ExposureBarrier barrier = BarrierOf(*v.outcome, views);
    if (result.barrier == ExposureBarrier::kNone) {
      result.barrier = barrier;
    } else if (result.barrier != barrier) {
      result.barrier = ExposureBarrier::kMixed;
    }
  }
  if (result.unknown > 0 || views.empty()) return result;
  if (result.open == 0) {
    result.exposure = ExposureClass::kNotOpen;
  } else if (result.not_open == 0) {
    result.exposure = ExposureClass::kOpenEverywhere;
  } else if (open_by_side[1] == 0 && looked_by_side[1] > 0) {
    result.exposure = ExposureClass::kOpenOnlyInside;
  } else if (open_by_side[0] == 0 && looked_by_side[0] > 0) {
    result.exposure = ExposureClass::kOpenOnlyOutside;
  } else {
    result.exposure = ExposureClass::kOpenFromSome;
  }
  return result;
}

}  // namespace portolan
