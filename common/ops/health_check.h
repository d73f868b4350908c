#pragma once

#include <string>

namespace portolan {

// --health-check of the daemons: asks the /livez of the one that serves `http` (HOST:PORT, as its
// --http; an address that stands for all is asked on loopback) and prints the answer, for images
// without a shell. `tls`: it serves https; whatever its certificate says, it asks this machine and
// tells it nothing. The exit code: 0 it is well, 1 it is not, or does not answer within 5 s, 2
// there is nobody to ask.
int CheckHealth(const std::string& program, const std::string& http, bool tls = false);

}  // namespace portolan
