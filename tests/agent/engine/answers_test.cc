// Walks docs/observations.md: every answer of its tables, over both engines, with real sockets,
// against simnet's world "answers" and injected failures, in a network namespace without a way out.
#include "tests/simnet/answers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/agent/engine/probing.h"
#include "tests/contract/connect_fault.h"
#include "tests/contract/namespace.h"
#include "tests/simnet/params.h"
#include "tests/simnet/server.h"

namespace portolan {
namespace {

using simnet::Families;
using simnet::ScriptedAnswer;

constexpr Duration kHold = milliseconds(250);  // longer than the 50 ms of a row
constexpr uint32_t kHosts4 = 0xc6130001;       // 198.19.0.1
const IpAddress kHosts6 = *IpAddress::Parse("2001:db8:ff::1");

// --- the document ---

// What the tables of the document say, by the names in `backticks` of their rows.
struct Document {
  std::map<std::string, Symbol> symbols;
  std::map<std::string, std::string> after;
};

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  std::string cell;
  std::getline(in, cell, '|');  // before the first bar
  while (std::getline(in, cell, '|')) {
    const size_t first = cell.find_first_not_of(' '), last = cell.find_last_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

std::vector<std::string> NamesIn(const std::string& cell) {
  std::vector<std::string> names;
  for (size_t from = cell.find('`'); from != std::string::npos; from = cell.find('`', from + 1)) {
    const size_t to = cell.find('`', from + 1);
    if (to == std::string::npos) break;
    names.push_back(cell.substr(from + 1, to - from - 1));
    from = to;
  }
  return names;
}

Document ReadDocument() {
  Document out;
  std::ifstream file(PORTOLAN_SOURCE_DIR "/docs/observations.md");
  std::vector<std::string> header;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] != '|') {
      header.clear();
      continue;
    }
    const std::vector<std::string> cells = CellsOf(line);
    if (header.empty()) {
      header = cells;
    } else if (header.size() == 4 && header[1] == "State" && cells[1].find('-') != 0) {
      const auto state = StateFromName(cells[1]);
      const auto reason = ReasonFromName(cells[2]);
      EXPECT_TRUE(state && reason) << line;
      if (!state || !reason) continue;
      for (const std::string& name : NamesIn(cells[0]))
        EXPECT_TRUE(out.symbols.emplace(name, Symbol{*state, *reason}).second) << name;
    } else if (header[0] == "`after`") {
      for (const std::string& name : NamesIn(cells[1])) out.after[name] = cells[0];
    }
  }
  return out;
}

std::string_view NameOf(AfterOpen after) {
  constexpr std::string_view kNames[] = {"not held", "reset", "closed",
                                         "data",     "quiet", "no-window"};
  return kNames[static_cast<size_t>(after)];
}

// --- failures of this machine, each made by its own cause ---

constexpr std::string_view kFaults[] = {
    "self-connect", "unreachable route", "no route",       "no address",      "EMFILE",
    "ENFILE",       "EADDRNOTAVAIL",     "ENOBUFS",        "ENOMEM",          "EPERM",
    "EACCES",       "ENETDOWN",          "prohibit route", "blackhole route", "local drop"};

TEST(AnswersDocument, EveryNameHasItsCaseAndEveryCaseIsInTheDocument) {
  const Document document = ReadDocument();
  std::set<std::string> cases(std::begin(kFaults), std::end(kFaults));
  for (const ScriptedAnswer& answer : simnet::ScriptedAnswers()) {
    const std::string name(answer.name);
    cases.insert(name);
    const auto row = document.symbols.find(name);
    ASSERT_NE(row, document.symbols.end()) << name;
    EXPECT_EQ(row->second, simnet::World::TruthOf(answer.behaviour)) << name;
    EXPECT_EQ(document.after.count(name), row->second.state == State::kOpen) << name;
  }
  for (const auto& [name, symbol] : document.symbols) EXPECT_TRUE(cases.count(name)) << name;
  for (const std::string& name : cases) EXPECT_TRUE(document.symbols.count(name)) << name;
  // All that RFC 792, RFC 1812 and RFC 4443 have.
  for (int code = 0; code <= 15; ++code)
    EXPECT_TRUE(document.symbols.count("ICMP 3/" + std::to_string(code))) << code;
  for (int code = 0; code <= 7; ++code)
    EXPECT_TRUE(document.symbols.count("ICMPv6 1/" + std::to_string(code))) << code;
}

// --- the walk ---

// The world "answers", served by a process of its own until this object goes.
class AnswersNetwork {
 public:
  AnswersNetwork() {
    simnet::WorldOptions options;
    const auto preset = simnet::FindPreset("answers");
    if (!preset.ok() || !simnet::SetParameters(preset->parameters, options).ok()) return;
    auto device = simnet::TunDevice::Open("sim0", {"198.18.0.1", "2001:db8::1"});
    if (!device.ok()) {
      std::fprintf(stderr, "%s\n", device.status().ToString().c_str());
      return;
    }
    const simnet::World world(options);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t mask;
    sigemptyset(&mask);
    simnet::Server server(world, {}, *std::move(device), {});
    const int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    _exit(server.Run(SystemClock().Now() + seconds(60), signals).ok() ? 0 : 1);
  }
  ~AnswersNetwork() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  bool ok() const { return pid_ > 0; }

 private:
  pid_t pid_ = -1;
};

bool IsRight(std::string_view name, const ProbeOutcome& got, const Symbol& wanted) {
  if (SymbolOf(got) == wanted) return true;
  std::fprintf(stderr, "%s: %s/%s errno %d, wanted %s/%s\n", std::string(name).c_str(),
               std::string(StateName(got.state)).c_str(),
               std::string(ReasonName(got.reason)).c_str(), got.local_errno,
               std::string(StateName(wanted.state)).c_str(),
               std::string(ReasonName(wanted.reason)).c_str());
  return false;
}

// One answer, held and not held. Rounds share the sockets, so that an answer's leftovers would
// show.
bool WalkRow(ProbeEngine& engine, const Document& document, const ScriptedAnswer& row,
             const IpAddress& host, uint16_t port) {
  const std::string name(row.name);
  const Symbol wanted = document.symbols.at(name);
  const bool silent = wanted.reason == Reason::kNoResponse;
  const bool slow = row.behaviour.slow || row.behaviour.second_syn;
  if (slow) {
    // What is too late for the first try is found by the second.
    if (!IsRight(name, ProbeOnce(engine, host, port, milliseconds(100)), kSilent)) return false;
  }
  const bool resets = row.behaviour.after == simnet::After::kReset;
  const ProbeOutcome plain =
      ProbeOnce(engine, host, port, silent ? Duration(milliseconds(60)) : Duration(seconds(5)));
  // The engine does not wait for the reset when it is not told to hold.
  if (!IsRight(name, plain, resets ? kOpen : wanted)) return false;
  if (plain.after != AfterOpen::kNotHeld) return false;
  if (!engine.StartHolding(host, port, silent ? Duration(milliseconds(60)) : Duration(seconds(5)),
                           kHold, 1, kNever))
    return false;
  const ProbeOutcome held = Collect(engine, 1).front();
  if (!IsRight(name, held, wanted)) return false;
  const std::string after =
      wanted.state == State::kOpen ? document.after.at(name) : std::string("not held");
  if (NameOf(held.after) == after) return true;
  std::fprintf(stderr, "%s: after %s, wanted %s\n", name.c_str(),
               std::string(NameOf(held.after)).c_str(), after.c_str());
  return false;
}

TEST_P(RealEngine, AnswersOfTheNetworkMeanWhatTheDocumentSays) {
  const Document document = ReadDocument();
  const std::optional<int> status = InNamespace([&document] {
    const AnswersNetwork network;
    if (!network.ok()) return kNoNamespace;
    auto engine = MakeEngine(2);
    for (uint32_t round = 0; round < 2; ++round) {
      // Another host each time: a port that has had its first SYN is another one.
      const IpAddress host4 = IpAddress::V4(kHosts4 + round);
      const IpAddress host6 = IpAddress::V6(kHosts6.value() + round);
      uint16_t port = simnet::kFirstAnswerPort;
      for (const ScriptedAnswer& row : simnet::ScriptedAnswers()) {
        if (row.families != Families::kV6 && !WalkRow(*engine, document, row, host4, port))
          return 1;
        if (row.families != Families::kV4 && !WalkRow(*engine, document, row, host6, port))
          return 2;
        ++port;
      }
    }
    return 0;
  });
  if (status == kNoNamespace) GTEST_SKIP() << "needs a network namespace and a TUN device";
  EXPECT_EQ(status, 0);
}

// The outcome of one failure in a namespace without a route; nullopt: it cannot be made here.
std::optional<ProbeOutcome> Fail(std::string_view name) {
  const std::map<std::string_view, int> errnos = {{"ENFILE", ENFILE}, {"ENOBUFS", ENOBUFS},
                                                  {"ENOMEM", ENOMEM}, {"EPERM", EPERM},
                                                  {"EACCES", EACCES}, {"ENETDOWN", ENETDOWN}};
  const TestSocket refused = TestSocket::Bound(kLoopback);
  auto engine = MakeEngine(8);
  const IpAddress target = IpAddress::V4(0xc6120505);  // 198.18.5.5
  if (errnos.count(name)) {
    ConnectFault fault;
    if (!fault.Enter() || !fault.Set(refused.port(), errnos.at(name))) return std::nullopt;
    return ProbeOnce(*engine, kLoopback, refused.port());
  }
  if (name == "no address") return ProbeOnce(*engine, target, 80);
  if (name == "no route") {
    if (!AddAddress("198.18.7.1/24")) return std::nullopt;
    return ProbeOnce(*engine, target, 80);
  }
  if (name.ends_with(" route")) {
    const std::string kind(name.substr(0, name.find(' ')));
    if (!Shell("ip route add " + kind + " 198.18.5.0/24")) return std::nullopt;
    return ProbeOnce(*engine, target, 80);
  }
  if (name == "local drop") {
    const TestSocket open = TestSocket::Listening(kLoopback);
    if (!Shell(
            "nft 'table inet t { chain output { type filter hook output priority 0; meta skuid " +
            std::to_string(getuid()) + " tcp dport " + std::to_string(open.port()) +
            " drop; }\n}'"))
      return std::nullopt;
    return ProbeOnce(*engine, kLoopback, open.port(), milliseconds(100));
  }
  if (name == "EMFILE") {
    const rlimit limit{static_cast<rlim_t>(dup(0)), static_cast<rlim_t>(dup(0))};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
    return ProbeOnce(*engine, kLoopback, refused.port());
  }
  // Few ports: none is left for another attempt at one target, or the kernel takes the target's
  // own.
  if (!SetSysctl("net/ipv4/ip_local_port_range", "40000 40001")) return std::nullopt;
  if (name == "EADDRNOTAVAIL") {
    SilentPort silent(IpAddress::V4(0x7f000005));
    ProbeOutcome last;
    for (uint64_t i = 0; i < 3; ++i) {
      if (!engine->Start(IpAddress::V4(0x7f000005), silent.port(), milliseconds(50), i, kNever))
        break;
    }
    for (const ProbeOutcome& outcome : Collect(*engine, 3)) {
      if (outcome.state == State::kOwed) last = outcome;
    }
    return last;
  }
  for (int i = 0; i < 500; ++i) {  // self-connect
    const ProbeOutcome outcome = ProbeOnce(*engine, kLoopback, 40'000);
    if (outcome.reason != Reason::kConnRefused && outcome.reason != Reason::kLocalFailure)
      return outcome;
  }
  return std::nullopt;
}

TEST_P(RealEngine, FailuresOfThisMachineMeanWhatTheDocumentSays) {
  const Document document = ReadDocument();
  for (std::string_view name : kFaults) {
    const Symbol wanted = document.symbols.at(std::string(name));
    const std::optional<int> status = InNamespace([&] {
      const std::optional<ProbeOutcome> got = Fail(name);
      if (!got) return kNoNamespace;
      return IsRight(name, *got, wanted) ? 0 : 1;
    });
    if (status == kNoNamespace) {
      std::printf("%s: cannot be made here (needs root, nft, or BPF on cgroups)\n",
                  std::string(name).c_str());
      continue;
    }
    EXPECT_EQ(status, 0) << name;
  }
}

}  // namespace
}  // namespace portolan
