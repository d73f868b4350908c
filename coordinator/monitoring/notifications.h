#pragma once

#include "common/monitor/monitor_spec.h"
#include "coordinator/exposure/change.h"
#include "coordinator/exposure/expectations.h"
#include "coordinator/exposure/findings.h"
#include "coordinator/notify/notification.h"

namespace portolan {

// What people are told of an event. `rule`: that decides about the subject; nullptr: none. As
// severe as the rule that it breaks, else info.
Notification NotificationOf(const ExposureEvent& event, const ExposureRule* rule,
                            const MonitorSpec& spec);
// Of a finding that was found, or (resolved is set) is resolved.
Notification NotificationOf(const Finding& finding, const MonitorSpec& spec);

}  // namespace portolan
