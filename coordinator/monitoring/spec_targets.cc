#include "coordinator/monitoring/spec_targets.h"

#include <algorithm>

#include "common/base/status.h"
#include "common/net/host_name.h"
#include "common/net/target_parser.h"

namespace portolan {
namespace {

std::string TextOf(const IpRange& range) {
  return range.first == range.last ? range.first.ToString()
                                   : range.first.ToString() + "-" + range.last.ToString();
}

// Reads `expressions` into `list`, and those without names into `texts` as they were written: what
// people see of a scan is what they wrote.
absl::Status Add(const std::vector<std::string>& expressions, SpecTargets::List* list,
                 std::vector<std::string>* texts) {
  PORTOLAN_ASSIGN_OR_RETURN(const ParsedTargets parsed, ParseTargets(expressions));
  if (!parsed.problems().empty()) return parsed.problems().ToStatus();
  TargetList plain = parsed.WithoutNames();
  std::vector<IpRange> ranges = list->addresses.ranges();
  ranges.insert(ranges.end(), plain.addresses.ranges().begin(), plain.addresses.ranges().end());
  list->addresses = IpSet::Of(std::move(ranges));
  for (const TargetList::Endpoint& e : plain.endpoints)
    list->endpoints.push_back({e.address, e.port});
  std::vector<bool> named(expressions.size());
  for (const ParsedTargets::NameUse& use : parsed.name_uses()) {
    list->named.push_back({NormalisedName(parsed.names()[use.name]), use.port});
    named[use.expression] = true;
  }
  for (size_t i = 0; i < expressions.size(); ++i) {
    if (!named[i]) texts->push_back(expressions[i]);
  }
  return absl::OkStatus();
}

// A list of many entries, names among them: the others become texts of their own.
absl::Status AddListed(const std::string& text, SpecTargets::List* list,
                       std::vector<std::string>* texts) {
  SpecTargets::List listed;
  std::vector<std::string> written;
  PORTOLAN_RETURN_IF_ERROR(Add({text}, &listed, &written));
  for (const IpRange& range : listed.addresses.ranges()) texts->push_back(TextOf(range));
  for (const SinglePort& e : listed.endpoints) texts->push_back(FormatEndpoint(e.address, e.port));
  std::vector<IpRange> ranges = list->addresses.ranges();
  ranges.insert(ranges.end(), listed.addresses.ranges().begin(), listed.addresses.ranges().end());
  list->addresses = IpSet::Of(std::move(ranges));
  list->endpoints.insert(list->endpoints.end(), listed.endpoints.begin(), listed.endpoints.end());
  std::move(listed.named.begin(), listed.named.end(), std::back_inserter(list->named));
  return absl::OkStatus();
}

template <typename T>
void SortUnique(std::vector<T>* all) {
  std::sort(all->begin(), all->end());
  all->erase(std::unique(all->begin(), all->end()), all->end());
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SpecTargets>> SpecTargets::Read(const MonitorSpec& spec) {
  auto out = std::make_shared<SpecTargets>();
  PORTOLAN_RETURN_IF_ERROR(Add(spec.targets, &out->targets_, &out->target_texts_));
  if (!spec.listed.text().empty())
    PORTOLAN_RETURN_IF_ERROR(AddListed(spec.listed.text(), &out->targets_, &out->target_texts_));
  PORTOLAN_RETURN_IF_ERROR(Add(spec.exclude, &out->exclude_, &out->exclude_texts_));
  List canaries;
  std::vector<std::string> ignored;
  PORTOLAN_RETURN_IF_ERROR(Add(spec.canaries.open, &canaries, &ignored));
  PORTOLAN_RETURN_IF_ERROR(Add(spec.canaries.closed, &canaries, &ignored));
  for (const List* list : {&out->targets_, &out->exclude_, &canaries}) {
    for (const Named& n : list->named) out->names_.push_back(n.name);
  }
  SortUnique(&out->names_);
  SortUnique(&out->targets_.named);
  SortUnique(&out->targets_.endpoints);
  SortUnique(&out->exclude_.named);
  return std::shared_ptr<const SpecTargets>(std::move(out));
}

}  // namespace portolan
