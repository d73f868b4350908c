// The request of portolan scan, from its flags.
#include "cli/scan_request.h"

#include <fmt/format.h>

#include <charconv>
#include <random>

#include "cli/render/text.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

constexpr size_t kMaxTargetBytes = 32u << 20;  // of the API
constexpr const char kDefaultPorts[] = "top-100";

// A flag that was given, between two durations, in the API's units of a time.
template <typename Unit, typename Set>
absl::Status SetTime(const char* flag, const std::string& text, Duration least, Duration most,
                     const Set& set) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<Duration> value = ParseDurationText(text, least, most);
  if (!value.ok()) return Annotate(value.status(), flag);
  set(std::chrono::ceil<Unit>(*value).count());
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> InRange(double value, double low, double high, const char* flag,
                          const char* unit) {
  if (!(value >= low && value <= high))
    return InvalidArgument("{}: {} is not between {} and {}{}", flag, value, low, high, unit);
  return static_cast<T>(value);
}

absl::Status SetTiming(const ScanFlags& flags, v1::ScanRequestSpec* spec) {
  using std::chrono::hours, std::chrono::milliseconds, std::chrono::seconds;
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--timeout", flags.timeout, milliseconds(50), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_timeout_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--min-timeout", flags.min_timeout, milliseconds(10), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_min_timeout_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(SetTime<milliseconds>(
      "--retry-delay", flags.retry_delay, Duration::zero(), seconds(60),
      [&](int64_t ms) { spec->mutable_timing()->set_retry_delay_ms(static_cast<uint32_t>(ms)); }));
  PORTOLAN_RETURN_IF_ERROR(
      SetTime<seconds>("--lane-timeout", flags.lane_timeout, seconds(1), hours(24 * 7),
                       [&](int64_t s) { spec->set_lane_timeout_s(static_cast<uint32_t>(s)); }));
  PORTOLAN_RETURN_IF_ERROR(
      SetTime<seconds>("--retention", flags.retention, seconds(1), hours(24 * 36'525),
                       [&](int64_t s) { spec->set_retention_s(static_cast<uint64_t>(s)); }));
  if (flags.level != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto level, InRange<uint32_t>(flags.level, 0, 5, "-T", ""));
    spec->mutable_timing()->set_level(level);
  }
  if (flags.target_rate != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto rate,
                              InRange<double>(flags.target_rate, 0, 1e9, "--target-rate", ""));
    spec->mutable_timing()->set_address_rate(rate);
    spec->mutable_timing()->set_growth(1);
  }
  if (flags.prefix_rate != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto rate,
                              InRange<double>(flags.prefix_rate, 0, 1e9, "--prefix-rate", ""));
    spec->mutable_timing()->set_prefix_rate(rate);
    spec->mutable_timing()->set_growth(1);
  }
  if (flags.retries != -1) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto retries,
                              InRange<uint32_t>(flags.retries, 0, 10, "--retries", ""));
    spec->mutable_timing()->set_retries(retries);
  }
  return absl::OkStatus();
}

bool HasTargets(const ScanFlags& flags) {
  return !flags.targets.empty() || !flags.target_files.empty();
}

// Says which option took the target as its value, when one did.
absl::Status NoTarget(const ScanFlags& flags) {
  if (!flags.target_files.empty()) return InvalidArgument("no target: the files of -iL name none");
  const auto took = [&](const char* flag, const char* value, const std::string& text) {
    return InvalidArgument(
        "no target: {0} took \"{2}\" as its {1}; write {0} {1} {2}, or leave {0} out", flag, value,
        text);
  };
  // An option without its value takes the word that follows, so the last one of a list is meant.
  if (!flags.exclude.empty()) return took("--exclude", "TARGETS", flags.exclude.back());
  struct Option {
    const char *flag, *value;
    std::string text;
  };
  const auto last = [](const std::vector<std::string>& all) {
    return all.empty() ? std::string() : all.back();
  };
  for (const Option& o :
       {Option{"--exclude-file", "FILE", last(flags.exclude_files)},
        Option{"--vantage", "NAMES", last(flags.vantages)}, Option{"--name", "TEXT", flags.name},
        Option{"--request-id", "TEXT", flags.request_id}}) {
    if (IsTarget(o.text)) return took(o.flag, o.value, o.text);
  }
  return InvalidArgument(
      "no target: name addresses, networks or hosts, or read them with -iL FILE");
}

// A target where a file is wanted is the usual slip, and "no such file" alone does not tell it.
absl::Status ReadTargets(const char* flag, const std::string& file, std::istream& in,
                         std::vector<TargetText>* out) {
  absl::Status status = ReadTargetFile(file, in, kMaxTargetBytes, out);
  const absl::StatusOr<ParsedTargets> targets = ParseTargets({file});
  const bool is_address = targets.ok() && targets->problems().empty() && targets->names().empty();
  if (status.ok() || !is_address) return status;
  return MakeStatus(
      status.code(),
      fmt::format("{}; {} reads a file: a target is written without it", Message(status), flag));
}

absl::Status SetTargets(const ScanFlags& flags, std::istream& in, Notes& notes,
                        v1::ScanRequestSpec* spec, WrittenTargets* written) {
  if (!flags.ports.empty())
    PORTOLAN_RETURN_IF_ERROR(CheckPortsFlag("-p", flags.ports, HasTargets(flags)));
  if (!flags.exclude_ports.empty()) {
    PORTOLAN_RETURN_IF_ERROR(
        CheckPortsFlag("--exclude-ports", flags.exclude_ports, HasTargets(flags)));
  }
  std::vector<TargetText>& targets = written->targets;
  targets = TargetArguments(flags.targets, "");
  for (const std::string& file : flags.target_files)
    PORTOLAN_RETURN_IF_ERROR(ReadTargets("-iL", file, in, &targets));
  if (targets.empty()) return NoTarget(flags);
  std::vector<TargetText>& excluded = written->excluded;
  excluded = TargetArguments(flags.exclude, "--exclude");
  for (const std::string& file : flags.exclude_files)
    PORTOLAN_RETURN_IF_ERROR(ReadTargets("--exclude-file", file, in, &excluded));

  PORTOLAN_ASSIGN_OR_RETURN(const TargetShape shape, CheckTargets(targets));
  PORTOLAN_ASSIGN_OR_RETURN(const TargetShape exclusions, CheckTargets(excluded));
  if (TargetProblems all = shape.problems; !all.empty() || !exclusions.problems.empty()) {
    all.AddExclusions(exclusions.problems);
    std::vector<ShownProblem> shown;
    for (const TargetProblem& p : all.first())
      shown.push_back(ShowProblem(p, p.exclude ? excluded : targets));
    return TargetsRefused(absl::StatusCode::kInvalidArgument, shown, all.total(), notes);
  }
  size_t bytes = 0;
  for (const TargetText& t : targets) bytes += t.text.size();
  if (bytes > kMaxTargetBytes)
    return InvalidArgument("more than 32 MiB of targets: write ranges, or scan in parts");
  for (const TargetText& t : targets) spec->add_targets(t.text);
  for (const TargetText& t : excluded) spec->add_exclude(t.text);
  spec->set_skip_unresolved(flags.skip_unresolved);

  if (!flags.ports.empty() && flags.top_ports != 0)
    return InvalidArgument("-p and --top-ports exclude each other: write -p {},top-{}", flags.ports,
                           flags.top_ports);
  if (flags.top_ports != 0) {
    PORTOLAN_RETURN_IF_ERROR(Annotate(TopPorts(flags.top_ports).status(), "--top-ports"));
    spec->set_ports(fmt::format("top-{}", flags.top_ports));
  } else if (!flags.ports.empty()) {
    spec->set_ports(flags.ports);
  } else if (shape.without_port) {
    spec->set_ports(kDefaultPorts);
    notes.Note("no -p: scanning the 100 ports most worth it (top-100); -p- is all of them");
  }
  spec->set_exclude_ports(flags.exclude_ports);
  return absl::OkStatus();
}

}  // namespace

absl::Status TargetsRefused(absl::StatusCode code, const std::vector<ShownProblem>& shown,
                            uint64_t total, Notes& notes) {
  notes.Note(TargetProblemsText(shown, total));
  return MakeStatus(code, total == 1 ? "no scan was created: correct the target"
                                     : "no scan was created: correct the targets");
}

absl::StatusOr<v1::CreateScanRequest> MakeScanRequest(const ScanFlags& flags, Environment& env,
                                                      WrittenTargets* written) {
  v1::CreateScanRequest request;
  v1::ScanRequestSpec* spec = request.mutable_spec();
  PORTOLAN_RETURN_IF_ERROR(SetTiming(flags, spec));
  spec->set_name(flags.name);
  spec->set_mode(flags.each_vantage ? v1::SCAN_MODE_EACH_VANTAGE : v1::SCAN_MODE_SPLIT);
  for (const std::string& list : flags.vantages) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto names, SplitList(list));
    for (const std::string& name : names) spec->add_vantages(name);
  }
  spec->set_wait_for_agents(flags.wait_for_agents);
  if (flags.priority == "low") {
    spec->set_priority(v1::PRIORITY_LOW);
  } else if (flags.priority == "high") {
    spec->set_priority(v1::PRIORITY_HIGH);
  } else if (flags.priority == "normal") {
    spec->set_priority(v1::PRIORITY_NORMAL);
  } else {
    return InvalidArgument("--priority \"{}\": write low, normal or high", flags.priority);
  }
  if (flags.max_rate != 0) {
    PORTOLAN_ASSIGN_OR_RETURN(
        const auto rate, InRange<double>(flags.max_rate, 0.01, 1e8, "--max-rate", " probes/s"));
    spec->set_max_rate(rate);
  }
  if (flags.max_attempts != 0) {
    PORTOLAN_ASSIGN_OR_RETURN(const auto attempts,
                              InRange<uint32_t>(flags.max_attempts, 1, 100, "--max-attempts", ""));
    spec->set_max_attempts(attempts);
  }
  if (!flags.seed.empty()) {
    uint64_t seed = 0;
    const bool hex = flags.seed.starts_with("0x");
    const char* end = flags.seed.data() + flags.seed.size();
    const auto [at, error] =
        std::from_chars(flags.seed.data() + (hex ? 2 : 0), end, seed, hex ? 16 : 10);
    if (error != std::errc() || at != end || seed == 0) {
      return InvalidArgument(
          "--seed \"{}\": write a number from 1 to 18446744073709551615, or 0x and hexadecimal "
          "digits",
          flags.seed);
    }
    spec->set_seed(seed);
  }
  spec->set_allow_long(flags.yes);
  request.set_request_id(flags.request_id);
  if (flags.request_id.empty()) {  // so that a call whose answer was lost can be repeated
    std::random_device random;
    for (int i = 0; i < 4; ++i)
      request.mutable_request_id()->append(fmt::format("{:08x}", random()));
  }
  PORTOLAN_RETURN_IF_ERROR(SetTargets(flags, *env.in, *env.notes, spec, written));
  return request;
}

}  // namespace portolan
