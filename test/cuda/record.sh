#!/bin/sh
# Records the conformance pack on the card of this machine: what the hardware answers to every program, into one text
# file to be committed as test/cuda/recordings.txt. One run, under 3 minutes, nothing to install: the binary needs glibc
# and the NVIDIA driver.
#
#   record.sh BINARY PACK_FOLDER OUTPUT      e.g. record.sh bin/cuda-conformance test/cuda/pack recordings.txt
#
# Exit code: 0 recorded and all programs agree with the models, 1 recorded but some differ (they are listed, and belong
# into the report), 2 nothing recorded.
set -u
if [ $# -ne 3 ]; then
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
unset INGOT_EMULATOR # never mistake an emulated run for hardware
INGOT_CUDA_DRIVER=${INGOT_CUDA_DRIVER:-libcuda.so.1}
case $INGOT_CUDA_DRIVER in
*emulator*) echo "record.sh: $INGOT_CUDA_DRIVER is the emulator: recordings come from hardware" >&2; exit 2 ;;
esac
exec "$1" --driver "$INGOT_CUDA_DRIVER" --record "$3" "$2"/forms.data "$2"/kernels.data
