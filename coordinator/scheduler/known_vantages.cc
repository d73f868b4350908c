#include "coordinator/scheduler/known_vantages.h"

#include <algorithm>

#include "common/base/nearest.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kMostNamed = 20;

}  // namespace

void KnownVantages::Restore(const std::vector<KnownVantage>& stored) {
  for (const KnownVantage& v : stored) {
    if (vantages_.size() == kMost) return;
    vantages_[v.name] = {v.last_seen, v.last_seen};
  }
}

KnownVantages::Noted KnownVantages::Note(const std::string& name, WallTime now) {
  Noted out;
  auto it = vantages_.find(name);
  if (it == vantages_.end()) {
    if (vantages_.size() >= kMost) {
      const auto oldest = std::min_element(
          vantages_.begin(), vantages_.end(),
          [](const auto& a, const auto& b) { return a.second.last_seen < b.second.last_seen; });
      if (now - oldest->second.last_seen < kSettled) return out;
      out.forget = oldest->first;
      vantages_.erase(oldest);
    }
    vantages_[name] = {now, now};
    out.store = true;
    return out;
  }
  Entry& entry = it->second;
  entry.last_seen = now;
  // A clock that was set back must not keep the time from being stored.
  out.store = now - entry.stored >= kStoreEvery || now < entry.stored;
  if (out.store) entry.stored = now;
  return out;
}

std::vector<std::string> KnownVantages::Names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : vantages_) out.push_back(name);
  return out;
}

std::vector<std::string> KnownVantages::Missed(WallTime now) const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : vantages_) {
    if (now - entry.last_seen <= kMissedFor) out.push_back(name);
  }
  return out;
}

absl::Status KnownVantages::Check(std::string_view field, const std::vector<std::string>& vantages,
                                  std::string_view remedy) const {
  const auto unknown = std::find_if(vantages.begin(), vantages.end(),
                                    [this](const std::string& v) { return !Knows(v); });
  if (unknown == vantages.end()) return absl::OkStatus();
  if (vantages_.empty()) {
    return InvalidArgument(
        "{} \"{}\": no agent has called this coordinator yet, of any vantage; start "
        "portolan-agent --vantage {}, or {}",
        field, *unknown, *unknown, remedy);
  }
  std::vector<std::string_view> names;
  std::string listed;
  for (const auto& [name, entry] : vantages_) {
    if (names.size() < kMostNamed) listed += (listed.empty() ? "" : ", ") + name;
    names.push_back(name);
  }
  if (names.size() > kMostNamed) listed += fmt::format(" and {} more", names.size() - kMostNamed);
  const std::string_view nearest = Nearest(*unknown, names);
  return InvalidArgument(
      "{} \"{}\": no agent has ever called from a vantage of this name{}; known vantages: {}; {}",
      field, *unknown,
      nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", nearest), listed,
      remedy);
}

}  // namespace portolan
