# Everything that is built with gcc and no sanitizer is hardened; tests/deploy/hardening_test.py reads it back from the programs.
# PORTOLAN_HARDEN=OFF is what `./dev bench hardening` compares against, and nothing else.
option(PORTOLAN_HARDEN "Harden the programs (gcc, without sanitizers)" ON)

# clang 14 refuses -ftrivial-auto-var-init=zero, and a sanitizer intercepts what _FORTIFY_SOURCE would replace.
if(PORTOLAN_HARDEN AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT PORTOLAN_SANITIZE)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  # Only where the compiler optimizes, as glibc demands; some distributions' compilers define it themselves.
  add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
  add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
endif()

# Position-independent code links to position-independent executables only where CMake is asked to (policy CMP0083).
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
