#include "coordinator/monitoring/control_scans.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <utility>

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr size_t kPage = 10'000;

// Tells two requests apart, now and after a restart. Without the names that led to the targets:
// they decide nothing about what is probed.
std::string DigestOf(const ScanRequest& r) {
  ByteWriter w;
  const auto strings = [&](const std::vector<std::string>& all) {
    w.Varint(all.size());
    for (const std::string& s : all) w.String(s);
  };
  w.String(r.name);
  w.String(r.monitor);
  strings(r.targets);
  w.String(r.ports);
  strings(r.exclude);
  w.String(r.exclude_ports);
  strings(r.vantages);
  strings(r.avoid_agents);
  const ProbeTiming& t = r.timing;
  for (const uint64_t n :
       {static_cast<uint64_t>(r.mode), static_cast<uint64_t>(r.priority), uint64_t{r.max_attempts},
        uint64_t{r.lane_timeout_s}, r.retention_s, r.seed, uint64_t{t.retries},
        uint64_t{t.address_in_flight}, uint64_t{t.growth}}) {
    w.Varint(n);
  }
  for (const double d : {r.max_rate, t.address_rate, t.prefix_rate}) w.Double(d);
  for (const Duration d : {t.timeout, t.retry_delay, t.min_timeout}) w.Signed(d.count());
  const std::string bytes = w.Take();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  PORTOLAN_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) ==
                 1);
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

}  // namespace

void ControlScans::Create(ScanRequest request, const std::string& key, Done<ScanStatus> done) {
  std::string digest = DigestOf(request);
  // Keys of monitors are apart from those of operators.
  control_.CreateScan(std::move(request), key.empty() ? std::string() : "monitor:" + key,
                      std::move(digest), std::move(done));
}

void ControlScans::Get(const std::string& id, Done<ScanStatus> done) {
  control_.GetScan(id, std::move(done));
}

void ControlScans::Cancel(const std::string& id) {
  control_.ChangeScan(id, Control::Verb::kCancel, [](const absl::StatusOr<ScanStatus>&) {});
}

absl::StatusOr<ResultPage> ControlScans::OpenPorts(const std::string& id,
                                                   const std::string& page_token) {
  ResultQuery query;
  query.states = {State::kOpen};
  query.limit = kPage;
  query.without_everywhere_open = true;  // these are told as findings about their hosts
  return control_.ReadPageNow(id, query, page_token);
}

absl::StatusOr<FindingRows> ControlScans::HostFindings(const std::string& id,
                                                       const std::string& page_token) {
  ResultQuery query;
  query.limit = kPage;
  return control_.ReadFindingsNow(id, query, page_token);
}

absl::StatusOr<ScanClient::OutcomeReader> ControlScans::Outcomes(const std::string& id) {
  PORTOLAN_ASSIGN_OR_RETURN(std::unique_ptr<ScanOutcomes> opened, control_.OpenOutcomes(id));
  return OutcomeReader([outcomes = std::shared_ptr<ScanOutcomes>(std::move(opened))](
                           const std::string& vantage, const IpAddress& address, uint16_t port) {
    return outcomes->At(vantage, address, port);
  });
}

absl::Status ControlScans::CheckScope(const ScanRequest& request) {
  PlanContext context;
  context.scope = control_.scope();
  return PlanScan(request, context).status();
}

}  // namespace portolan
