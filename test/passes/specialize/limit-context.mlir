// RUN: ingot-opt %s -limit-context='tokens=128' | FileCheck %s
// RUN: not ingot-opt %s -limit-context='tokens=1024' 2>&1 | FileCheck %s --check-prefix=MORE

// CHECK: decoder.limits {max_context = 128
// MORE: --max-context 1024: this model holds 1 to 512 tokens
decoder.limits {max_context = 512, relaxations = []}
