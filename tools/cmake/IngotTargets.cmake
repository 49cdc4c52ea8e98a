# How Ingot's targets are made: one function a kind of target, so that flags live in one place.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

function(ingot_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter -ffp-contract=off)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
endfunction()

# No check of function types: it reads the bytes before a function, and a kernel may lie at the start of a mapping.
# None of objects' types either: it reads type information, which the runtime is built without.
function(ingot_sanitize target)
  if(INGOT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${INGOT_SANITIZE} -fno-sanitize-recover=undefined
                                             -fno-sanitize=function,vptr -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${INGOT_SANITIZE})
  endif()
endfunction()

# A library of the runtime: small C++20, neither exceptions nor RTTI, sanitised in the asan preset.
function(ingot_runtime_library target)
  add_library(${target} STATIC ${ARGN})
  ingot_flags(${target})
  ingot_sanitize(${target})
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>
                                           -ffunction-sections -fdata-sections)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/runtime/include)
endfunction()

# Everything that the asan preset builds and runs: the runtime's tests and, of the compiler, the importer's.
add_custom_target(ingot_sanitized_tests)

# A GoogleTest binary. Every TEST in it becomes a ctest test; WHOLE: the binary is one, for tests that share costly kernels.
# UNSANITIZED: not part of the sanitizers' run.
function(ingot_unit_test target)
  cmake_parse_arguments(arg "UNSANITIZED;WHOLE" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${target} ${arg_SOURCES})
  ingot_flags(${target})
  ingot_sanitize(${target})
  target_link_libraries(${target} PRIVATE ${arg_LIBS} GTest::gtest GTest::gtest_main)
  set(label unit)
  if(NOT arg_UNSANITIZED)
    add_dependencies(ingot_sanitized_tests ${target})
    set(label sanitized)
  endif()
  if(INGOT_SANITIZE AND arg_UNSANITIZED)
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    return()
  endif()
  if(arg_WHOLE)
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES TIMEOUT 900 LABELS ${label})
    return()
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600 LABELS ${label})
endfunction()
