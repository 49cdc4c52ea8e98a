#!/usr/bin/env bash
# All tests, from nothing: installs what is missing, checks the format, builds `dev` (asserts) and runs its tests, then
# builds the runtime, the format and the importer with sanitizers (`asan`) and runs theirs. Closes with ctest's counts.
#   INGOT_SHARED=none   run as if ../shared were absent
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
started=$(date +%s)
step() { printf '\n== %s (%d s)\n' "$1" $(($(date +%s) - started)); }

step "packages"
tools/setup.sh tests

step "format"
git ls-files '*.h' '*.cpp' '*.c' | xargs clang-format-19 --dry-run --Werror

step "build dev"
cmake --preset dev >build/dev.configure.log 2>&1 || { cat build/dev.configure.log; exit 1; }
cmake --build build/dev

step "build asan (runtime, format, importer)"
cmake --preset asan >build/asan.configure.log 2>&1 || { cat build/asan.configure.log; exit 1; }
cmake --build build/asan --target ingot_sanitized_tests

step "lint"
tools/lint.sh

step "test asan"
ctest --test-dir build/asan --output-on-failure -L sanitized --no-tests=error

step "test dev"
ctest --test-dir build/dev --output-on-failure --no-tests=error -j 2
step "done"
