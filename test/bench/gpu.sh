#!/usr/bin/env bash
# Everything that a machine with a card should tell us, in one command under 10 minutes: correctness against the CPU, the
# conformance recording, then speed. Needs the NVIDIA driver, bash and coreutils; nothing is built or installed.
#
#   gpu.sh BUNDLE OUT      BUNDLE: what gpu_bundle.py made (archive or unpacked folder); OUT: a folder for results
#
# OUT gets summary.txt (each part: ok, failed, late or left out, and its seconds), correctness.txt, recordings.txt (for
# test/cuda), speed.txt (prompts, decode, batches), steps.txt (every kernel), tables.txt (what the goals are about) and
# torch.txt (PyTorch beside ours, where it is). A part that fails is named at the end and makes the exit code 1; the others
# still run, and what a failed or late part printed is kept.
# INGOT_GPU_SECONDS=560: the time for all; the last parts are left out where it is short. INGOT_GPU_QUICK=1: few short runs
# (to try the script under the emulated driver, of which INGOT_CUDA_DRIVER is the path).
set -uo pipefail
[ $# -eq 2 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ -e "$1" ] || { echo "gpu.sh: there is no bundle '$1': make one with gpu_bundle.py" >&2; exit 2; }
out=$(mkdir -p "$2" && cd "$2" && pwd) || exit 2
if [ -d "$1" ]; then bundle=$(cd "$1" && pwd); else
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  tar -C "$unpacked" -xzf "$1" || exit 2
  bundle=$unpacked/gpu-bundle
fi
cd "$bundle" || exit 2
export PATH=$bundle/bin:$PATH out quick=${INGOT_GPU_QUICK:-0} driver=${INGOT_CUDA_DRIVER:-libcuda.so.1}
most=${INGOT_GPU_SECONDS:-560}
export patience=$((quick == 1 ? 4 : 1)) # an emulator may run on a busy machine
export LC_ALL=C LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}${LD_LIBRARY_PATH:+:}/usr/local/nvidia/lib64 # containers keep libcuda there
failed=()
for name in summary correctness recordings speed steps tables torch; do rm -f "$out/$name.txt"; done

# part NAME FILE SECONDS FUNCTION: its output is added to OUT/FILE and shown when it ends. In a file first: a process that
# cannot be killed must not keep a pipe, and so this script, waiting.
part() {
  local name=$1 file=$out/$2 limit=$(($3 * patience)) left=$((most - SECONDS)) begun=$SECONDS code state=ok
  [ "$name" != tables ] || left=$limit # what was measured is always summed up
  if [ "$left" -lt 5 ]; then
    failed+=("$name")
    printf '%-12s left out: no time\n' "$name" | tee -a "$out/summary.txt"
    return
  fi
  printf '\n== %s\n' "$name"
  printf '==== %s\n' "$name" >>"$file"
  [ "$limit" -lt "$left" ] || limit=$left
  timeout -k 5 "$limit" bash -c "$4" >"$out/part" 2>&1
  code=$?
  cat "$out/part"
  cat "$out/part" >>"$file"
  rm -f "$out/part"
  case $code in 0) ;; 124 | 137) state="late (over $limit s)" ;; *) state="failed (exit $code)" ;; esac
  [ $code -eq 0 ] || failed+=("$name")
  printf '%-12s %s, %d s\n' "$name" "$state" $((SECONDS - begun)) | tee -a "$out/summary.txt"
}

# bench MODEL options...: one process, which may take a minute; a hung kernel must not cost the others their turn.
bench() {
  timeout --foreground -k 5 $((60 * patience)) ingot-bench "models/$1.ingot" --device cuda "${@:2}" || { echo "$1: exit $?"; return 1; }
}

speed_models() { # names of those for speed, 8B last
  cut -d' ' -f1 models/decoders.txt | grep -v '^small'
}
each() { # FUNCTION for every model for speed
  local model code=0
  [ -n "$(speed_models)" ] || { echo "the bundle has no models for speed"; return 1; }
  for model in $(speed_models); do "$1" "$model" || code=1; done
  return $code
}

machine() {
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.memory --format=csv ||
    echo "nvidia-smi does not answer"
  echo "driver library: $driver; $(nproc) processors; $(uname -r)"
  ingot-run models/stories-int4.ingot --device cuda -p "Once upon a time" -n 20 --temperature 0 --stats
}

record() {
  case $driver in
  *emulator*) cuda-conformance --driver "$driver" --record "$out/recordings.txt" pack/forms.data pack/kernels.data ;;
  *) sh record.sh bin/cuda-conformance pack "$out/recordings.txt" ;;
  esac
}

# same MODEL option...: fed in chunks of any length, the card is near the CPU and its own figures do not change by a bit.
same() {
  local model=$1 chunk line kl first='' code=0
  for chunk in $chunks; do
    line=$(bench "$model" "${@:2}" --json --chunk "$chunk" --quality "models/$model.ingot" "$text") || code=1
    echo "$model chunk $chunk: ${line#*\"quality\":}"
    kl=${line#*\"mean_kl\":}
    kl=$(printf '%.6f' "${kl%%,*}" 2>/dev/null) || kl=none
    [[ $kl == 0.000* ]] || { echo "$model: far from the CPU"; code=1; }
    [ "${first:=$line}" = "$line" ] || { echo "$model: chunks of $chunk give other bits"; code=1; }
  done
  return $code
}
greedy() {
  local device tokens=() prompt="Once upon a time"
  for device in cpu cuda; do
    tokens+=("$(ingot-run "models/$1.ingot" --device $device -p "$prompt" -n 60 --temperature 0 --print-tokens 2>&1)")
  done
  echo "$1: ${tokens[1]}"
  case ${tokens[1]} in [0-9]*,[0-9]*) ;; *) return 1 ;; esac
  [ "${tokens[0]}" = "${tokens[1]}" ] || { echo "$1: the CPU says ${tokens[0]}"; return 1; }
}
agrees() {
  case $1 in
  stories-*) same "$1" && greedy "$1" ;;
  *) same "$1" --random-weights ;;
  esac
}
blame() { # is it that launches overlap, or the graphs?
  local switch
  for switch in INGOT_CUDA_OVERLAP=0 INGOT_CUDA_GRAPHS=0; do
    (export "${switch?}" && agrees "$1") && echo "$1: right with $switch" || echo "$1: wrong with $switch, too"
  done
}
correctness() {
  local model code=0
  local chunks="1 7 32 128"
  local text=text.txt
  [ "$quick" = 1 ] && chunks="1 32" && text=short.txt
  for model in models/stories-*.ingot models/small*.ingot; do
    [ -e "$model" ] || continue
    model=$(basename "$model" .ingot)
    agrees "$model" || { echo "$model: NOT the same"; blame "$model"; code=1; }
  done
  return $code
}

speed_of() {
  echo "== $1"
  if [ "$quick" = 1 ]; then bench "$1" --random-weights -r 1 -p 16 -n 2 -d 0,40; else
    bench "$1" --random-weights -r 3 -p 512,2048 -n 64 -d 0,4096
  fi
}
batch_of() {
  echo "== $1"
  if [ "$quick" = 1 ]; then bench "$1" --random-weights -r 1 -p "" -n 2 -b 3; else
    bench "$1" --random-weights -r 3 -p "" -n 16 -b 2,4,8,16,32,64
  fi
}
steps_at() { # MODEL DEPTH ROWS
  echo "== $1 depth $2"
  bench "$1" --random-weights -r $((quick == 1 ? 1 : 5)) -d "$2" --steps "$3"
}
steps_of() {
  if [ "$quick" = 1 ]; then steps_at "$1" 0 1,40; else steps_at "$1" 0 1,2,4,8,16,32,512,2048; fi || return 1
  case $1 in *-bf16) if [ "$quick" = 1 ]; then steps_at "$1" 40 1; else steps_at "$1" 4096 1,512; fi ;; esac
}
speed() { each speed_of; }
batch() { each batch_of; }
steps() { each steps_of; }
tables() { awk -f gpu_tables.awk models/decoders.txt "$out/speed.txt" "$out/steps.txt"; }

torch() {
  command -v python3 >/dev/null || { echo "python3 is not here: no peer"; return 0; }
  python3 -c 'import torch' 2>/dev/null || { echo "PyTorch is not here: no peer"; return 0; }
  if [ "$quick" = 1 ]; then python3 gpu_torch.py --shapes tiny --device cpu; else python3 gpu_torch.py; fi
}
export -f bench speed_models each machine record same greedy agrees blame correctness speed_of batch_of steps_at \
  steps_of speed batch steps tables torch

part machine correctness.txt 40 machine
part correctness correctness.txt 150 correctness
part conformance correctness.txt 120 record
part speed speed.txt 150 speed
part steps steps.txt 120 steps
part batch speed.txt 100 batch
part tables tables.txt 10 tables
part torch torch.txt 100 torch

printf '\nresults in %s after %d s\n' "$out" "$SECONDS"
[ ${#failed[@]} -eq 0 ] || { echo "not done: ${failed[*]}" | tee -a "$out/summary.txt"; exit 1; }
