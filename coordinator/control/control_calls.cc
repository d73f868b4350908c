#include "coordinator/control/control_calls.h"

#include "common/base/status.h"

namespace portolan {

absl::Status ControlCalls::Stopping() {
  return Unavailable("the scan service is stopping; try again when it is back");
}

absl::Status ControlCalls::Busy() {
  return ResourceExhausted("too many requests are waiting; try again in a few seconds");
}

}  // namespace portolan
