#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/monitor/monitor_spec.h"
#include "common/monitor/yaml_node.h"

// Monitors as text: YAML files, their digests and differences.
namespace portolan {

struct MonitorFile {
  struct Entry {
    MonitorSpec spec;
    int line = 0;  // where its document begins
  };
  std::vector<Entry> monitors;  // the valid ones
  // in the order of the lines; empty: the whole file is valid
  std::vector<MonitorProblem> problems;
};

// Reads the monitors of a file: any number of documents of kind Monitor. Nothing of `text` is
// trusted; throws nothing, looks up no name, reads no file but those of the named time zones. Names
// must be unique within the file. Whoever applies a file applies all of it or, with problems,
// nothing.
MonitorFile ParseMonitors(std::string_view text);

// The files that the documents' targetsFrom name, each once, as written: to be read by whoever read
// the documents. Documents that are not valid name what can be told of them. Reads no file.
std::vector<std::string> TargetFilesOf(std::string_view text);

// "monitors/web.yaml:12:7: spec.ports: ..." one a line; OK when there are none. `file`: for people.
absl::Status ProblemsStatus(std::string_view file, const std::vector<MonitorProblem>& problems);

// What is wrong with a spec that did not come from a file, by the same rules. OK, or
// InvalidArgument with all problems, one a line.
absl::Status CheckMonitor(const MonitorSpec& spec);

// The canonical document of a valid spec: parses back to an equal one. Defaults are left out.
std::string MonitorYaml(const MonitorSpec& spec);

// 32 hexadecimal digits that equal specs share, now and in later versions of the program (unless a
// field is added and used). Not cryptographic: who must be sure compares the specs.
std::string MonitorDigest(const MonitorSpec& spec);

// One line a changed field: "spec.ports: 22,80 -> 22,443", "+ spec.webhooks[1]: chat", "- ...".
// Empty when they are equal.
std::vector<std::string> DiffMonitors(const MonitorSpec& before, const MonitorSpec& after);

// JSON schema (draft 7) of one document, for editors: deploy/monitors/monitor.schema.json.
std::string MonitorJsonSchema();

}  // namespace portolan
