#!/bin/sh
# Makes toy_80.ptx and toy_90.ptx from toy_kernels.cpp; run it after a change there and commit all three.
cd "$(dirname "$0")" || exit 1
for arch in 80 90; do
  clang++-19 --target=nvptx64-nvidia-cuda -march=sm_$arch -D__CUDA_ARCH__=${arch}0 -Xclang -target-feature -Xclang +ptx80 \
    -std=c++20 -O2 -ffp-contract=off -fno-exceptions -fno-rtti -nostdinc -isystem "$(clang++-19 -print-resource-dir)/include" \
    -I ../../.. -S toy_kernels.cpp -o - | grep -v '^\s*//' | sed 's/^.version .*/.version 8.0/' > toy_$arch.ptx || exit 1
done
