#include "coordinator/server/coordinator.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <set>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/dns/counted_lookup.h"
#include "common/dns/system_name_lookup.h"
#include "common/ops/http_endpoint.h"
#include "common/ops/log.h"
#include "common/ops/signals.h"
#include "common/ops/tls_watch.h"
#include "coordinator/control/control.h"
#include "coordinator/monitoring/control_scans.h"
#include "coordinator/monitoring/monitor_directory.h"
#include "coordinator/monitoring/monitoring.h"
#include "coordinator/notify/receiver_file.h"
#include "coordinator/server/coordinator_metrics.h"
#include "coordinator/server/json_api.h"
#include "coordinator/server/monitor_metrics.h"
#include "coordinator/service/fleet_service.h"
#include "coordinator/service/monitor_service.h"
#include "coordinator/service/scan_service.h"
#include "coordinator/store/store.h"

namespace portolan {
namespace {

class CoordinatorImpl final : public Coordinator {
 public:
  explicit CoordinatorImpl(CoordinatorOptions options) : options_(std::move(options)) {}
  ~CoordinatorImpl() override { Shutdown(std::chrono::seconds(5)); }

  absl::Status Start() {
    // What the user got wrong is said before anything is opened or written.
    PORTOLAN_RETURN_IF_ERROR(CheckOptions());
    if (options_.tls.enabled()) {
      PORTOLAN_ASSIGN_OR_RETURN(tls_, TlsWatch::Make(options_.tls, SystemClock()));
    }
    SqliteOptions sqlite;
    sqlite.directory = options_.data_directory;
    sqlite.sync_full = options_.sync_full;
    PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, OpenSqliteStore(sqlite));

    PORTOLAN_ASSIGN_OR_RETURN(names_, MakeSystemNameLookup());
    ControlOptions control;
    counted_names_ = std::make_unique<CountedNameLookup>(*names_, SystemClock());
    control.names = counted_names_.get();
    control.scope = options_.scope;
    control.retention = options_.retention;
    control.scheduler = options_.scheduler;
    control.log = &Log;
    control.on_ready = [this](bool ready) { SetServing(ready); };
    PORTOLAN_ASSIGN_OR_RETURN(control_,
                              Control::Start(std::move(control), std::move(store), SystemClock()));
    if (options_.monitoring) PORTOLAN_RETURN_IF_ERROR(StartMonitoring());
    PORTOLAN_RETURN_IF_ERROR(StartGrpc());
    PORTOLAN_RETURN_IF_ERROR(StartHttp());
    Log(LogLevel::kInfo, "listening",
        {{"grpc", options_.listen.empty() ? "none" : FormatHostPort(grpc_.host, grpc_port_)},
         {"http",
          options_.http.empty() ? "none" : FormatHostPort(http_address_.host, http_->port())},
         {"tls", options_.tls.enabled() ? "on" : "off"},
         {"data", options_.data_directory},
         {"epoch", std::to_string(control_->epoch())},
         {"version", Version()}});
    if (tls_ != nullptr) tls_->Start(nullptr);
    return absl::OkStatus();
  }

  std::shared_ptr<grpc::Channel> InProcessChannel() override {
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(64 << 20);
    args.SetMaxSendMessageSize(64 << 20);
    return server_->InProcessChannel(args);
  }
  int grpc_port() const override { return grpc_port_; }
  int http_port() const override { return http_ == nullptr ? 0 : http_->port(); }

  void SetScope(const Scope& scope) override { control_->SetScope(scope); }
  absl::Status Live() const override { return control_->Live(); }

  void Shutdown(Duration grace) override {
    MutexLock lock(shutdown_mu_);  // a second caller waits for the first
    if (std::exchange(shut_down_, true)) return;
    // Before the control: a run under way goes on with the next start, and must not see its end as
    // a failure. Also ends who follows events; else the server would wait for them.
    if (directory_ != nullptr) directory_->Stop();
    if (monitoring_ != nullptr) monitoring_->Stop();
    if (control_ != nullptr) control_->BeginShutdown();
    if (server_ != nullptr) {
      {
        MutexLock serving(serving_mu_);
        serving_ = nullptr;
      }
      // What has not ended by then is cancelled; every call of ours ends on cancellation.
      server_->Shutdown(std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          SystemClock().Wall() + grace));
      server_->Wait();
    }
    http_.reset();                    // its threads look at the others
    if (control_ == nullptr) return;  // never started
    control_->Stop();
    Log(LogLevel::kInfo, "stopped");
  }

 private:
  absl::Status CheckOptions() {
    if (options_.data_directory.empty()) return InvalidArgument("--data: empty; name a directory");
    if (!options_.webhooks.empty()) {
      absl::StatusOr<WebhookConfig> webhooks = LoadWebhookFile(options_.webhooks);
      if (!webhooks.ok()) return Annotate(webhooks.status(), "--webhooks");
      webhooks_ = *std::move(webhooks);
    }
    if (!options_.http.empty()) {
      absl::StatusOr<HostPort> address = ParseHostPort(options_.http);
      if (!address.ok()) return Annotate(address.status(), "--http");
      http_address_ = *std::move(address);
    }
    if (options_.http_tls && !options_.tls.enabled()) {
      return InvalidArgument(
          "--http-tls: has no certificate; give --tls-cert, --tls-key and --tls-ca");
    }
    if (options_.listen.empty()) return absl::OkStatus();
    absl::StatusOr<HostPort> address = ParseHostPort(options_.listen);
    if (!address.ok()) return Annotate(address.status(), "--listen");
    grpc_ = *std::move(address);
    if (options_.tls.enabled() || grpc_.loopback) return absl::OkStatus();
    if (!options_.insecure) {
      return InvalidArgument(
          "--listen {}: beyond loopback everybody who can connect could scan from your agents; "
          "give --tls-cert, --tls-key and --tls-ca, or listen on "
          "127.0.0.1, or accept the risk with --insecure",
          options_.listen);
    }
    Log(LogLevel::kWarning,
        "listening without TLS: whoever can connect can scan from the agents, and pretend to be "
        "one",
        {{"listen", options_.listen}});
    return absl::OkStatus();
  }

  absl::Status StartMonitoring() {
    scan_client_ = std::make_unique<ControlScans>(*control_);
    MonitoringOptions monitoring;
    monitoring.data_directory = options_.data_directory;
    monitoring.sync_full = options_.sync_full;
    monitoring.names = counted_names_.get();
    monitoring.webhooks = webhooks_;
    monitoring.series_budget = options_.series_budget;
    monitoring.seed = control_->epoch();
    monitoring.log = &Log;
    PORTOLAN_ASSIGN_OR_RETURN(
        monitoring_, Monitoring::Start(std::move(monitoring), *scan_client_, SystemClock()));
    if (options_.monitors.empty()) return absl::OkStatus();
    PORTOLAN_ASSIGN_OR_RETURN(
        directory_, MonitorDirectory::Start(options_.monitors, *monitoring_, SystemClock(), &Log));
    return absl::OkStatus();
  }

  absl::Status StartGrpc() {
    fleet_ = std::make_unique<FleetService>(*control_);
    scans_ = std::make_unique<ScanService>(*control_, Version());
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    ConfigureServer(builder);
    PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                              MakeServerCredentials(tls_ != nullptr ? tls_->copies() : TlsFiles()));
    if (!options_.listen.empty())
      builder.AddListeningPort(FormatHostPort(grpc_.host, grpc_.port), credentials, &grpc_port_);
    builder.RegisterService(fleet_.get());
    builder.RegisterService(scans_.get());
    if (monitoring_ != nullptr) {
      monitors_ = std::make_unique<MonitorService>(*monitoring_, SystemClock());
      builder.RegisterService(monitors_.get());
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || (!options_.listen.empty() && grpc_port_ == 0)) {
      return Unavailable("--listen {}: cannot listen: {}; give another address or port",
                         options_.listen, WhyCannotListen(grpc_));
    }
    MutexLock lock(serving_mu_);
    serving_ = server_->GetHealthCheckService();
    if (serving_ != nullptr) Serve(ready_);
    return absl::OkStatus();
  }

  absl::Status StartHttp() {
    if (options_.http.empty()) return absl::OkStatus();
    HttpEndpointOptions http;
    http.listen = options_.http;
    if (options_.http_tls) http.tls = options_.tls;
    http.ready = [this] { return control_->Ready(); };
    http.live = [this] { return control_->Live(); };
    http.routes = JsonApi(*control_, monitoring_.get());
    http.guard = [this](const HttpRequest& request) {
      return MayReadApi(http_address_.loopback, options_.http, request);
    };
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics = {
        ProcessMetrics("portolan-coordinator"),
        CoordinatorMetrics(*control_, *counted_names_, [this] { return MonitoredVantages(); })};
    if (monitoring_ != nullptr) {
      MonitorMetricsOptions monitors;
      monitors.series_budget = options_.series_budget;
      metrics.push_back(MonitorMetricsOf(*monitoring_, monitors));
    }
    PORTOLAN_ASSIGN_OR_RETURN(http_, HttpEndpoint::Start(std::move(http), std::move(metrics)));
    return absl::OkStatus();
  }

  // Paused monitors do not miss their vantages.
  std::vector<std::string> MonitoredVantages() const {
    if (monitoring_ == nullptr) return {};
    const std::shared_ptr<const MonitoringMetrics> metrics = monitoring_->Metrics();
    std::set<std::string> out;
    for (const MonitorMetrics& m : metrics->monitors) {
      if (m.paused) continue;
      for (const auto& [vantage, state] : m.vantages) out.insert(vantage);
    }
    return {out.begin(), out.end()};
  }

  // On the control thread.
  void SetServing(bool ready) {
    MutexLock lock(serving_mu_);
    ready_ = ready;
    if (serving_ != nullptr) Serve(ready);
  }
  void Serve(bool ready) REQUIRES(serving_mu_) {
    serving_->SetServingStatus(ready);
    for (const char* service :
         {v1::ScanService::service_full_name(), v1::FleetService::service_full_name(),
          v1::MonitorService::service_full_name()}) {
      serving_->SetServingStatus(service, ready);
    }
  }

  const CoordinatorOptions options_;
  HostPort grpc_, http_address_;
  int grpc_port_ = 0;
  WebhookConfig webhooks_;
  // Each borrows those before it.
  std::unique_ptr<TlsWatch> tls_;  // null: without TLS
  std::unique_ptr<NameLookup> names_;
  std::unique_ptr<CountedNameLookup> counted_names_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<ControlScans> scan_client_;
  std::unique_ptr<Monitoring> monitoring_;
  std::unique_ptr<MonitorDirectory> directory_;
  std::unique_ptr<FleetService> fleet_;
  std::unique_ptr<ScanService> scans_;
  std::unique_ptr<MonitorService> monitors_;  // null without monitoring
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<HttpEndpoint> http_;
  Mutex serving_mu_;
  grpc::HealthCheckServiceInterface* serving_ GUARDED_BY(serving_mu_) = nullptr;  // the server's
  bool ready_ GUARDED_BY(serving_mu_) = false;
  Mutex shutdown_mu_;
  bool shut_down_ GUARDED_BY(shutdown_mu_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(CoordinatorOptions options) {
  auto coordinator = std::make_unique<CoordinatorImpl>(std::move(options));
  PORTOLAN_RETURN_IF_ERROR(coordinator->Start());
  return std::unique_ptr<Coordinator>(std::move(coordinator));
}

}  // namespace portolan
