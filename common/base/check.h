#pragma once

#include <cstdio>
#include <cstdlib>

// PORTOLAN_CHECK(cond): ends the program when one of our own invariants is broken. Never for input,
// peers, disks or networks: those get a Status.
#define PORTOLAN_CHECK(cond)                                                            \
  do {                                                                                  \
    if (!(cond)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #cond); \
      std::abort();                                                                     \
    }                                                                                   \
  } while (false)
