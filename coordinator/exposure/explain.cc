#include "coordinator/exposure/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/base/counted.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

constexpr size_t kMostSteps = 12;
constexpr size_t kMostVantages = 5;  // named in one sentence

const char* WhyOfClass(ServiceClass c) {
  switch (c) {
    case ServiceClass::kRemoteAdmin:
      return "Whoever logs in there controls the machine, so guessed, stolen or default passwords "
             "and flaws in the login itself are tried on it all the time.";
    case ServiceClass::kDatabase:
      return "Whoever gets in reads and changes the data itself, past every check that the "
             "application makes; several databases ask for no password unless told to.";
    case ServiceClass::kControlPlane:
      return "It gives orders to other machines: who may speak to it may run programs on all of "
             "them.";
    case ServiceClass::kFileTransfer:
      return "Files can be taken or left there; anonymous access and passwords that are sent "
             "unencrypted are the usual mistakes.";
    case ServiceClass::kFileSharing:
      return "Shares are made for a network where everybody is trusted; worms spread through "
             "this service.";
    case ServiceClass::kDirectory:
      return "It knows users, groups and machines, and checks passwords: a good place to list "
             "accounts and to guess their passwords.";
    case ServiceClass::kMail:
      return "Mail can be sent or read through it; an open relay, and passwords without TLS, are "
             "what is looked for.";
    case ServiceClass::kMonitoring:
      return "It tells much of the inside (versions, names, load), often without asking who wants "
             "to know, and some of these services run commands.";
    case ServiceClass::kMessaging:
      return "Messages between programs can be read, forged or lost there, and many brokers let "
             "everybody in by default.";
    case ServiceClass::kIndustrial:
      return "Controllers do what they are told without asking by whom: here an intruder moves "
             "things in the real world.";
    case ServiceClass::kPrinting:
      return "Printers keep what was printed, take jobs from everybody and are seldom updated.";
    case ServiceClass::kProxy:
      return "It may carry the traffic of others: an open proxy reaches what its own network "
             "reaches, in its name.";
    case ServiceClass::kVpn:
      return "It is the door to the inside and has to face the outside; so it must be up to date "
             "and ask for more than a password.";
    case ServiceClass::kNameService:
      return "It answers for names; from outside it should answer for its own zones only and "
             "refuse "
             "transfers of them.";
    case ServiceClass::kWeb:
      return "What it gives out depends on what runs behind it: an application for the public, or "
             "a "
             "console, an API or a test that was never meant for it.";
    case ServiceClass::kMedia:
      return "Pictures and sound of cameras, phones or players can be had there, often with the "
             "maker's password.";
    case ServiceClass::kGame:
      return "It does not belong on a machine with other duties; such servers are seldom updated.";
    case ServiceClass::kOther:
      break;
  }
  return "Every program that can be reached is one that can be attacked; if nobody needs it from "
         "there, it should not be reachable.";
}

// A shell takes it as it is: names come from specifications, yet a command is pasted unread.
bool IsPlain(std::string_view text) {
  return !text.empty() && text.front() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.:_-") ==
             std::string_view::npos;
}

// "office, cloud-east and 3 others"
std::string Listed(const std::vector<std::string>& names) {
  std::string out;
  const size_t shown = std::min(names.size(), kMostVantages);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  if (names.size() > shown) out += " and " + Counted(names.size() - shown, "other", "others");
  return out;
}

// The vantages, by what they see.
struct Views {
  std::vector<std::string> open, reset, refused, rejected, prohibited, silent, throttled, host_away,
      no_route, loops;
  std::map<std::string, std::vector<std::string>> unknown;  // by why
  std::vector<std::string> forbidden, missing;              // against a rule
};

Views Sort(std::span<const ExplainedSight> sights) {
  Views v;
  for (const ExplainedSight& s : sights) {
    if (!s.outcome) {
      v.unknown[s.unknown].push_back(s.vantage);
      continue;
    }
    const Symbol symbol = s.outcome->symbol;
    if (IsOpen(symbol) && s.action == ExpectAction::kMustNotBeOpen)
      v.forbidden.push_back(s.vantage);
    if (IsGone(symbol) && s.action == ExpectAction::kMustBeOpen) v.missing.push_back(s.vantage);
    if (IsOpen(symbol)) {
      v.open.push_back(s.vantage);
      if (symbol.reason == Reason::kResetAfterAccept) v.reset.push_back(s.vantage);
      continue;
    }
    switch (symbol.reason) {
      case Reason::kConnRefused:
      case Reason::kSelfConnect:
        v.refused.push_back(s.vantage);
        break;
      case Reason::kPortUnreachable:
      case Reason::kProtoUnreachable:
        v.rejected.push_back(s.vantage);
        break;
      case Reason::kAdminProhibited:
        v.prohibited.push_back(s.vantage);
        break;
      case Reason::kNoResponse:
        v.silent.push_back(s.vantage);
        break;
      case Reason::kThrottled:
        v.throttled.push_back(s.vantage);
        break;
      case Reason::kHostUnreachable:
        v.host_away.push_back(s.vantage);
        break;
      case Reason::kNetUnreachable:
        v.no_route.push_back(s.vantage);
        break;
      case Reason::kTtlExceeded:
        v.loops.push_back(s.vantage);
        break;
      default:
        v.unknown["no verdict on the port"].push_back(s.vantage);
    }
  }
  return v;
}

void HostSteps(const Subject& subject, const Comparison& comparison, const Views& v,
               std::vector<std::string>* steps) {
  if (!v.open.empty()) {
    steps->push_back(fmt::format(
        "On the host: see which program listens, and as whom: ss -ltnp 'sport = :{0}' (Windows: "
        "Get-NetTCPConnection -LocalPort {0}). Listening on 0.0.0.0 or [::] takes callers from "
        "every network; bind it to the address that is meant.",
        subject.port));
  }
  if (!v.reset.empty()) {
    steps->push_back(fmt::format(
        "Seen from {} the connection is accepted and reset at once: either the program refuses "
        "these callers after all, or a proxy or load balancer in front accepts for a host that "
        "does "
        "not. Call it by hand from there to tell which.",
        Listed(v.reset)));
  }
  if (!v.refused.empty() && v.open.empty()) {
    steps->push_back(fmt::format(
        "On the host: nothing answers on the port ({} get a reset): see whether the service runs "
        "and has not failed (systemctl --failed), and on which address and port it listens: "
        "ss -ltnp.",
        Listed(v.refused)));
  }
  std::vector<std::string> rejecting = v.rejected;
  const bool refused_elsewhere = !v.refused.empty() && !v.open.empty();
  if (refused_elsewhere) rejecting.insert(rejecting.end(), v.refused.begin(), v.refused.end());
  if (!rejecting.empty()) {
    steps->push_back(fmt::format(
        "On the host's firewall: calls from {} are answered with a reject{}. Look for the rule: "
        "nft list ruleset, or iptables-save, or the cloud's security group.",
        Listed(rejecting),
        comparison.open > 0 ? " while the port is open from elsewhere, so something tells callers "
                              "apart"
                            : ""));
  }
}

void NetworkSteps(const Subject& subject, const Views& v, const std::string& where,
                  std::vector<std::string>* steps) {
  const std::string trace = fmt::format("traceroute -T -p {} {}", subject.port, where);
  if (!v.prohibited.empty()) {
    steps->push_back(fmt::format(
        "On the network: a router or firewall tells {} that the way is closed by policy. {} from "
        "there names the one that says so, at the hop before the silence.",
        Listed(v.prohibited), trace));
  }
  if (!v.silent.empty()) {
    steps->push_back(fmt::format(
        "On the network: from {} nothing comes back. {} from there shows how far calls get{}; then "
        "see whether the host drops them: tcpdump on the host shows whether they arrive.",
        Listed(v.silent), trace,
        v.open.empty() ? ""
                       : ", and the same from a vantage that sees it open shows where the ways "
                         "part"));
  }
  if (!v.throttled.empty()) {
    steps->push_back(fmt::format(
        "From {} the host stopped answering ports that it had answered: it, or a device before it, "
        "limits how often it is asked. Lower the monitor's rate.addressRate before this is taken "
        "for a firewall.",
        Listed(v.throttled)));
  }
  if (!v.host_away.empty()) {
    steps->push_back(fmt::format(
        "The last router before the host cannot find it (seen from {}): is the machine up, and has "
        "it this address (ip neigh on that router)?",
        Listed(v.host_away)));
  }
  if (!v.no_route.empty()) {
    steps->push_back(
        fmt::format("There is no route from {}: see the routes of its network and the way back: ip "
                    "route get {}.",
                    Listed(v.no_route), where));
  }
  if (!v.loops.empty()) {
    steps->push_back(fmt::format("Packets from {} go in circles: {} shows between which routers.",
                                 Listed(v.loops), trace));
  }
}

}  // namespace

std::string ServiceText(uint16_t port) {
  const Service* service = FindService(port);
  if (service == nullptr) {
    return fmt::format(
        "Port {} belongs to no service that is commonly known: only the host can tell what listens "
        "there. {}",
        port, WhyOfClass(ServiceClass::kOther));
  }
  std::string out =
      fmt::format("By its number, port {} is usually {} ({}); what answers there is not known. {}",
                  port, service->name, service->description, WhyOfClass(service->service_class));
  if (service->cleartext)
    out +=
        " By port number it is clear text: unless TLS is set up, whoever listens on the way reads "
        "what is sent, passwords too.";
  return out;
}

std::vector<std::string> NextSteps(const Subject& subject, const Comparison& comparison,
                                   std::span<const ExplainedSight> sights) {
  const Views v = Sort(sights);
  std::vector<std::string> steps;

  // Where the vantages were sent, for commands.
  std::vector<IpAddress> addresses;
  for (const ExplainedSight& s : sights) {
    if (s.outcome) addresses.push_back(s.outcome->address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  std::string where = subject.target.ToString();
  if (!IsPlain(where)) where = addresses.empty() ? "HOST" : addresses.front().ToString();

  if (!v.forbidden.empty()) {
    steps.push_back(fmt::format(
        "It must not be open from {}. Ask who answers for the host whether anybody needs it from "
        "there; if so, say it by a may-be-open rule with owner, reason and an expiry, before the "
        "rule that forbids it; if not, close it.",
        Listed(v.forbidden)));
  }
  if (!v.missing.empty()) {
    steps.push_back(
        fmt::format("It must be open from {} and is not: users are probably affected now. Begin on "
                    "the host; if "
                    "it is gone for good, remove the rule.",
                    Listed(v.missing)));
  }
  if (subject.target.is_name() && addresses.size() > 1) {
    steps.push_back(fmt::format(
        "The name leads to {}: see which each vantage gets (getent ahosts {}) before the "
        "answers are compared; these may be different machines.",
        Counted(addresses.size(), "address", "addresses"), where));
  }
  HostSteps(subject, comparison, v, &steps);
  NetworkSteps(subject, v, where, &steps);
  if (comparison.exposure == ExposureClass::kOpenOnlyOutside) {
    steps.push_back(
        "It is open from outside and not from inside, which is seldom meant: look for a forwarding "
        "rule or load balancer that leads outside callers to another machine.");
  }
  for (const auto& [why, vantages] : v.unknown) {
    steps.push_back(fmt::format(
        "It is not known what {} {}{}. To see how the monitor does: portolan monitor describe "
        "NAME; to look again: portolan monitor run-now NAME.",
        Listed(vantages), vantages.size() == 1 ? "sees" : "see", why.empty() ? "" : ": " + why));
  }
  if (!v.open.empty()) {
    steps.push_back(fmt::format("Call it once by hand from {} to see what it says: nc -vz {} {}.",
                                v.open.front(), where, subject.port));
  }
  if (steps.empty()) {
    steps.push_back(
        "No monitor looks at it: add the target and the port to one (portolan monitor apply -f "
        "FILE), or scan it once (portolan scan TARGET -p PORT).");
  }
  if (steps.size() > kMostSteps) steps.resize(kMostSteps);
  return steps;
}

}  // namespace portolan
