#include "common/monitor/monitor_fields.h"

#include "common/base/status.h"
#include "common/monitor/cron.h"
#include "common/monitor/field_codecs.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr size_t kMaxTargets = 10'000;
constexpr Duration kDay = hours(24);
constexpr Duration kMinute = minutes(1), kMaxEvery = 366 * kDay;

absl::Status CheckVantageName(const std::string& name) {
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || literal::IsDigit(c) ||
                      c == '.' || c == '_' || c == '-';
    if (!fine) {
      return InvalidArgument("vantage \"{}\": write letters, digits, dots, dashes and underscores",
                             literal::Printable(name));
    }
  }
  return absl::OkStatus();
}

FieldCodec<std::string> VantageName() { return CheckedCodec(60, CheckVantageName); }
FieldCodec<VantageRole> Role() { return EnumCodec<VantageRole>({"inside", "outside"}); }
FieldCodec<std::string> Target() { return CheckedCodec(512, CheckTarget); }
FieldCodec<std::string> RuleTarget() {
  return CheckedCodec(512, [](const std::string& t) { return ParseTargetNames({t}).status(); });
}
FieldCodec<std::string> Endpoint() {
  return CheckedCodec(512, [](const std::string& t) { return ParseEndpointText(t).status(); });
}
FieldCodec<std::string> Cron() {
  return CheckedCodec(256, [](const std::string& t) { return CronExpression::Parse(t).status(); });
}
FieldCodec<std::string> Zone() {
  return CheckedCodec(64, [](const std::string& t) { return FindTimeZone(t).status(); });
}
FieldCodec<std::string> ServiceName() {
  std::vector<std::string> words;
  for (const ServiceSet& set : ServiceSets()) words.emplace_back(set.name);
  return ChoiceCodec(std::move(words));
}
FieldCodec<std::string> ProfileName() {
  std::vector<std::string> words;
  for (const ExpectationProfile& p : ExpectationProfiles()) words.push_back(p.rule.name);
  return ChoiceCodec(std::move(words));
}

// Each table is made once and never destroyed: codecs refer to it.
template <typename S>
const SpecTable<S>& Kept(SpecTable<S> table) {
  return *new SpecTable<S>(std::move(table));
}

const SpecTable<MonitorVantage>& VantageTable() {
  using S = MonitorVantage;
  static const SpecTable<S>& kTable = Kept<S>({
      "a vantage",
      {RequiredOf("name", &S::name, VantageName(), "The vantage, as its agents call it"),
       RequiredOf("role", &S::role, Role(), "Which side of the firewall it stands on")},
  });
  return kTable;
}

const SpecTable<MonitorSchedule>& ScheduleTable() {
  using S = MonitorSchedule;
  static const SpecTable<S>& kTable = []() -> const SpecTable<S>& {
    SpecTable<S> t{
        "schedule",
        {FieldOf("every", &S::every, OptionalOf(DurationCodec(kMinute, kMaxEvery)),
                 "Time between the starts of two runs, 1m to 366d; or cron"),
         FieldOf(
             "at", &S::at, OptionalOf(DurationCodec(Duration::zero(), kMaxEvery)),
             "With every: start so long after each multiple of it, counted from midnight UTC of "
             "1970-01-01. Not given: an offset drawn from the monitor's name, so that monitors "
             "do not start together"),
         FieldOf("cron", &S::cron, Cron(),
                 "Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, "
                 "@monthly, @yearly. In quotes"),
         FieldOf(
             "timeZone", &S::time_zone, Zone(),
             "With cron: a name of the IANA database, such as Europe/Berlin; UTC when not given"),
         FieldOf(
             "jitter", &S::jitter, DurationCodec(Duration::zero(), kDay),
             "Start each run up to so much later, by a number drawn from the monitor and the run")},
    };
    const auto needs = [](const char* key) {
      return YamlNode::Map().Add("required", YamlNode::List({YamlNode::Quoted(key)}));
    };
    t.more_schema.Add("oneOf", YamlNode::List({needs("every"), needs("cron")}));
    return Kept<S>(std::move(t));
  }();
  return kTable;
}

const SpecTable<MonitorRate>& RateTable() {
  using S = MonitorRate;
  const auto wait = [](Duration min) { return OptionalOf(DurationCodec(min, seconds(60))); };
  const auto rate = OptionalOf(RateCodec(1e9));
  static const SpecTable<S>& kTable = Kept<S>({
      "rate",
      {FieldOf("maxRate", &S::max_rate, OptionalOf(RateCodec(1e8)),
               "Probes a second over all agents and vantages; 0: no limit; not given: the timing "
               "template's"),
       FieldOf("timing", &S::level, CountCodec(0, 5),
               "Timing template, from 0 (slowest) to 5, as -T; 3 when not given"),
       FieldOf("timeout", &S::timeout, wait(milliseconds(50)),
               "Longest wait for an answer, 50ms to 60s"),
       FieldOf("minTimeout", &S::min_timeout, wait(milliseconds(10)),
               "Shortest wait, where the round trip is known to be short, 10ms to 60s"),
       FieldOf("retries", &S::retries, OptionalOf(CountCodec(0, 10)),
               "Further tries after silence"),
       FieldOf("retryDelay", &S::retry_delay, wait(Duration::zero()),
               "Between a timeout and the next try, up to 60s"),
       FieldOf("addressRate", &S::address_rate, rate,
               "Attempts a second that an agent sends to one address; 0: no limit"),
       FieldOf("addressInFlight", &S::address_in_flight, OptionalOf(CountCodec(0, 65'536)),
               "Attempts under way to one address that does not answer; 0: no limit"),
       FieldOf("prefixRate", &S::prefix_rate, rate,
               "Attempts a second that an agent sends to one /24 or /64; 0: no limit"),
       FieldOf("growth", &S::growth, OptionalOf(CountCodec(1, 1000)),
               "How far answers may raise these limits; 1: not at all"),
       FieldOf("priority", &S::priority, EnumCodec<Priority>({"low", "normal", "high"}),
               "Share of the agents while scans compete")},
  });
  return kTable;
}

const SpecTable<ExpectationRule>& RuleTable() {
  using S = ExpectationRule;
  static const SpecTable<S>& kTable = Kept<S>({
      "an expectation",
      {RequiredOf("name", &S::name, NameCodec(60), "Its name in findings and metrics"),
       RequiredOf("action", &S::action,
                  EnumCodec<ExpectAction>({"must-be-open", "may-be-open", "must-not-be-open"}),
                  "What is expected of every port that the rule matches"),
       FieldOf("targets", &S::targets, ListOf(RuleTarget(), 1, kMaxTargets),
               "Addresses, networks, ranges and names that it speaks of; all when not given"),
       FieldOf("ports", &S::ports, PortsCodec(), "Ports that it speaks of, as in 22,443,8000-8100"),
       FieldOf(
           "services", &S::services, ListOf(ServiceName(), 1, 32),
           "Classes of services whose ports it speaks of, besides ports; all ports when neither "
           "is given"),
       FieldOf("vantages", &S::vantages, ListOf(VantageName(), 1, 64),
               "Vantages that it speaks of; all when not given"),
       FieldOf("role", &S::role, OptionalOf(Role()), "Only vantages on this side of the firewall"),
       FieldOf("severity", &S::severity,
               EnumCodec<Severity>({"info", "low", "medium", "high", "critical"}),
               "Of a finding; medium when not given"),
       FieldOf("owner", &S::owner, TextCodec(200),
               "Who answers for it; the monitor's when not given"),
       FieldOf("reason", &S::reason, TextCodec(1000), "Why, for the person who reads a finding"),
       FieldOf("expires", &S::expires, OptionalOf(DateCodec()),
               "From this date (its start, UTC) on the rule matches nothing")},
  });
  return kTable;
}

const SpecTable<ConfirmationRule>& ConfirmationTable() {
  using S = ConfirmationRule;
  static const SpecTable<S>& kTable = Kept<S>({
      "confirmation",
      {FieldOf("probes", &S::probes, CountCodec(1, 10),
               "Delayed probes after a difference was seen; 3 when not given"),
       FieldOf("needed", &S::needed, CountCodec(1, 10),
               "How many of them must see it again; 2 when not given"),
       FieldOf("delay", &S::delay, DurationCodec(seconds(1), kDay),
               "Before each of them, 1s to 1d; 30s when not given")},
  });
  return kTable;
}

const SpecTable<MonitorCanaries>& CanaryTable() {
  using S = MonitorCanaries;
  static const SpecTable<S>& kTable = Kept<S>({
      "canaries",
      {FieldOf("open", &S::open, ListOf(Endpoint(), 0, 256),
               "Endpoints that are open, as in 192.0.2.1:22"),
       FieldOf("closed", &S::closed, ListOf(Endpoint(), 0, 256), "Endpoints that are closed")},
  });
  return kTable;
}

const SpecTable<MonitorSpec>& MetadataTable() {
  using S = MonitorSpec;
  static const SpecTable<S>& kTable = Kept<S>({
      "metadata",
      {RequiredOf("name", &S::name, NameCodec(40),
                  "Unique among the monitors of a coordinator; part of keys and metrics"),
       FieldOf("labels", &S::labels, LabelsCodec(), "Free words for selecting, as in team: web"),
       FieldOf("owner", &S::owner, TextCodec(200), "Who answers for its findings")},
  });
  return kTable;
}

absl::Status CheckFile(const std::string& path) {
  if (path.find_first_of(std::string_view("\r\n\0", 3)) == path.npos) return absl::OkStatus();
  return InvalidArgument("file \"{}\": write a path in one line", literal::Printable(path));
}

const SpecTable<MonitorSpec>& TargetsFromTable() {
  using S = MonitorSpec;
  static const SpecTable<S>& kTable = Kept<S>({
      "targetsFrom",
      {RequiredOf("file", &S::targets_file, CheckedCodec(1'024, CheckFile),
                  "A list of targets, in the syntax of -iL; its path counts from the directory of "
                  "the document. Read when the document is applied, by the program that reads it")},
  });
  return kTable;
}

// Fields of S under a key of their own, which is left out when no file is named.
SpecField<MonitorSpec> FromOf(std::string key, const SpecTable<MonitorSpec>& table,
                              std::string doc) {
  SpecField<MonitorSpec> out = GroupOf(std::move(key), table, std::move(doc));
  out.required = false;
  out.write = [write = out.write](const MonitorSpec& s) -> std::optional<YamlNode> {
    if (s.targets_file.empty()) return std::nullopt;
    return write(s);
  };
  return out;
}

const SpecTable<MonitorSpec>& SpecSection() {
  using S = MonitorSpec;
  static const SpecTable<S>& kTable = []() -> const SpecTable<S>& {
    SpecTable<S> t{
        "spec",
        {FieldOf("targets", &S::targets, ListOf(Target(), 1, kMaxTargets),
                 "Addresses, networks, ranges and names to scan; names are looked up at each run"),
         FromOf("targetsFrom", TargetsFromTable(),
                "A file with further targets, or with all of them: for more than 10,000"),
         FieldOf("exclude", &S::exclude, ListOf(Target(), 0, kMaxTargets),
                 "Targets never to probe"),
         FieldOf(
             "ports", &S::ports, PortsCodec(),
             "Ports to scan, as in 22,443,8000-8100, http*, well-known; top-100 when not given"),
         FieldOf("excludePorts", &S::exclude_ports, PortsCodec(), "Ports never to probe"),
         RequiredOf("vantages", &S::vantages, ListOf(ObjectOf(VantageTable()), 1, 64),
                    "Where to scan from; each port is probed from each of them"),
         RequiredOf("schedule", &S::schedule, ObjectOf(ScheduleTable()), "When to run"),
         FieldOf("rate", &S::rate, ObjectOf(RateTable()), "How fast, and how carefully"),
         FieldOf(
             "overlap", &S::overlap, EnumCodec<OverlapPolicy>({"skip", "queue"}),
             "A run that is due while the one before it is under way: skip it, or queue it (one at "
             "most)"),
         FieldOf("retention", &S::retention, DurationCodec(hours(1), 3660 * kDay),
                 "How long the results of a run are kept; 30d when not given"),
         FieldOf("profiles", &S::profiles, ListOf(ProfileName(), 0, 16),
                 "Rules that come with the program; asked after the monitor's own"),
         FieldOf("expectations", &S::expectations, ListOf(ObjectOf(RuleTable()), 0, 256),
                 "What should be open and what should not; the first rule that matches decides"),
         FieldOf("confirmation", &S::confirmation, ObjectOf(ConfirmationTable()),
                 "How a difference is confirmed before it becomes an event"),
         FieldOf(
             "canaries", &S::canaries, ObjectOf(CanaryTable()),
             "Endpoints of known state, three or more: a vantage that sees them otherwise is not "
             "believed. Chosen from the baseline when not given"),
         FieldOf("webhooks", &S::webhooks, ListOf(NameCodec(60), 0, 16),
                 "Webhooks of the coordinator's configuration that are sent its events"),
         FieldOf("paused", &S::paused, BoolCodec(), "Do not run by the schedule")},
    };
    const auto needs = [](const char* key) {
      return YamlNode::Map().Add("required", YamlNode::List({YamlNode::Quoted(key)}));
    };
    t.more_schema.Add("anyOf", YamlNode::List({needs("targets"), needs("targetsFrom")}));
    return Kept<S>(std::move(t));
  }();
  return kTable;
}

}  // namespace

const SpecTable<MonitorSpec>& MonitorTable() {
  using S = MonitorSpec;
  static const SpecTable<S>& kTable = Kept<S>({
      "a monitor",
      {ConstantOf<S>("apiVersion", "portolan/v1", "The version of this format: portolan/v1"),
       ConstantOf<S>("kind", "Monitor", "What this document declares: Monitor"),
       GroupOf("metadata", MetadataTable(), "What it is called"),
       GroupOf("spec", SpecSection(), "What it does")},
  });
  return kTable;
}

}  // namespace portolan
