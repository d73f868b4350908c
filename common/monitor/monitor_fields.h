#pragma once

#include "common/monitor/monitor_spec.h"
#include "common/monitor/spec_field.h"

namespace portolan {

// The one table that the reader, the writer, the difference of two specs and the editors' schema
// are made from: a whole document of kind Monitor. Lives as long as the program.
const SpecTable<MonitorSpec>& MonitorTable();

// What takes more than one field to see: a vantage that a rule names but the monitor has not, and
// the like. Paths name the fields.
std::vector<MonitorProblem> CheckAcrossFields(const MonitorSpec& spec);

}  // namespace portolan
