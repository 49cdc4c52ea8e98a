#!/usr/bin/env bash
# Everything that a machine with a card should tell us, in one command under 10 minutes: correctness against the CPU, the
# conformance recording, then speed. Needs the NVIDIA driver and glibc; nothing is built or installed.
#
#   gpu.sh BUNDLE OUT      BUNDLE: what gpu_bundle.py made (archive or unpacked folder); OUT: an empty folder for results
#
# OUT gets card.txt, recordings.txt (for test/cuda), correctness.txt, decode.txt, prefill.txt, batch.txt, steps.txt,
# torch.txt (where PyTorch is). A part that fails is named at the end and makes the exit code 1; the others still run.
# INGOT_GPU_QUICK=1 keeps to the smallest shapes (to try the script under the emulated driver).
set -uo pipefail
[ $# -eq 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ -e "$1" ] || { echo "gpu.sh: there is no bundle '$1': make one with gpu_bundle.py" >&2; exit 2; }
out=$(mkdir -p "$2" && cd "$2" && pwd)
if [ -d "$1" ]; then bundle=$(cd "$1" && pwd); else
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  tar -C "$unpacked" -xzf "$1" || exit 2
  bundle=$unpacked/gpu-bundle
fi
cd "$bundle"
export PATH=$bundle/bin:$PATH
quick=${INGOT_GPU_QUICK:-0}
failed=()

# part NAME SECONDS command...: its output goes to OUT/NAME.txt and the terminal
part() {
  local name=$1 seconds=$2
  shift 2
  printf '\n== %s\n' "$name"
  timeout "$seconds" "$@" 2>&1 | tee "$out/$name.txt"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
}

card() {
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.memory --format=csv 2>/dev/null ||
    echo "nvidia-smi is not here"
  ingot-run models/stories-int4.ingot --device cuda -p "Once upon a time" -n 40 --temperature 0 --stats
}

correctness() {
  local model code=0
  for model in models/stories-*.ingot; do
    echo "$(basename "$model"): the card against the CPU"
    ingot-bench "$model" --device cuda -p "" -n "" --quality "$model" text.txt || code=1
    cpu=$(ingot-run "$model" --device cpu -p "Once upon a time" -n 60 --temperature 0 --print-tokens 2>/dev/null)
    gpu=$(ingot-run "$model" --device cuda -p "Once upon a time" -n 60 --temperature 0 --print-tokens 2>/dev/null)
    if [ -n "$gpu" ] && [ "$cpu" = "$gpu" ]; then echo "60 greedy tokens: the same"; else
      code=1
      printf 'greedy tokens differ\n  cpu %s\n  gpu %s\n' "$cpu" "$gpu"
    fi
  done
  return $code
}

bench() { # MODEL options...
  local model=$1
  shift
  echo "$(basename "$model" .ingot)"
  ingot-bench "$model" --device cuda --random-weights -r 3 "$@"
}

forms="f16 int8 int4 int4-w16"
shapes="llama-1b llama-8b"
[ "$quick" = 1 ] && shapes="" forms=""
each() { # command with MODEL as its first argument, for every model
  local shape form code=0
  for shape in $shapes; do for form in $forms; do "$@" "models/$shape-$form.ingot" || code=1; done; done
  return $code
}
decode_of() { bench "$1" -p "" -n 64 -d 0,4096; }
prefill_of() { bench "$1" -p 512,2048 -n ""; }
batch_of() { bench "$1" -p "" -n 16 -b 1,2,4,8,16,32,64; }
steps_of() { ingot-bench "$1" --device cuda --random-weights --steps 1,2,4,8,16,32,512; }
decode() { each decode_of; }
prefill() { each prefill_of; }
batch() { each batch_of; }
steps() { each steps_of; }
torch() { python3 gpu_torch.py; }
record() { sh record.sh bin/cuda-conformance pack "$out/recordings.txt"; }
export -f card correctness bench each decode_of prefill_of batch_of steps_of decode prefill batch steps torch record
export out shapes forms

part card 60 bash -c card
part conformance 180 bash -c record
part correctness 60 bash -c correctness
part decode 150 bash -c decode
part prefill 60 bash -c prefill
part batch 120 bash -c batch
part steps 90 bash -c steps
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then part torch 120 bash -c torch; fi

printf '\nresults in %s\n' "$out"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
