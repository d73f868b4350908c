#include "cli/vantages.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/render/text.h"
#include "common/base/nearest.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kMostListed = 20;

std::string Listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < kMostListed; ++i)
    out += (i == 0 ? "" : ", ") + Printable(names[i]);
  if (names.size() > kMostListed) out += fmt::format(" and {} more", names.size() - kMostListed);
  return out;
}

}  // namespace

absl::Status CheckLocalVantages(const v1::ScanRequestSpec& spec, const Context& context) {
  if (!context.globals.coordinator.empty()) return absl::OkStatus();
  for (const std::string& v : spec.vantages()) {
    if (v == "local") continue;
    return InvalidArgument(
        "--vantage \"{}\": in local mode the only vantage is this machine; leave --vantage out, or "
        "name a coordinator with --coordinator HOST:PORT",
        v);
  }
  return absl::OkStatus();
}

void NoteMissingAgents(Context& context, Session& session, const std::vector<std::string>& vantages,
                       std::string_view then) {
  const auto list = session.client->Call(&ApiClient::Stub::ListAgents, v1::ListAgentsRequest());
  if (!list.ok()) return;
  std::map<std::string, int> live;
  for (const v1::Agent& a : list->agents()) {
    if (a.live() && !a.draining()) ++live[a.vantage()];
  }
  std::vector<std::string> missing, connected;
  for (const std::string& v : vantages) {
    if (live.count(v) == 0) missing.push_back(v);
  }
  for (const auto& [vantage, agents] : live) connected.push_back(vantage);
  if (vantages.empty() ? !connected.empty() : missing.empty()) return;
  const std::string of = missing.empty() ? ""
                         : missing.size() == 1
                             ? fmt::format(" of vantage \"{}\"", Printable(missing[0]))
                             : fmt::format(" of the vantages {}", Listed(missing));
  context.env.notes->Note(fmt::format(
      "no agent{} takes work now{}; {}", of, then.empty() ? "" : fmt::format(": {}", then),
      connected.empty() ? "no vantage has a live agent (portolan agents)"
                        : "vantages with a live agent: " + Listed(connected)));
}

std::vector<std::string> NoteUnknownVantages(Context& context, Session& session,
                                             const std::string& what,
                                             const std::vector<std::string>& vantages) {
  const auto info =
      session.client->Call(&ApiClient::Stub::GetServerInfo, v1::GetServerInfoRequest());
  if (!info.ok()) return vantages;
  const std::vector<std::string> known(info->vantages().begin(), info->vantages().end());
  const std::vector<std::string_view> names(known.begin(), known.end());
  std::vector<std::string> others;
  for (const std::string& v : vantages) {
    if (std::find(known.begin(), known.end(), v) != known.end()) {
      others.push_back(v);
      continue;
    }
    const std::string_view nearest = Nearest(v, names);
    context.env.notes->Note(fmt::format(
        "{}: no agent has ever called from a vantage \"{}\"{}; until one does, its runs stay "
        "partial; known vantages: {}",
        what, Printable(v),
        nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", Printable(nearest)),
        known.empty() ? "none" : Listed(known)));
  }
  return others;
}

}  // namespace portolan
