#include "agent/app/agent.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "agent/app/agent_metrics.h"
#include "agent/engine/answer.h"
#include "agent/engine/conntrack.h"
#include "agent/engine/local_limits.h"
#include "agent/engine/local_routes.h"
#include "agent/engine/probe_engine.h"
#include "agent/link/link.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/ops/http_endpoint.h"
#include "common/ops/log.h"
#include "common/ops/signals.h"
#include "common/ops/tls_watch.h"

namespace portolan {
namespace {

struct Engines {
  std::vector<std::unique_ptr<ProbeEngine>> all;
  uint32_t window = 0;
  std::string limited_by;
  std::string reason;  // why this kind of engine
};

// One engine a thread; the file limit of the process is divided over them.
absl::StatusOr<Engines> MakeEngines(const AgentOptions& options) {
  const auto threads = static_cast<uint32_t>(options.engine_threads);
  const FileBudget budget = RaiseFileLimit();
  const uint32_t wanted = options.window != 0 ? options.window / threads : kDefaultWindow;
  const uint32_t each = std::min(wanted, budget.probes / threads);
  if (each == 0) {
    return FailedPrecondition(
        "file limit {} leaves no descriptor for probes ({} open, {}): raise "
        "LimitNOFILE (ulimit -n)",
        budget.limit, budget.open, Counted(threads, "engine thread", "engine threads"));
  }
  Engines out;
  if (each < wanted) {
    out.limited_by =
        fmt::format("file limit {} caps probes in flight at {}: raise LimitNOFILE (ulimit -n)",
                    budget.limit, each * threads);
  }
  EngineChoice choice = EngineChoiceFromName(options.engine).value_or(EngineChoice::kAuto);
  for (uint32_t i = 0; i < threads; ++i) {
    EngineOptions engine;
    engine.window = each;
    engine.sources = options.sources;
    PORTOLAN_ASSIGN_OR_RETURN(MadeEngine made, MakeEngine(choice, engine, SystemClock()));
    // All threads have the same kind: what the first found out holds for the others.
    if (i == 0) out.reason = made.reason;
    if (made.engine->name() == "epoll") choice = EngineChoice::kEpoll;
    out.window += made.engine->window();
    if (out.limited_by.empty()) out.limited_by = made.engine->limited_by();
    out.all.push_back(std::move(made.engine));
  }
  return out;
}

std::string RandomBytes(size_t n) {
  std::random_device random;
  std::string out(n, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// What of this machine limits the agent, for people: from what its threads say.
std::function<std::string(const std::vector<ProbeThread::Snapshot>&, Time)> LimitsOf(
    const AgentOptions& options, const std::string& window_limited_by, uint32_t window) {
  LocalLimits::Options o;
  o.window_limited_by = window_limited_by;
  o.window = window;
  o.sources = static_cast<uint32_t>(
      std::max<ptrdiff_t>(1, std::count_if(options.sources.begin(), options.sources.end(),
                                           [](const IpAddress& a) { return !a.is_v6(); })));
  o.max_rate = options.max_rate;
  return [limits = LocalLimits(std::move(o))](const std::vector<ProbeThread::Snapshot>& threads,
                                              Time now) mutable {
    LocalLimits::Signs signs;
    for (const ProbeThread::Snapshot& s : threads) {
      signs.in_flight += s.in_flight;
      signs.out_of_ports += s.engine.local[LocalFailureIndex(EADDRNOTAVAIL)];
      signs.table_waits += s.counters.table_waits;
      for (const int v6 : {0, 1}) signs.without_route[v6] += s.counters.without_route[v6];
      signs.source_gone += s.engine.local[LocalFailureIndex(kSourceGoneErrno)];
    }
    return limits.Describe(now, signs);
  };
}

class AgentImpl final : public Agent {
 public:
  static absl::StatusOr<std::unique_ptr<Agent>> Start(AgentOptions options) {
    PORTOLAN_RETURN_IF_ERROR(CheckAgentOptions(options));
    std::unique_ptr<CoordinatorClient> client;
    std::unique_ptr<TlsWatch> tls;
    if (options.channel != nullptr) {
      client = MakeGrpcClient(options.channel);
    } else {
      if (options.tls.enabled()) {
        PORTOLAN_ASSIGN_OR_RETURN(tls, TlsWatch::Make(options.tls, SystemClock()));
      }
      PORTOLAN_ASSIGN_OR_RETURN(
          client,
          MakeGrpcClient(options.coordinators, tls != nullptr ? tls->copies() : TlsFiles()));
    }
    PORTOLAN_ASSIGN_OR_RETURN(Engines engines, MakeEngines(options));

    std::unique_ptr<AgentImpl> agent(new AgentImpl(options, std::move(tls), std::move(client)));
    const AgentFacts facts{std::string(engines.all[0]->name()), engines.reason, engines.window,
                           options.max_rate};
    std::vector<ProbeThread*> threads;
    RunnerOptions runner;
    runner.target_fraction = 1.0 / static_cast<double>(engines.all.size());
    for (std::unique_ptr<ProbeEngine>& engine : engines.all) {
      agent->threads_.push_back(std::make_unique<ProbeThread>(std::move(engine), agent->spool_,
                                                              options.scope, SystemClock(), runner,
                                                              [] { return ReadConntrack(); }));
      threads.push_back(agent->threads_.back().get());
    }
    LinkOptions link;
    link.name = options.name;
    link.vantage = options.vantage;
    link.incarnation = RandomBytes(16);
    link.version = Version();
    link.engine = facts.engine;
    link.max_rate = options.max_rate;
    link.window = engines.window;
    link.scope = options.scope.Describe();
    link.limits = LimitsOf(options, engines.limited_by, engines.window);
    std::memcpy(&link.seed, link.incarnation.data(), sizeof(link.seed));
    agent->link_ = std::make_unique<Link>(std::move(link), *agent->client_, threads, agent->spool_,
                                          SystemClock());

    Link* const running = agent->link_.get();
    if (!options.http.empty()) {
      HttpEndpointOptions http;
      http.listen = options.http;
      http.ready = [running] { return running->Ready(); };
      http.live = [running] { return running->Live(); };
      PORTOLAN_ASSIGN_OR_RETURN(
          agent->http_, HttpEndpoint::Start(
                            http, {ProcessMetrics("portolan-agent"),
                                   AgentMetrics(facts, [running] { return running->Status(); })}));
    }
    Log(LogLevel::kInfo, "agent started",
        {{"agent", options.name},
         {"vantage", options.vantage},
         {"engine", facts.engine},
         {"engine_reason", facts.engine_reason},
         {"threads", std::to_string(threads.size())},
         {"window", std::to_string(engines.window)},
         {"version", Version()}});
    if (agent->tls_ != nullptr) {
      // A connection shows the certificate with which it was made: the coordinator would see the
      // old one end.
      agent->tls_->Start([client = agent->client_.get()] { client->Reconnect(); });
    }
    return std::unique_ptr<Agent>(std::move(agent));
  }

  ~AgentImpl() override {
    if (tls_ != nullptr) tls_->Stop();
  }

  absl::Status Live() const override { return link_->Live(); }
  std::string Describe() const override {
    const LinkStatus status = link_->Status();
    if (status.draining) return "draining";
    if (status.waiting) return "waiting: another process has called under this agent's name";
    if (status.coordinator.empty()) return "calling the coordinator";  // not one round yet
    return (status.connected ? "connected to " : "no answer from ") + status.coordinator;
  }
  int http_port() const override { return http_ == nullptr ? 0 : http_->port(); }
  absl::Status Drain(Duration grace) override { return link_->Drain(grace); }
  void SetScope(const Scope& scope) override {
    for (const std::unique_ptr<ProbeThread>& thread : threads_)
      thread->Post([scope](Runner& runner, Time) { runner.SetScope(scope); });
    link_->SetScope(scope.Describe());
  }
  absl::Status Fatal() const override { return link_->Fatal(); }

 private:
  AgentImpl(const AgentOptions& options, std::unique_ptr<TlsWatch> tls,
            std::unique_ptr<CoordinatorClient> client)
      : tls_(std::move(tls)),
        client_(std::move(client)),
        spool_(SpoolOptionsOf(options), SystemClock()) {}

  static SpoolOptions SpoolOptionsOf(const AgentOptions& options) {
    SpoolOptions out;
    out.limit_bytes = options.spool_bytes;
    return out;
  }

  // Each uses those above it; tls_ calls the client until it is stopped.
  std::unique_ptr<TlsWatch> tls_;  // null: without TLS
  std::unique_ptr<CoordinatorClient> client_;
  Spool spool_;
  std::vector<std::unique_ptr<ProbeThread>> threads_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(AgentOptions options) {
  return AgentImpl::Start(std::move(options));
}

}  // namespace portolan
