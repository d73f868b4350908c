#include "coordinator/server/json_api.h"

#include <charconv>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "coordinator/control/control.h"
#include "coordinator/monitoring/monitoring.h"
#include "coordinator/server/json_convert.h"

namespace portolan {
namespace {

using Reply = std::function<void(HttpReply)>;

constexpr size_t kMaxRows = 2'000;

// ---- parameters ----

// A parameter that is not known is more likely misspelt than to be ignored.
absl::Status OnlyParameters(const HttpRequest& request, std::initializer_list<const char*> known) {
  for (const auto& [name, value] : request.query) {
    bool found = false;
    std::string all;
    for (const char* k : known) {
      found = found || name == k;
      all += (all.empty() ? "" : ", ") + std::string(k);
    }
    if (!found) {
      return InvalidArgument("parameter \"{}\": unknown; there {}", name.substr(0, 40),
                             all.empty() ? "is none" : "are " + all);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Number(const HttpRequest& request, const char* name, uint64_t fallback,
                                uint64_t min, uint64_t max) {
  const std::string text = request.Value(name);
  if (text.empty()) return fallback;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return InvalidArgument("parameter {}=\"{}\": give a number from {} to {}", name, text, min,
                           max);
  }
  return value;
}

// RFC 3339, or seconds since the Unix epoch.
absl::StatusOr<WallTime> TimeOf(const HttpRequest& request, const char* name) {
  const std::string text = request.Value(name);
  if (text.empty()) return WallTime{};
  uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size() && seconds < 253'402'300'800)
    return FromUnixMicros(static_cast<int64_t>(seconds) * 1'000'000);
  absl::Time time;
  std::string why;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &why) && time >= absl::UnixEpoch() &&
      time < absl::FromUnixSeconds(253'402'300'800)) {
    return FromUnixMicros(absl::ToUnixMicros(time));
  }
  return InvalidArgument(
      "parameter {}=\"{}\": give a time as 2026-01-02T03:04:05Z, or seconds since 1970", name,
      text);
}

// The one of `values` that is named `text`.
template <typename T>
absl::StatusOr<T> OneOf(const char* name, const std::string& text, std::initializer_list<T> values,
                        std::string_view (*word)(T)) {
  std::string all;
  for (const T v : values) {
    if (text == word(v)) return v;
    all += (all.empty() ? "" : ", ") + std::string(word(v));
  }
  return InvalidArgument("parameter {}=\"{}\": give one of {}", name, text, all);
}

absl::StatusOr<bool> Truth(const HttpRequest& request, const char* name) {
  const std::string text = request.Value(name);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  return InvalidArgument("parameter {}=\"{}\": give true or false", name, text);
}

// ---- answers ----

void Send(const Reply& reply, std::string body) {
  HttpReply r;
  r.body = std::move(body);
  reply(std::move(r));
}

// What a query gives, or its error.
template <typename T>
std::function<void(absl::StatusOr<T>)> Answer(Reply reply, std::string (*convert)(const T&)) {
  return [reply = std::move(reply), convert](absl::StatusOr<T> value) {
    if (value.ok()) {
      Send(reply, convert(*value));
    } else {
      reply(ErrorReply(value.status()));
    }
  };
}

// A handler of parameters that may be wrong: its error is the reply.
template <typename F>
auto Checked(F f) {
  return [f](HttpRequest request, Reply reply) {
    if (const absl::Status s = f(std::move(request), reply); !s.ok()) reply(ErrorReply(s));
  };
}

// ---- paths ----

absl::Status Exposure(Monitoring& monitoring, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(OnlyParameters(
      request, {"monitor", "target", "ports", "class", "expected", "limit", "page_token"}));
  ExposureQuery q;
  q.monitor = request.Value("monitor");
  q.targets = request.Values("target");
  q.ports = request.Value("ports");
  for (const std::string& text : request.Values("class")) {
    PORTOLAN_ASSIGN_OR_RETURN(
        const ExposureClass c,
        OneOf<ExposureClass>("class", text,
                             {ExposureClass::kOpenEverywhere, ExposureClass::kOpenOnlyInside,
                              ExposureClass::kOpenOnlyOutside, ExposureClass::kOpenFromSome,
                              ExposureClass::kNotOpen, ExposureClass::kNotComparable},
                             ExposureClassName));
    q.classes.push_back(c);
  }
  if (const std::string text = request.Value("expected"); !text.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(
        q.expected,
        OneOf<Expected>("expected", text,
                        {Expected::kYes, Expected::kNo, Expected::kUnknown, Expected::kUnspecified},
                        ExpectedName));
  }
  PORTOLAN_ASSIGN_OR_RETURN(q.limit, Number(request, "limit", q.limit, 1, kMaxRows));
  q.page_token = request.Value("page_token");
  monitoring.Exposure(std::move(q), Answer<ExposurePage>(reply, ExposureJson));
  return absl::OkStatus();
}

absl::Status Events(Monitoring& monitoring, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(
      OnlyParameters(request, {"monitor", "vantage", "after", "since", "limit", "newest_first"}));
  EventQuery q;
  q.monitor = request.Value("monitor");
  q.vantage = request.Value("vantage");
  PORTOLAN_ASSIGN_OR_RETURN(q.after, Number(request, "after", 0, 0, INT64_MAX));
  PORTOLAN_ASSIGN_OR_RETURN(q.since, TimeOf(request, "since"));
  PORTOLAN_ASSIGN_OR_RETURN(q.limit, Number(request, "limit", q.limit, 1, kMaxRows));
  PORTOLAN_ASSIGN_OR_RETURN(q.newest_first, Truth(request, "newest_first"));
  monitoring.Events(std::move(q), Answer<EventPage>(reply, EventsJson));
  return absl::OkStatus();
}

absl::Status Findings(Monitoring& monitoring, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(
      OnlyParameters(request, {"monitor", "min_severity", "resolved", "limit"}));
  FindingQuery q;
  q.monitor = request.Value("monitor");
  if (const std::string text = request.Value("min_severity"); !text.empty()) {
    q.min_severity = ParseSeverity(text);
    if (!q.min_severity) {
      return InvalidArgument(
          "parameter min_severity=\"{}\": give one of info, low, medium, high, critical", text);
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(q.resolved, Truth(request, "resolved"));
  PORTOLAN_ASSIGN_OR_RETURN(q.limit, Number(request, "limit", q.limit, 1, kMaxRows));
  monitoring.Findings(q, Answer<FindingList>(reply, FindingsJson));
  return absl::OkStatus();
}

absl::Status Explain(Monitoring& monitoring, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {"monitor", "target", "port"}));
  const std::string target = request.Value("target");
  if (target.empty()) return InvalidArgument("parameter target: give an address or a name");
  if (request.Value("port").empty()) return InvalidArgument("parameter port: give 0 to 65535");
  PORTOLAN_ASSIGN_OR_RETURN(const uint64_t port, Number(request, "port", 0, 0, 65535));
  monitoring.Explain(target, static_cast<uint16_t>(port), request.Value("monitor"),
                     Answer<Explanation>(reply, ExplanationJson));
  return absl::OkStatus();
}

// The results of a scan, held until the reply that is made of them is sent.
using Source = std::shared_ptr<const Control::ResultSource>;

void OpenAndRead(Control& control, const std::string& scan, Control::ResultRequest query,
                 const Reply& reply, std::function<void(const Source&)> read) {
  control.OpenResults(
      scan, std::move(query),
      [reply, read = std::move(read)](absl::StatusOr<Control::ResultSource> source) {
        if (!source.ok()) return reply(ErrorReply(source.status()));
        read(std::make_shared<const Control::ResultSource>(*std::move(source)));
      });
}

absl::Status Results(Control& control, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(OnlyParameters(
      request, {"state", "target", "ports", "vantage", "limit", "page_token", "services_only"}));
  Control::ResultRequest query;
  for (const std::string& text : request.Values("state")) {
    PORTOLAN_ASSIGN_OR_RETURN(const State s,
                              OneOf<State>("state", text,
                                           {State::kOpen, State::kClosed, State::kFiltered,
                                            State::kUnreachable, State::kNotProbed},
                                           StateName));
    query.states.push_back(s);
  }
  query.targets = request.Values("target");
  query.ports = request.Value("ports");
  query.vantages = request.Values("vantage");
  PORTOLAN_ASSIGN_OR_RETURN(query.limit, Number(request, "limit", query.limit, 1, kMaxRows));
  PORTOLAN_ASSIGN_OR_RETURN(query.without_everywhere_open, Truth(request, "services_only"));
  const std::string token = request.Value("page_token");
  const auto read = [&control, token, reply](const Source& source) {
    control.ReadPage(source, token, [source, reply](absl::StatusOr<ResultPage> page) {
      if (!page.ok()) return reply(ErrorReply(page.status()));
      Send(reply, ResultsJson(source->scan, *page));
    });
  };
  OpenAndRead(control, request.parts.at(0), std::move(query), reply, read);
  return absl::OkStatus();
}

absl::Status HostFindings(Control& control, const HttpRequest& request, const Reply& reply) {
  PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {"target", "vantage", "limit", "page_token"}));
  Control::ResultRequest query;
  query.targets = request.Values("target");
  query.vantages = request.Values("vantage");
  PORTOLAN_ASSIGN_OR_RETURN(query.limit, Number(request, "limit", query.limit, 1, kMaxRows));
  const std::string token = request.Value("page_token");
  const auto read = [&control, token, reply](const Source& source) {
    control.ReadFindings(source, token, [source, reply](absl::StatusOr<FindingRows> rows) {
      if (!rows.ok()) return reply(ErrorReply(rows.status()));
      Send(reply, HostFindingsJson(source->scan, *rows));
    });
  };
  OpenAndRead(control, request.parts.at(0), std::move(query), reply, read);
  return absl::OkStatus();
}

}  // namespace

std::vector<HttpRoute> JsonApi(Control& control, Monitoring* monitoring) {
  const auto ask = [monitoring](absl::Status (*f)(Monitoring&, const HttpRequest&, const Reply&)) {
    return Checked([monitoring, f](const HttpRequest& request, const Reply& reply) {
      if (monitoring == nullptr)
        return NotFound("this coordinator runs no monitors, so there is nothing to tell");
      return f(*monitoring, request, reply);
    });
  };
  return {
      {"/api/v1/monitors", ask([](Monitoring& m, const HttpRequest& request, const Reply& reply) {
         PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {}));
         m.List(Answer<std::vector<MonitorStatus>>(reply, MonitorsJson));
         return absl::OkStatus();
       })},
      {"/api/v1/monitors/*", ask([](Monitoring& m, const HttpRequest& request, const Reply& reply) {
         PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {}));
         m.Get(request.parts.at(0), Answer<MonitorStatus>(reply, MonitorJson));
         return absl::OkStatus();
       })},
      {"/api/v1/exposure", ask(Exposure)},
      {"/api/v1/events", ask(Events)},
      {"/api/v1/findings", ask(Findings)},
      {"/api/v1/explain", ask(Explain)},
      {"/api/v1/agents", Checked([&control](const HttpRequest& request, const Reply& reply) {
         PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {}));
         control.ListAgents(Answer<std::vector<AgentStatus>>(reply, AgentsJson));
         return absl::OkStatus();
       })},
      {"/api/v1/scans/*", Checked([&control](const HttpRequest& request, const Reply& reply) {
         PORTOLAN_RETURN_IF_ERROR(OnlyParameters(request, {}));
         control.GetScan(request.parts.at(0), Answer<ScanStatus>(reply, ScanJson));
         return absl::OkStatus();
       })},
      {"/api/v1/scans/*/host-findings",
       Checked([&control](const HttpRequest& request, const Reply& reply) {
         return HostFindings(control, request, reply);
       })},
      {"/api/v1/scans/*/results",
       Checked([&control](const HttpRequest& request, const Reply& reply) {
         return Results(control, request, reply);
       })},
  };
}

absl::Status MayReadApi(bool loopback, const std::string& listen, const HttpRequest& request) {
  if (request.tls) return MayOperate(request.peer, "the HTTP API");
  if (!loopback) {
    return PermissionDenied(
        "the API tells what is open in the network, and is served beyond loopback over TLS only; "
        "this coordinator has --http {} without --http-tls: give it, ask on its machine with "
        "--http 127.0.0.1:PORT, or use gRPC with a certificate",
        listen);
  }
  const absl::StatusOr<HostPort> host = ParseHostPort(FormatHostPort(request.host, 1));
  if (host.ok() && host->loopback) return absl::OkStatus();
  return PermissionDenied(
      "Host \"{}\": the API is asked by the address of loopback, 127.0.0.1, [::1] or localhost, so "
      "that no page in a browser can read it",
      request.host.substr(0, 100));
}

}  // namespace portolan
