#include "common/monitor/monitor_file.h"
#include "tests/fuzz/fuzz.h"

// A file of monitors: no exception leaves the reader; what it takes can be written and read back;
// what it refuses it explains in printable words, within the text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  const MonitorFile file = ParseMonitors(Text(data, size));
  for (const MonitorProblem& p : file.problems) {
    CheckError(InvalidArgument("{}{}", p.path, p.message));
    PORTOLAN_CHECK(p.line >= 0 && static_cast<size_t>(p.line) <= size + 1);
  }
  for (const MonitorFile::Entry& m : file.monitors) {
    PORTOLAN_CHECK(CheckMonitor(m.spec).ok());
    const MonitorFile again = ParseMonitors(MonitorYaml(m.spec));
    PORTOLAN_CHECK(again.problems.empty() && again.monitors.size() == 1 &&
                   again.monitors[0].spec == m.spec);
  }
  return 0;
}
