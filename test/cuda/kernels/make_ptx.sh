#!/bin/sh
# Compiles the kernels to the PTX that is committed beside them, by nvcc 13.0.88 (PyPI: nvidia-cuda-nvcc==13.0.88,
# nvidia-cuda-crt, nvidia-cuda-runtime, nvidia-cuda-cccl of the same release). The PTX uses nothing newer than version
# 7.8, which drivers from 11.8 on compile, so it says so; ptxas judges whether that is true.
set -e
cd "$(dirname "$0")"
for source in *.cu; do
  name=${source%.cu}
  nvcc --ptx -std=c++17 -arch=compute_80 -O3 "$source" -o "$name.ptx"
  sed -i -e '/^\/\//d' -e '/^$/d' -e 's/^\.version .*/.version 7.8/' "$name.ptx"
  sed -i "1i // nvcc 13.0.88 made this of $source: see make_ptx.sh" "$name.ptx"
  ptxas -arch=sm_80 "$name.ptx" -o /dev/null
done
