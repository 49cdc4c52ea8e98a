// What has no instruction, or loses its meaning on the way to PTX, is refused with the kernel's name.
// RUN: split-file %s %t
// RUN: not ingot-ptx %t/atomic.mlir 2>&1 | FileCheck %s --check-prefix=ATOMIC
// RUN: not ingot-ptx %t/call.mlir 2>&1 | FileCheck %s --check-prefix=CALL
// RUN: not ingot-ptx %t/exp.mlir 2>&1 | FileCheck %s --check-prefix=EXP
// RUN: not ingot-ptx %t/entry.mlir 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not ingot-ptx %t/name.mlir 2>&1 | FileCheck %s --check-prefix=NAME

// RUN: not ingot-ptx %t/barrier.mlir 2>&1 | FileCheck %s --check-prefix=BARRIER
// RUN: not ingot-ptx %t/words.mlir 2>&1 | FileCheck %s --check-prefix=WORDS
// RUN: not ingot-ptx %t/width.mlir 2>&1 | FileCheck %s --check-prefix=WIDTH
// RUN: not ingot-ptx %t/shared.mlir 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not ingot-ptx %t/fence.mlir 2>&1 | FileCheck %s --check-prefix=FENCE
// RUN: not ingot-ptx %t/mma.mlir 2>&1 | FileCheck %s --check-prefix=MMA
//--- atomic.mlir
// ATOMIC: sm_80: kernel k has an atomic of LLVM, whose order is lost on the way to PTX: use ptx ops
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %one = llvm.mlir.constant(1 : i32) : i32
    %old = llvm.atomicrmw add %p, %one acq_rel : !llvm.ptr, i32
    return
  }
} }
//--- call.mlir
// CALL: sm_80: kernel k calls 'sinf', which is no instruction
module { module @k {
  func.func private @sinf(f32) -> f32
  func.func @k(%p: !llvm.ptr, %x: f32) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %y = func.call @sinf(%x) : (f32) -> f32
    llvm.store %y, %p : f32, !llvm.ptr
    return
  }
} }
//--- exp.mlir
// EXP: sm_80: kernel k calls 'llvm.exp.f32', which is no instruction
module { module @k {
  func.func @k(%p: !llvm.ptr, %x: f32) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %y = llvm.intr.exp(%x) : (f32) -> f32
    llvm.store %y, %p : f32, !llvm.ptr
    return
  }
} }
//--- entry.mlir
// ENTRY: sm_80: kernel k: has no entry
module { module @k { func.func @k() { return } } }
//--- name.mlir
// NAME: 'a.b' is no name of a CUDA kernel
module { module @a.b { func.func @k() attributes {ptx.entry = #ptx.entry<threads = 32>} { return } } }
//--- barrier.mlir
// BARRIER: barriers are numbered 0 to 15
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    ptx.barrier {id = 16 : i32}
    return
  }
} }
//--- words.mlir
// WORDS: 1, 2 or 4 words
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %v:3 = ptx.load %p : !llvm.ptr -> i32, i32, i32
    return
  }
} }
//--- width.mlir
// WIDTH: width is 1, 2, 4, 8, 16 or 32
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %i = ptx.id lane : i32
    %v = ptx.shuffle idx %i, %i, %i {width = 12 : i32} : i32
    return
  }
} }
//--- shared.mlir
// SHARED: a block has at most 227 KiB of shared memory
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %s = ptx.shared {offset = 300000 : i32} : !llvm.ptr<3>
    return
  }
} }
//--- fence.mlir
// FENCE: a fence is acq_rel or sc
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    ptx.fence relaxed gpu
    return
  }
} }
//--- mma.mlir
// MMA: c and d are f32
module { module @k {
  func.func @k(%p: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %i = ptx.id lane : i32
    %v:4 = ptx.mma f16 (%i, %i, %i, %i) (%i, %i) (%i, %i, %i, %i) : i32, i32, i32, i32 -> i32, i32, i32, i32
    return
  }
} }
