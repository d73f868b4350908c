// The simulated network as a program: docs/simnet.md.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/net/target_parser.h"
#include "tests/simnet/params.h"
#include "tests/simnet/server.h"
#include "tests/simnet/truth.h"

namespace portolan::simnet {
namespace {

struct Arguments {
  std::string verb;
  std::string preset = "plain";
  WorldOptions world;
  std::map<std::string, std::string, std::less<>> options;  // without the dashes

  std::string Get(std::string_view name, std::string_view fallback) const {
    const auto found = options.find(name);
    return found == options.end() ? std::string(fallback) : found->second;
  }
};

const std::map<std::string, std::vector<std::string_view>, std::less<>> kVerbs = {
    {"run", {"tun", "address", "counters", "per-address", "max-seconds", "queue", "half-open-ms"}},
    {"truth", {"targets", "ports", "format", "states", "count"}},
    {"show", {"targets", "ports"}},
};

constexpr std::string_view kUsage =
    "simnet VERB [WORLD] [NAME=VALUE...] [--OPTION VALUE...]\n"
    "\n"
    "A network behind a TUN device, in which the truth about every port is known.\n"
    "\n"
    "simnet run      makes the device and answers until SIGTERM or SIGINT; only in a network "
    "namespace without a way out\n"
    "  --tun NAME            of the device (sim0)\n"
    "  --address A,B,...     the scanner's addresses, given to the device "
    "(198.18.0.1,2001:db8::1)\n"
    "  --counters FILE       what was seen, as a line of JSON, written at the end and on SIGUSR1 "
    "(\"-\": standard output)\n"
    "  --per-address FILE    SYNs of each address as CSV, written likewise\n"
    "  --max-seconds N       ends by itself after that (3600)\n"
    "  --queue N             replies that wait at most (1048576)\n"
    "  --half-open-ms N      how long an unanswered SYN counts as half-open (1000)\n"
    "  Prints the line \"ready\" once it answers.\n"
    "simnet truth    prints what a perfect scanner finds, without a packet\n"
    "  --targets T --ports P as portolan scan takes them (the world's own)\n"
    "  --format jsonl|csv    (jsonl)\n"
    "  --states A,B          only these: open, closed, filtered, unreachable\n"
    "  --count               only how many there are of each state\n"
    "simnet show     prints the world's targets, ports and parameters as JSON\n";

std::string Help() {
  return fmt::format(
      "{}\nParameters, their defaults and units; they change the world that was named (\"plain\" "
      "when none is):\n{}\n"
      "Worlds, the targets and ports that they are meant for, and their parameters:\n{}",
      kUsage, ParametersHelp(), PresetsHelp());
}

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& argv) {
  Arguments out;
  if (argv.empty() || kVerbs.find(argv[0]) == kVerbs.end())
    return InvalidArgument("say what to do: run, truth or show; --help tells more");
  out.verb = argv[0];
  const std::vector<std::string_view>& known = kVerbs.find(out.verb)->second;
  std::vector<std::string> parameters;
  for (size_t i = 1; i < argv.size(); ++i) {
    std::string word = argv[i];
    const bool dashed = word.rfind("--", 0) == 0;
    if (dashed) word.erase(0, 2);
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const bool option = dashed && std::find(known.begin(), known.end(), name) != known.end();
    if (option && name == "count") {
      out.options.insert_or_assign(name, std::string("1"));
    } else if (option && equals == std::string::npos) {
      if (++i == argv.size()) return InvalidArgument("--{} needs a value", name);
      out.options[name] = argv[i];
    } else if (option) {
      out.options[name] = word.substr(equals + 1);
    } else if (equals != std::string::npos) {
      parameters.push_back(word);
    } else if (!dashed) {
      out.preset = word;
    } else {
      return InvalidArgument("--{}: not an option of simnet {}", word, out.verb);
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(const Preset preset, FindPreset(out.preset));
  PORTOLAN_RETURN_IF_ERROR(SetParameters(preset.parameters, out.world));
  for (const std::string& p : parameters) PORTOLAN_RETURN_IF_ERROR(SetParameter(p, out.world));
  PORTOLAN_RETURN_IF_ERROR(Validate(out.world));
  out.options.try_emplace("targets", preset.targets);
  out.options.try_emplace("ports", preset.ports);
  return out;
}

absl::StatusOr<uint64_t> NumberOf(const Arguments& a, std::string_view name, uint64_t fallback,
                                  uint64_t most) {
  const std::string text = a.Get(name, std::to_string(fallback));
  uint64_t value = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9' || value > most)
      return InvalidArgument("--{} {}: not a number of 1..{}", name, text, most);
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (value == 0 || value > most)
    return InvalidArgument("--{} {}: not a number of 1..{}", name, text, most);
  return value;
}

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

absl::Status Truth(const Arguments& a) {
  PORTOLAN_ASSIGN_OR_RETURN(const TargetList targets, ParseAddressTargets({a.Get("targets", "")}));
  PORTOLAN_ASSIGN_OR_RETURN(const PortSet ports, ParsePorts(a.Get("ports", "")));
  const std::string format = a.Get("format", "jsonl");
  if (format != "jsonl" && format != "csv")
    return InvalidArgument("--format {}: jsonl or csv", format);
  return WriteTruth(World(a.world), targets.addresses, ports,
                    {format == "csv", a.options.contains("count"), a.Get("states", "")}, Print);
}

absl::Status Show(const Arguments& a) {
  std::string out = fmt::format("{{\"world\":\"{}\",\"targets\":\"{}\",\"ports\":\"{}\"", a.preset,
                                a.Get("targets", ""), a.Get("ports", ""));
  for (const std::string& p : ParametersOf(a.world)) {
    const size_t equals = p.find('=');
    out += fmt::format(",\"{}\":{}", p.substr(0, equals), p.substr(equals + 1));
  }
  Print(out + "}\n");
  return absl::OkStatus();
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

absl::Status Run(const Arguments& a) {
  PORTOLAN_ASSIGN_OR_RETURN(const uint64_t seconds, NumberOf(a, "max-seconds", 3600, 86'400));
  PORTOLAN_ASSIGN_OR_RETURN(const uint64_t queue, NumberOf(a, "queue", 1u << 20, 1u << 24));
  PORTOLAN_ASSIGN_OR_RETURN(const uint64_t half_open, NumberOf(a, "half-open-ms", 1000, 60'000));
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  const int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return Internal("signalfd: {}", std::strerror(errno));
  prctl(PR_SET_TIMERSLACK, 1000);  // nanoseconds: a reply is late by the scheduler's delay alone
  (void)setpriority(
      PRIO_PROCESS, 0,
      -10);  // a network does not wait for the scanner; without the right to it, it does
  auto device =
      TunDevice::Open(a.Get("tun", "sim0"), Split(a.Get("address", "198.18.0.1,2001:db8::1")));
  if (!device.ok()) return device.status();
  NetworkOptions options;
  options.queue = static_cast<uint32_t>(queue);
  options.half_open_time = std::chrono::milliseconds(half_open);
  const World world(a.world);
  Server server(world, options, *std::move(device),
                {a.Get("counters", "-"), a.Get("per-address", "")});
  Print("ready\n");
  std::fflush(stdout);
  absl::Status status = server.Run(SystemClock().Now() + std::chrono::seconds(seconds), signals);
  close(signals);
  return status;
}

int Main(const std::vector<std::string>& argv) {
  for (const std::string& word : argv) {
    if (word == "--help" || word == "-h") {
      Print(Help());
      return 0;
    }
  }
  const auto arguments = ParseArguments(argv);
  absl::Status status = arguments.status();
  if (status.ok())
    status = arguments->verb == "run"     ? Run(*arguments)
             : arguments->verb == "truth" ? Truth(*arguments)
                                          : Show(*arguments);
  if (status.ok()) return 0;
  fmt::print(stderr, "simnet: {}\n", Message(status));
  return arguments.ok() ? 1 : 2;
}

}  // namespace
}  // namespace portolan::simnet

int main(int argc, char** argv) { return portolan::simnet::Main({argv + 1, argv + argc}); }
