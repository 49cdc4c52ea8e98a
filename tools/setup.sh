#!/usr/bin/env bash
# Installs what building and testing need on Debian 12: packages by apt-get, Python modules into build/venv.
# Idempotent; run by quickstart.sh and check.sh. Works as root or through sudo. `setup.sh tests` adds what only tests need.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

# LLVM and MLIR are pinned by name to 19; the rest is pinned by the Debian release.
packages=(
  git cmake ninja-build ccache pkg-config xz-utils ca-certificates
  clang-19 lld-19 clang-format-19 clang-tidy-19 llvm-19-dev llvm-19-tools libmlir-19-dev mlir-19-tools liblld-19-dev
  libclang-rt-19-dev libstdc++-12-dev libzstd-dev zlib1g-dev libedit-dev libcurl4-openssl-dev libpfm4-dev
  protobuf-compiler libprotobuf-dev libonnx-dev flatbuffers-compiler libflatbuffers-dev
  nlohmann-json3-dev libcli11-dev libpcre2-dev libutf8proc-dev libcpp-httplib-dev libxxhash-dev
  libgtest-dev libgmock-dev libbenchmark-dev python3 python3-venv python3-pip
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=(env DEBIAN_FRONTEND=noninteractive) # behind sudo, which does not pass it on
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "tools/setup.sh: run it as root, or install sudo; missing: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo "${as_root[@]}")
  fi
  echo "installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

venv=build/venv
for requirements in tools/models/requirements.txt compiler/target/requirements.txt ${1:+test/requirements.txt}; do
  stamp=$venv/.$(dirname "$requirements" | tr / -)
  cmp -s "$requirements" "$stamp" && continue
  [ -d "$venv" ] || python3 -m venv "$venv"
  alone= # ptxas is a program: the toolkit's libraries that its package asks for are 300 MB of nothing
  [ "$requirements" = compiler/target/requirements.txt ] && alone=--no-deps
  "$venv/bin/pip" install --quiet --disable-pip-version-check $alone -r "$requirements"
  cp "$requirements" "$stamp"
done
