#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/net/port_set.h"
#include "common/net/target_parser.h"
#include "portolan/v1/scan_service.grpc.pb.h"

namespace portolan {

// A ScanService that keeps scans and observations in memory and answers as the test has told it to.
// Set it up before the calls; the handlers run on gRPC's threads, one at a time. Scan ids must be
// whole, or "last".
class FakeScanService final : public v1::ScanService::Service {
 public:
  using Context = grpc::ServerContext;

  // What one WatchScan call sends and how it ends. `before_end` runs before; use it to interrupt.
  struct WatchAttempt {
    std::vector<v1::Scan> updates;
    grpc::Status end;
    std::function<void()> before_end;
    bool until_cancelled = false;  // sends the last update again until the client goes
  };

  std::map<std::string, v1::Scan> scans;  // by id
  std::string last;                       // what "last" means
  std::vector<v1::Observation> observations;
  // Those of single scans, by id; the others have `observations`.
  std::map<std::string, std::vector<v1::Observation>> observations_of;
  bool without_everywhere_works = false;  // leaves out what without_everywhere_open says
  size_t page_size = 2;
  std::deque<WatchAttempt> watch_script;  // used up in order; then a watch sends the scan as it is
  // once: the stream breaks with UNAVAILABLE behind this many pages
  int break_stream_after_pages = -1;
  std::map<std::string, grpc::Status> errors;  // by method: what the next call ends with, once
  std::vector<v1::Agent> agents;
  std::vector<v1::HostFindingRow> findings;  // of every scan; in pages of page_size
  uint64_t findings_dropped = 0;

  // What was asked.
  std::vector<v1::ListHostFindingsRequest> asked_findings;
  std::vector<v1::CreateScanRequest> created;
  std::vector<v1::CreateScanProgress> progress;  // told before a scan is created
  std::vector<v1::ListObservationsRequest> listed;
  std::vector<std::string> calls;  // "PauseScan abc"
  std::vector<std::string> excluded;

  grpc::Status CreateScan(Context*, const v1::CreateScanRequest* request, v1::Scan* scan) override {
    std::lock_guard lock(mu_);
    created.push_back(*request);
    if (auto e = Begin("CreateScan", ""); !e.ok()) return e;
    v1::Scan& made = scans["new"];
    if (made.id().empty()) {
      made.set_id("new");
      made.set_state(v1::SCAN_STATE_COMPLETE);
    }
    *made.mutable_spec() = request->spec();
    last = "new";
    *scan = made;
    scan->set_state(v1::SCAN_STATE_RUNNING);
    return grpc::Status::OK;
  }
  grpc::Status CreateScanWithProgress(Context* context, const v1::CreateScanRequest* request,
                                      grpc::ServerWriter<v1::CreateScanProgress>* writer) override {
    std::vector<v1::CreateScanProgress> before;
    {
      std::lock_guard lock(mu_);
      before = progress;
    }
    for (const v1::CreateScanProgress& p : before) writer->Write(p);
    v1::CreateScanProgress last_message;
    const grpc::Status status = CreateScan(context, request, last_message.mutable_scan());
    if (status.ok()) writer->Write(last_message);
    return status;
  }
  grpc::Status GetScan(Context*, const v1::GetScanRequest* r, v1::Scan* scan) override {
    return Find("GetScan", r->scan_id(), scan);
  }
  grpc::Status ListScans(Context*, const v1::ListScansRequest* r,
                         v1::ListScansResponse* out) override {
    std::lock_guard lock(mu_);
    if (auto e = Begin("ListScans", r->page_token()); !e.ok()) return e;
    size_t n = 0;
    for (const auto& entry : scans) {
      if (entry.first <= r->page_token()) continue;
      if (n++ == std::max<size_t>(1, std::min<size_t>(r->page_size(), page_size))) {
        out->set_next_page_token(out->scans(out->scans_size() - 1).id());
        break;
      }
      *out->add_scans() = entry.second;
    }
    return grpc::Status::OK;
  }
  grpc::Status PauseScan(Context*, const v1::PauseScanRequest* r, v1::Scan* scan) override {
    return Set("PauseScan", r->scan_id(), v1::SCAN_STATE_PAUSED, scan);
  }
  grpc::Status ResumeScan(Context*, const v1::ResumeScanRequest* r, v1::Scan* scan) override {
    return Set("ResumeScan", r->scan_id(), v1::SCAN_STATE_RUNNING, scan);
  }
  grpc::Status CancelScan(Context*, const v1::CancelScanRequest* r, v1::Scan* scan) override {
    return Set("CancelScan", r->scan_id(), v1::SCAN_STATE_CANCELLING, scan);
  }
  grpc::Status ExcludeFromScan(Context*, const v1::ExcludeFromScanRequest* r,
                               v1::Scan* scan) override {
    const grpc::Status status = Find("ExcludeFromScan", r->scan_id(), scan);
    for (const auto& rule : r->rules()) excluded.push_back(rule);
    scan->set_overlay_version(excluded.size());
    return status;
  }
  grpc::Status DeleteScan(Context*, const v1::DeleteScanRequest* r,
                          v1::DeleteScanResponse*) override {
    v1::Scan scan;
    const grpc::Status status = Find("DeleteScan", r->scan_id(), &scan);
    if (status.ok()) scans.erase(r->scan_id());
    return status;
  }

  grpc::Status WatchScan(Context*, const v1::WatchScanRequest* r,
                         grpc::ServerWriter<v1::Scan>* writer) override {
    WatchAttempt attempt;
    {
      v1::Scan scan;
      const grpc::Status status = Find("WatchScan", r->scan_id(), &scan);
      if (!status.ok()) return status;
      std::lock_guard lock(mu_);
      attempt.updates = {scan};
      if (!watch_script.empty()) {
        attempt = watch_script.front();
        watch_script.pop_front();
      }
    }
    for (const v1::Scan& update : attempt.updates) writer->Write(update);
    if (attempt.before_end) attempt.before_end();
    while (attempt.until_cancelled && writer->Write(attempt.updates.back())) {
    }
    return attempt.end;
  }

  grpc::Status StreamObservations(
      Context*, const v1::ListObservationsRequest* r,
      grpc::ServerWriter<v1::ListObservationsResponse>* writer) override {
    std::vector<v1::ListObservationsResponse> pages;
    int break_after = -1;
    {
      std::lock_guard lock(mu_);
      listed.push_back(*r);
      if (auto e = Begin("StreamObservations", r->scan_id()); !e.ok()) return e;
      if (auto e = Pages(*r, &pages); !e.ok()) return e;
      std::swap(break_after, break_stream_after_pages);
    }
    for (size_t i = 0; i < pages.size(); ++i) {
      if (static_cast<int>(i) == break_after)
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
      if (!writer->Write(pages[i])) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

  grpc::Status ListHostFindings(Context*, const v1::ListHostFindingsRequest* r,
                                v1::ListHostFindingsResponse* out) override {
    std::lock_guard lock(mu_);
    asked_findings.push_back(*r);
    if (auto e = Begin("ListHostFindings", r->scan_id()); !e.ok()) return e;
    size_t at = r->page_token().empty() ? 0 : std::stoul(r->page_token());
    for (size_t n = 0; n < page_size && at < findings.size(); ++n, ++at) {
      *out->add_findings() = findings[at];
    }
    if (at < findings.size()) out->set_next_page_token(std::to_string(at));
    out->set_total(findings.size());
    out->set_dropped(findings_dropped);
    return grpc::Status::OK;
  }
  grpc::Status ListAgents(Context*, const v1::ListAgentsRequest*,
                          v1::ListAgentsResponse* out) override {
    for (const v1::Agent& a : agents) *out->add_agents() = a;
    return grpc::Status::OK;
  }
  grpc::Status DrainAgent(Context*, const v1::DrainAgentRequest* r, v1::Agent* out) override {
    std::lock_guard lock(mu_);
    calls.push_back("DrainAgent " + r->name() + (r->undo() ? " undo" : ""));
    for (v1::Agent& a : agents) {
      if (a.name() != r->name()) continue;
      a.set_draining(!r->undo());
      *out = a;
      return grpc::Status::OK;
    }
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "agent \"" + r->name() + "\" is not known");
  }
  grpc::Status GetServerInfo(Context*, const v1::GetServerInfoRequest*,
                             v1::ServerInfo* out) override {
    out->set_version("9.9");
    out->set_epoch(3);
    out->add_scope("allow 10.0.0.0/8");
    return grpc::Status::OK;
  }

 private:
  // Notes the call; the error that the test wants, once.
  grpc::Status Begin(const std::string& method, const std::string& what) {
    calls.push_back(what.empty() ? method : method + " " + what);
    const auto e = errors.find(method);
    if (e == errors.end()) return grpc::Status::OK;
    const grpc::Status status = e->second;
    errors.erase(e);
    return status;
  }
  grpc::Status Find(const std::string& method, const std::string& id, v1::Scan* out) {
    return Set(method, id, v1::SCAN_STATE_UNSPECIFIED, out);
  }
  grpc::Status Set(const std::string& method, const std::string& id, v1::ScanState state,
                   v1::Scan* out) {
    std::lock_guard lock(mu_);
    if (auto e = Begin(method, id); !e.ok()) return e;
    const auto at = scans.find(id == "last" ? last : id);
    if (at == scans.end())
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "scan \"" + id + "\": no such scan");
    if (state != v1::SCAN_STATE_UNSPECIFIED) at->second.set_state(state);
    *out = at->second;
    return grpc::Status::OK;
  }

  // A target is a name of the scan's observations, or an expression of addresses.
  grpc::Status Pages(const v1::ListObservationsRequest& r,
                     std::vector<v1::ListObservationsResponse>* out) const {
    const auto own = observations_of.find(r.scan_id());
    const std::vector<v1::Observation>& all =
        own == observations_of.end() ? observations : own->second;
    const auto is_named = [](const v1::Observation& o, const std::string& name) {
      return o.name() == name ||
             std::find(o.names().begin(), o.names().end(), name) != o.names().end();
    };
    std::vector<std::string> names, texts;
    for (const std::string& t : r.targets()) {
      const bool known = std::any_of(all.begin(), all.end(),
                                     [&](const v1::Observation& o) { return is_named(o, t); });
      (known ? names : texts).push_back(t);
    }
    const auto targets = ParseAddressTargets(texts);
    if (!targets.ok()) return {grpc::StatusCode::INVALID_ARGUMENT, "targets: no such name"};
    const auto ports =
        r.ports().empty() ? PortSet::Of({{0, 65535}}) : ParsePorts(r.ports()).value();
    const auto has = [](const auto& list, const auto& value) {
      return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
    };
    std::vector<v1::Observation> found;
    for (const v1::Observation& o : all) {
      const bool state = r.states().empty() ? o.state() == v1::PORT_STATE_OPEN
                                            : has(r.states(), static_cast<int>(o.state()));
      const bool target = r.targets().empty() ||
                          targets->addresses.Contains(IpAddress::FromBytes(o.address()).value()) ||
                          std::any_of(names.begin(), names.end(),
                                      [&](const std::string& name) { return is_named(o, name); });
      if (without_everywhere_works && r.without_everywhere_open() && o.host_finding() != 0)
        continue;
      if (state && target && has(r.vantages(), o.vantage()) &&
          ports.Contains(static_cast<uint16_t>(o.port())))
        found.push_back(o);
    }
    std::vector<v1::ListObservationsResponse>& pages = *out;
    pages.resize(1);
    for (size_t i = r.page_token().empty() ? 0 : std::stoul(r.page_token()); i < found.size();
         ++i) {
      if (pages.back().observations_size() == static_cast<int>(page_size)) {
        pages.back().set_next_page_token(std::to_string(i));
        pages.emplace_back();
      }
      *pages.back().add_observations() = found[i];
    }
    return grpc::Status::OK;
  }

  std::mutex mu_;
};

}  // namespace portolan
