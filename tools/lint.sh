#!/usr/bin/env bash
# clang-tidy over the runtime and over what changed since the last commit on main (all files with --all).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
if [[ ${1:-} == --all ]]; then
  files=$(git ls-files '*.cpp')
else
  changed=$(git diff --name-only --diff-filter=d HEAD~1 -- '*.cpp' 2>/dev/null || true)
  files=$(printf '%s\n' $(git ls-files 'runtime/*.cpp') $changed | sort -u)
fi
# Only what the dev build compiles: a file without a compile command cannot be checked.
known=$(python3 -c 'import json; print("\n".join(e["file"] for e in json.load(open("build/dev/compile_commands.json"))))')
list=$(for file in $files; do grep -qx "$top/$file" <<<"$known" && echo "$file"; done || true)
[[ -z $list ]] || xargs -P 2 -n 4 clang-tidy-19 --quiet -p build/dev <<<"$list" 2> >(grep -v 'warnings generated' >&2)
