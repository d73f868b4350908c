#include "common/ops/signals.h"

namespace portolan {

const char* Version() { return PORTOLAN_VERSION; }

}  // namespace portolan
