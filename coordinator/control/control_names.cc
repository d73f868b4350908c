#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// Names that agents give themselves and their vantages: who may use one, and who has left; and the
// certificates that they show.
namespace portolan {

// Two processes that live use one name; the one that calls now has to end. Returns what it is told.
absl::Status Control::OnRefused(const AgentReport& report, const AgentDetails& details,
                                bool can_wait, const absl::Status& why) {
  ++name_conflicts_;
  const auto it = agents_.find(report.name);
  const std::string first = it == agents_.end() ? "" : it->second.details.peer;
  if (it != agents_.end() && it->second.rivals.Note(PeerHost(details.peer), clock_.Now())) {
    Log(LogLevel::kError, "two agents of one name",
        {{"agent", report.name},
         {"works", first},
         {"ends", details.peer},
         {"remedy", "give each agent a --name of its own"}});
  }
  const std::string text = fmt::format(
      "{} (that one calls from {}, this one from {}); give each agent a --name of its own",
      Message(why), first, details.peer);
  // An older version takes ALREADY_EXISTS for something that passes, and goes on calling.
  return can_wait ? AlreadyExists("{}", text) : Aborted("{}", text);
}

void Control::OnLeft(const AgentReport& report) {
  const auto it = agents_.find(report.name);
  if (it == agents_.end() || it->second.report.incarnation != report.incarnation) return;
  Log(LogLevel::kInfo, "agent left", {{"agent", report.name}, {"vantage", report.vantage}});
  EndCall(it->second, Cancelled("a newer call of this agent took its place"));
  it->second.away_reason = "it was stopped after it had drained";
}

// The same process made its connection anew, with another certificate.
void Control::NoteRenewal(const AgentReport& report, const AgentDetails& before,
                          const AgentDetails& now) {
  if (!now.certificate.has_value() || now.certificate == before.certificate) return;
  Log(LogLevel::kInfo, "agent connected with another certificate",
      {{"agent", report.name},
       {"peer", now.peer},
       {"serial", now.certificate->serial},
       {"certificate_not_after", CertificateTimeText(now.certificate->not_after)}});
}

// TLS looks at a certificate when a connection is made, and so a connected agent works on until its
// connection breaks; only the next one is refused. People should know before that.
void Control::NoteCertificates() {
  for (auto& [name, entry] : agents_) {
    const std::optional<CertificateFacts>& certificate = entry.details.certificate;
    const bool connected = entry.call.has_value() || entry.report_stream != 0;
    if (!connected || !certificate.has_value()) continue;
    const ExpiryNotice::Say say = entry.certificate_notice.Look(*certificate, clock_.Wall());
    if (say == ExpiryNotice::Say::kNothing) continue;
    const bool ended = say == ExpiryNotice::Say::kHasEnded;
    Log(ended ? LogLevel::kError : LogLevel::kWarning,
        ended ? "an agent's certificate has ended: its connection lasts until it breaks, and no "
                "new one is accepted; renew it on the agent's host"
              : "an agent's certificate ends soon; renew it on the agent's host",
        {{"agent", name},
         {"vantage", entry.report.vantage},
         {"peer", entry.details.peer},
         {"serial", certificate->serial},
         {"certificate_not_after", CertificateTimeText(certificate->not_after)}});
  }
}

void Control::NoteVantage(const std::string& vantage) {
  const KnownVantages::Noted noted = vantages_.Note(vantage, clock_.Wall());
  if (!noted.forget.empty()) {
    vantages_to_forget_.push_back(noted.forget);
    Log(LogLevel::kWarning, "vantage forgotten: more have had an agent than are remembered",
        {{"vantage", noted.forget}, {"remembered", std::to_string(KnownVantages::kMost)}});
  }
  if (noted.store) vantages_to_store_.push_back({vantage, clock_.Wall()});
}

void Control::ListVantages(Done<std::vector<std::string>> done) {
  calls_.OnControl<std::vector<std::string>>(
      std::move(done), [this](Done<std::vector<std::string>> d) { d(vantages_.Names()); });
}

}  // namespace portolan
