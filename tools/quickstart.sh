#!/usr/bin/env bash
# From nothing to text: installs what is missing, builds release, makes SmolLM2-135M-Instruct's ONNX folder, compiles it
# to one .ingot file and runs a chat prompt. A second run finds everything in place.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
prompt=${1:-"What is the capital of France? Answer in one sentence."}

tools/setup.sh
cmake --preset release >build/release.configure.log 2>&1 || { cat build/release.configure.log; exit 1; }
cmake --build build/release --target ingotc ingot-run

model=build/models/smollm2-int4
if [[ ! -f $model/model.onnx ]]; then
  build/venv/bin/python3 tools/models/smollm2.py "$model" --form genai --weights int4
fi
artifact=build/models/smollm2-int4.ingot
if [[ ! -f $artifact || build/release/bin/ingotc -nt $artifact ]]; then
  build/release/bin/ingotc "$model" -o "$artifact"
fi
build/release/bin/ingot-run "$artifact" --chat -p "$prompt" -n 96 --temperature 0 --stats
