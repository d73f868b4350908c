// write_monitor_schema > deploy/monitors/monitor.schema.json
#include <cstdio>

#include "common/monitor/monitor_file.h"

int main() {
  const std::string schema = portolan::MonitorJsonSchema();
  return std::fwrite(schema.data(), 1, schema.size(), stdout) == schema.size() ? 0 : 1;
}
