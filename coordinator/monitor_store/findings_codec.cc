#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {
namespace {

constexpr uint8_t kFindingVersion = 1, kFindingsVersion = 1;

FindingKind GetKind(RecordReader& r) {
  return r.GetEnum(FindingKind::kMustNotBeOpen, kLastFindingKind);
}

void PutFinding(RecordWriter& w, const Finding& f) {
  w.PutEnum(f.key.kind);
  w.PutName(f.key.rule);
  w.PutName(f.key.vantage);
  w.PutBool(f.key.target.has_value());
  if (f.key.target) w.PutTarget(*f.key.target);
  w.PutBool(f.key.port.has_value());
  if (f.key.port) w.Varint(*f.key.port);
  w.PutEnum(f.severity);
  w.PutIp(f.address);
  w.PutTime(f.since);
  w.PutTime(f.found);
  w.PutTime(f.resolved);
  w.PutName(f.owner);
  w.String(f.text);
  w.String(f.remedy);
}

Finding GetFinding(RecordReader& r) {
  Finding f;
  f.key.kind = GetKind(r);
  f.key.rule = r.GetName();
  f.key.vantage = r.GetName();
  if (r.GetBool()) f.key.target = r.GetTarget();
  if (r.GetBool()) f.key.port = r.Varint16();
  f.severity = r.GetEnum(Severity::kInfo, Severity::kCritical);
  f.address = r.GetIp();
  f.since = r.GetTime();
  f.found = r.GetTime();
  f.resolved = r.GetTime();
  f.owner = r.GetName();
  f.text = r.String();
  f.remedy = r.String();
  return f;
}

}  // namespace

std::string EncodeFinding(const Finding& finding) {
  RecordWriter w(kFindingVersion);
  PutFinding(w, finding);
  return w.Seal();
}

absl::StatusOr<Finding> DecodeFinding(std::string_view bytes) {
  RecordReader r(bytes, kFindingVersion);
  Finding finding = GetFinding(r);
  if (!r.done()) return DamagedRecord("finding", bytes.size());
  return finding;
}

std::string EncodeFindings(const StoredFindings& findings) {
  RecordWriter w(kFindingsVersion);
  w.PutTime(findings.evaluated);
  w.PutBool(findings.stale);
  w.Varint(findings.board.open.size());
  for (const auto& [key, finding] : findings.board.open) PutFinding(w, finding);
  w.Varint(findings.board.total.size());
  for (const auto& [rule, total] : findings.board.total) {
    w.PutEnum(rule.first);
    w.PutName(rule.second);
    w.Varint(total);
  }
  return w.Seal();
}

absl::StatusOr<StoredFindings> DecodeFindings(std::string_view bytes) {
  RecordReader r(bytes, kFindingsVersion);
  StoredFindings findings;
  findings.evaluated = r.GetTime();
  findings.stale = r.GetBool();
  for (size_t left = r.Count(17); left > 0 && r.ok(); --left) {
    Finding finding = GetFinding(r);
    FindingKey key = finding.key;
    findings.board.open.insert_or_assign(findings.board.open.end(), std::move(key),
                                         std::move(finding));
  }
  for (size_t left = r.Count(3); left > 0 && r.ok(); --left) {
    const FindingKind kind = GetKind(r);
    std::string rule = r.GetName();
    findings.board.total[{kind, std::move(rule)}] = r.Varint();
  }
  if (!r.done()) return DamagedRecord("list of open findings", bytes.size());
  return findings;
}

}  // namespace portolan
