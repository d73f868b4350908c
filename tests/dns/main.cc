// A name server for a network namespace of a test: dns_server [ADDRESS[:PORT]]
// Names say what becomes of them: tests/dns/zone.h. SIGUSR1: it falls silent; SIGUSR2: it answers
// again; ended: nobody listens any more. Prints its address once it listens.
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <utility>

#include "common/net/literal.h"
#include "tests/dns/dns_server.h"

int main(int argc, char** argv) {
  using portolan::DnsServer;
  const std::string where = argc > 1 ? argv[1] : "127.0.0.53:53";
  DnsServer::Options options;
  options.count_names = false;
  const size_t colon = where.rfind(':');
  uint32_t port = 53;
  if (argc > 2 || (colon != where.npos &&
                   !portolan::literal::ParseNumber(where.substr(colon + 1), 65535, &port))) {
    fmt::print(stderr, "usage: dns_server [ADDRESS[:PORT]]\n");
    return 2;
  }
  options.address = where.substr(0, colon);
  options.port = static_cast<uint16_t>(port);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the thread, which inherits it
  const auto server = DnsServer::Start(std::move(options));
  if (!server.ok()) {
    fmt::print(stderr, "dns_server: {}\n", server.status().ToString());
    return 1;
  }
  fmt::print("{}\n", (*server)->server().ToString());
  std::fflush(stdout);
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0 || signal == SIGTERM || signal == SIGINT) return 0;
    (*server)->SetMode(signal == SIGUSR1 ? DnsServer::Mode::kSilent : DnsServer::Mode::kAnswers);
  }
}
