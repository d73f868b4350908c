#include "common/net/target_problem.h"

#include <fmt/format.h>

#include <utility>

#include "absl/strings/cord.h"
#include "common/base/bytes.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr char kPayload[] = "portolan/target-problems";
// Of the message of a status: the rest is counted, and is in the payload.
constexpr size_t kTold = 5;
constexpr size_t kToldBytes = 500;

}  // namespace

void TargetProblems::Add(TargetProblem problem) {
  AddUnkept(problem.lookup);
  if (!full()) first_.push_back(std::move(problem));
}

void TargetProblems::AddUnkept(std::optional<LookupProblem> lookup) {
  ++total_;
  if (lookup == LookupProblem::kCouldNotAsk) ++could_not_ask_;
}

void TargetProblems::AddExclusions(TargetProblems exclusions) {
  total_ += exclusions.total_;
  could_not_ask_ += exclusions.could_not_ask_;
  for (TargetProblem& p : exclusions.first_) {
    if (full()) break;
    p.exclude = true;
    first_.push_back(std::move(p));
  }
}

absl::Status TargetProblems::ToStatus(std::string_view targets_field,
                                      std::string_view exclude_field) const {
  std::string told;
  size_t count = 0;
  for (const TargetProblem& p : first_) {
    if (count == kTold || told.size() > kToldBytes) break;
    ++count;
    const std::string_view field = p.exclude ? exclude_field : targets_field;
    if (!told.empty()) told += "; ";
    told += field.empty() ? fmt::format("{} \"{}\"", p.exclude ? "exclusion" : "target", p.entry)
                          : fmt::format("{}[{}] \"{}\"", field, p.expression, p.entry);
    if (p.at_character) told += fmt::format(" (line {}, column {})", p.place.line, p.place.column);
    told += ": " + p.problem;
  }
  if (total_ > count) told += fmt::format("; and {} more", total_ - count);
  if (total_ > 1) told = Counted(total_, "entry", "entries") + " cannot be used: " + told;
  absl::Status status = MakeStatus(
      only_could_not_ask() ? absl::StatusCode::kUnavailable : absl::StatusCode::kInvalidArgument,
      told);
  ByteWriter w;
  w.Varint(total_);
  w.Varint(could_not_ask_);
  w.Varint(first_.size());
  for (const TargetProblem& p : first_) {
    w.Varint(p.expression);
    w.Byte(p.exclude ? 1 : 0);
    w.Varint(p.place.line);
    w.Varint(p.place.column);
    w.Byte(p.at_character ? 1 : 0);
    w.String(p.entry);
    w.String(p.problem);
    w.Byte(p.lookup ? static_cast<uint8_t>(*p.lookup) : 0);
  }
  status.SetPayload(kPayload, absl::Cord(w.Take()));
  return status;
}

std::optional<TargetProblems> ProblemsOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return std::nullopt;
  const std::string bytes(*payload);
  ByteReader r(bytes);
  TargetProblems out;
  out.total_ = r.Varint();
  out.could_not_ask_ = r.Varint();
  for (size_t n = r.Count(8); n > 0 && r.ok(); --n) {
    TargetProblem& p = out.first_.emplace_back();
    p.expression = r.Varint();
    p.exclude = r.Byte() != 0;
    p.place.line = r.Varint();
    p.place.column = r.Varint();
    p.at_character = r.Byte() != 0;
    p.entry = r.String();
    p.problem = r.String();
    if (const uint8_t lookup = r.Byte(); lookup != 0) p.lookup = static_cast<LookupProblem>(lookup);
  }
  if (!r.done()) return std::nullopt;
  return out;
}

}  // namespace portolan
