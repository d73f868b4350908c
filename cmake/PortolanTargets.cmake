# Helpers that give every target of the project the same warnings and options.

add_library(portolan_options INTERFACE)
target_include_directories(portolan_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(portolan_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(PORTOLAN_WERROR)
  target_compile_options(portolan_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(portolan_options INTERFACE -Wthread-safety)
endif()
if(PORTOLAN_SANITIZE)
  target_compile_options(portolan_options INTERFACE -fsanitize=${PORTOLAN_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(portolan_options INTERFACE -fsanitize=${PORTOLAN_SANITIZE})
endif()

if(PORTOLAN_FUZZ)
  target_compile_options(portolan_options INTERFACE -fsanitize=fuzzer-no-link)  # coverage, for the fuzzer to follow
endif()

# portolan_library(NAME SOURCES a.cc ... [PUBLIC lib ...] [PRIVATE lib ...])
# One static library a folder. PUBLIC: libraries whose headers our headers include.
function(portolan_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE portolan_options ${ARG_PRIVATE})
endfunction()

# portolan_program(NAME SOURCES main.cc LIBS lib ...): an installed program.
function(portolan_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE portolan_options ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT ${name})  # a Debian package of its own
endfunction()

# portolan_test(NAME SOURCES a_test.cc ... LIBS lib ... [LABELS unit] [TIMEOUT seconds] [OPTIMIZED] [SINGLE_THREADED])
# Label unit: no process, no network beyond loopback, no gRPC; these also run under the sanitizer presets.
# SINGLE_THREADED: it is left out under ThreadSanitizer, which has nothing to see there.
# OPTIMIZED: its own files do so much that they take no PORTOLAN_TEST_FLAGS.
function(portolan_test name)
  cmake_parse_arguments(ARG "OPTIMIZED;SINGLE_THREADED" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(ARG_SINGLE_THREADED AND PORTOLAN_SANITIZE STREQUAL "thread")
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE portolan_options ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  if(PORTOLAN_TEST_FLAGS AND NOT ARG_OPTIMIZED)
    target_compile_options(${name} PRIVATE ${PORTOLAN_TEST_FLAGS})
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    # Else UBSan only prints, and the test passes.
    ENVIRONMENT "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1;TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp"
    SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\].*whole binary")
endfunction()

# Adds each named folder that has a CMakeLists.txt.
function(portolan_folders)
  foreach(folder ${ARGN})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()
