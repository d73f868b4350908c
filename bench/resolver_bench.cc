// How fast names are looked up, beside a bare c-ares loop that makes the same questions, in
// interleaved pairs; and 300 slow names. The name server is a process of its own.
#include <ares.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/summary.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/dns/blocking_lookup.h"
#include "common/dns/system_name_lookup.h"
#include "tests/dns/dns_server.h"

namespace portolan::bench {
namespace {

// The name server, in a child that ends with this process.
class ServerProcess {
 public:
  ServerProcess() {
    std::array<int, 2> to_parent{}, to_child{};
    PORTOLAN_CHECK(pipe(to_parent.data()) == 0 && pipe(to_child.data()) == 0);
    pid_ = fork();
    PORTOLAN_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      close(to_child[1]);
      DnsServer::Options options;
      options.count_names = false;
      const auto server = DnsServer::Start(std::move(options));
      PORTOLAN_CHECK(server.ok());
      const uint16_t port = (*server)->server().port;
      PORTOLAN_CHECK(write(to_parent[1], &port, sizeof port) == sizeof port);
      char none = 0;
      // Until the parent closes its end, or is no more.
      [[maybe_unused]] const ssize_t end = read(to_child[0], &none, 1);
      _exit(0);
    }
    close(to_child[0]);
    hold_ = to_child[1];
    PORTOLAN_CHECK(read(to_parent[0], &server_.port, sizeof server_.port) == sizeof server_.port);
    server_.address = IpAddress::V4(0x7f000001);
  }
  ~ServerProcess() {
    close(hold_);
    waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const NameServer& server() const { return server_; }
  // Processor time so far.
  double CpuSeconds() const {
    std::ifstream in(fmt::format("/proc/{}/stat", pid_));
    std::string word;
    double ticks = 0;
    for (int i = 1; i <= 15 && in >> word; ++i) {
      if (i >= 14) ticks += std::stod(word);  // utime, stime; the program's name has no blank
    }
    return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = -1;
  int hold_ = -1;
  NameServer server_;
};

std::vector<std::string> Names(size_t count, int milliseconds) {
  std::vector<std::string> names;
  names.reserve(count);
  for (size_t i = 0; i < count; ++i) names.push_back(fmt::format("h{}.ms{}.test", i, milliseconds));
  return names;
}

// Processor time of this process so far.
double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Since(Time begin) { return ToSeconds(SystemClock().Now() - begin); }

// The least that a correct program does with c-ares: one channel, `window` names under way, both
// families, addresses kept.
class BareLoop {
 public:
  BareLoop(const NameServer& server, size_t window) : window_(window) {
    PORTOLAN_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
    std::array<char, 2> lookups{'b', '\0'};
    ares_options options{};
    options.timeout = 5000;
    options.tries = 2;
    options.lookups = lookups.data();
    options.socket_receive_buffer_size = 4 << 20;
    PORTOLAN_CHECK(ares_init_options(&channel_, &options,
                                     ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                         ARES_OPT_SOCK_RCVBUF) == ARES_SUCCESS);
    ares_addr_port_node node{};
    node.family = AF_INET;
    node.addr.addr4.s_addr = htonl(static_cast<uint32_t>(server.address.value()));
    node.udp_port = node.tcp_port = server.port;
    PORTOLAN_CHECK(ares_set_servers_ports(channel_, &node) == ARES_SUCCESS);
  }
  ~BareLoop() { ares_destroy(channel_); }
  BareLoop(const BareLoop&) = delete;
  BareLoop& operator=(const BareLoop&) = delete;

  // How many names have an address.
  size_t Run(const std::vector<std::string>& names) {
    std::vector<Answer> answers(names.size());
    size_t next = 0;
    while (true) {
      for (; next < names.size() && open_ < 2 * window_; ++next) {
        for (const int type : {ns_t_a, ns_t_aaaa}) {
          Question* question = new Question{this, &answers[next], type};
          ++open_;
          ares_query(channel_, names[next].c_str(), ns_c_in, type, &OnAnswer, question);
        }
      }
      if (open_ == 0) break;
      std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
      const int bits = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
      pollfd polled{sockets[0], POLLIN, 0};
      PORTOLAN_CHECK(ARES_GETSOCK_READABLE(bits, 0));
      poll(&polled, 1, 20);
      ares_process_fd(channel_, polled.revents != 0 ? sockets[0] : ARES_SOCKET_BAD,
                      ARES_SOCKET_BAD);
    }
    size_t found = 0;
    for (const Answer& answer : answers) found += answer.addresses.empty() ? 0 : 1;
    return found;
  }

 private:
  struct Answer {
    std::vector<IpAddress> addresses;
  };
  struct Question {
    BareLoop* loop;
    Answer* answer;
    int type;
  };
  static void OnAnswer(void* arg, int status, int /*timeouts*/, unsigned char* bytes, int size) {
    const std::unique_ptr<Question> question(static_cast<Question*>(arg));
    --question->loop->open_;
    if (status != ARES_SUCCESS) return;
    if (question->type == ns_t_a) {
      std::array<ares_addrttl, 16> found{};
      int count = found.size();
      if (ares_parse_a_reply(bytes, size, nullptr, found.data(), &count) != ARES_SUCCESS) return;
      for (int i = 0; i < count; ++i) {
        question->answer->addresses.push_back(
            IpAddress::V4(ntohl(found[static_cast<size_t>(i)].ipaddr.s_addr)));
      }
    } else {
      std::array<ares_addr6ttl, 16> found{};
      int count = found.size();
      if (ares_parse_aaaa_reply(bytes, size, nullptr, found.data(), &count) != ARES_SUCCESS) return;
      for (int i = 0; i < count; ++i) {
        const auto& raw = found[static_cast<size_t>(i)].ip6addr._S6_un._S6_u8;
        const auto address = IpAddress::FromBytes({reinterpret_cast<const char*>(raw), sizeof raw});
        if (address.ok()) question->answer->addresses.push_back(*address);
      }
    }
  }

  const size_t window_;
  ares_channel channel_ = nullptr;
  size_t open_ = 0;
};

size_t Found(const absl::StatusOr<std::vector<NameAnswer>>& answers) {
  PORTOLAN_CHECK(answers.ok());
  size_t found = 0;
  for (const NameAnswer& answer : *answers) found += answer.addresses.empty() ? 0 : 1;
  return found;
}

int Main(int argc, char** argv) {
  const Arguments arguments(argc, argv, {"names", "delay", "pairs"});
  const auto count = static_cast<size_t>(arguments.Number("names", 100'000));
  const int delay = static_cast<int>(arguments.Number("delay", 3));
  const int pairs = static_cast<int>(arguments.Number("pairs", 5));
  const ServerProcess process;  // before there are threads
  SystemNameLookupOptions options;
  options.servers = {process.server()};
  options.resolv_conf = options.hosts = options.nsswitch = "/dev/null";
  options.environment = false;
  const auto lookup = MakeSystemNameLookup(options);
  PORTOLAN_CHECK(lookup.ok());
  const std::vector<std::string> names = Names(count, delay);
  const size_t window = options.max_names * 2 / 3;  // what one list gets
  std::vector<double> ours, bare, ratio, busy;
  size_t least = count;
  for (int pair = 0; pair < pairs; ++pair) {
    // Alternately first, so that neither profits from what the machine does next.
    std::array<double, 2> seconds{}, own{};
    for (int half = 0; half < 2; ++half) {
      const bool is_bare = (pair + half) % 2 == 1;
      own[is_bare ? 1 : 0] = -OwnCpuSeconds();
      const double cpu = process.CpuSeconds();
      const Time begin = SystemClock().Now();
      const size_t found =
          is_bare ? BareLoop(process.server(), window).Run(names) : Found(LookUp(**lookup, names));
      seconds[is_bare ? 1 : 0] = Since(begin);
      own[is_bare ? 1 : 0] += OwnCpuSeconds();
      busy.push_back((process.CpuSeconds() - cpu) / seconds[is_bare ? 1 : 0]);
      least = std::min(least, found);
    }
    ours.push_back(seconds[0]);
    bare.push_back(seconds[1]);
    ratio.push_back(seconds[1] / seconds[0]);
    fmt::print(
        "  pair {}: {:.2f} s ({:.2f} s of processor), bare loop {:.2f} s ({:.2f} s): {:.2f}\n",
        pair + 1, seconds[0], own[0], seconds[1], own[1], ratio.back());
  }
  fmt::print("  the name server was busy for {:.0f} % of the time\n", 100 * Median(busy));
  PrintSummary("resolver",
               fmt::format("{} names of {} ms in {:.2f} s, {:.2f} of a bare c-ares loop, {} found",
                           count, delay, Median(ours), Median(ratio), least),
               "under 10 s, at least 0.70, all found",
               Median(ours) < 10 && Median(ratio) >= 0.7 && least == count);
  const Time begin = SystemClock().Now();
  const size_t found = Found(LookUp(**lookup, Names(300, 1000)));
  const double slow = Since(begin);
  PrintSummary("resolver-slow", fmt::format("300 names of 1 s in {:.2f} s, {} found", slow, found),
               "under 5 s, all found", slow < 5 && found == 300);
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
