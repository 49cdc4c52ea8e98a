// RUN: ingot-opt %s -split-input-file -distribute-lanes | FileCheck %s

// Columns of a row: a lane is a thread, its address the row's and its own 4 bytes; lanes of 4 bytes at multiples of 64
// meet the same thread again, so nobody waits.
// CHECK-LABEL: @columns
// CHECK: %[[thread:.*]] = ptx.id thread
// CHECK: %[[lane:.*]] = arith.andi %[[thread]]
// CHECK: %[[wide:.*]] = arith.extui %[[lane]]
// CHECK: scf.for
// CHECK: %[[from:.*]] = llvm.getelementptr %{{.*}}[%[[wide]]] : (!llvm.ptr, i64) -> !llvm.ptr, f32
// CHECK: %[[x:.*]] = llvm.load %[[from]] {{.*}} -> f32
// CHECK: %[[y:.*]] = arith.mulf %[[x]], %{{.*}} : f32
// CHECK-NOT: warp_sync
// CHECK: llvm.store %[[y]], %{{.*}} : f32
func.func @columns(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %zero = arith.constant 0 : i64
  %end = arith.constant 256 : i64
  %step = arith.constant 16 : i64
  %four = arith.constant 4 : i64
  %two = arith.constant dense<2.0> : vector<16xf32>
  scf.for %column = %zero to %end step %step : i64 {
    %bytes = arith.muli %column, %four : i64
    %place = llvm.getelementptr %scratch[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %x = llvm.load %place {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
    %y = arith.mulf %x, %two : vector<16xf32>
    llvm.store %y, %place {alignment = 4 : i64} : vector<16xf32>, !llvm.ptr
  }
  return
}

// -----

// Carried lanes are scalars of the thread. The tree of a sum is an exchange a level, the end a broadcast.
// CHECK-LABEL: @sum
// CHECK: %[[mask:.*]] = arith.shli
// CHECK: %[[total:.*]] = scf.for {{.*}} iter_args({{.*}}) -> (f32)
// CHECK: %[[other:.*]] = ptx.shuffle bfly %[[total]], %{{.*}}, %[[mask]] {width = 16 : i32} : f32
// CHECK: %[[half:.*]] = arith.addf %[[total]], %[[other]] : f32
// CHECK: ptx.shuffle idx %[[half]], %{{.*}}, %[[mask]] {width = 16 : i32}
func.func @sum(%args: !llvm.ptr, %scratch: !llvm.ptr) -> f32 {
  %zero = arith.constant 0 : i64
  %end = arith.constant 256 : i64
  %step = arith.constant 64 : i64
  %none = arith.constant dense<0.0> : vector<16xf32>
  %total = scf.for %bytes = %zero to %end step %step iter_args(%sum = %none) -> (vector<16xf32>) : i64 {
    %place = llvm.getelementptr %scratch[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %x = llvm.load %place : !llvm.ptr -> vector<16xf32>
    %next = arith.addf %sum, %x : vector<16xf32>
    scf.yield %next : vector<16xf32>
  }
  %low = llvm.shufflevector %total, %total [0, 1, 2, 3, 4, 5, 6, 7] : vector<16xf32>
  %high = llvm.shufflevector %total, %total [8, 9, 10, 11, 12, 13, 14, 15] : vector<16xf32>
  %half = arith.addf %low, %high : vector<8xf32>
  %first = arith.constant 0 : i32
  %result = llvm.extractelement %half[%first : i32] : vector<8xf32>
  return %result : f32
}

// -----

// A broadcast costs nothing, a scalar is stored by lane 0 alone, an element by the lane that holds it.
// CHECK-LABEL: @scalars
// CHECK-NOT: ptx.shuffle
// CHECK: %[[y:.*]] = arith.addf %{{.*}}, %arg2 : f32
// CHECK: %[[zeroth:.*]] = arith.cmpi ult, %[[lane:.*]], %c1_i32
// CHECK: scf.if %[[zeroth]]
// CHECK-NEXT: llvm.store %arg2
// CHECK: %[[third:.*]] = arith.cmpi eq, %[[lane]], %c3_i32
// CHECK: scf.if %[[third]]
// CHECK-NEXT: llvm.store %[[y]]
func.func @scalars(%args: !llvm.ptr, %scratch: !llvm.ptr, %s: f32) {
  %zero = arith.constant 0 : i32
  %three = arith.constant 3 : i32
  %none = llvm.mlir.undef : vector<16xf32>
  %one = llvm.insertelement %s, %none[%zero : i32] : vector<16xf32>
  %all = llvm.shufflevector %one, %none [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : vector<16xf32>
  %x = llvm.load %scratch : !llvm.ptr -> vector<16xf32>
  %y = arith.addf %x, %all : vector<16xf32>
  llvm.store %s, %scratch : f32, !llvm.ptr
  %e = llvm.extractelement %y[%three : i32] : vector<16xf32>
  %place = llvm.getelementptr %scratch[64] : (!llvm.ptr) -> !llvm.ptr, i8
  llvm.store %e, %place : f32, !llvm.ptr
  return
}

// -----

// Another lane's element is read: the worker waits for the store, and the next turn's store for that load.
// CHECK-LABEL: @waits
// CHECK: scf.for
// CHECK: ptx.warp_sync
// CHECK: llvm.store
// CHECK: ptx.warp_sync
// CHECK-NEXT: llvm.load {{.*}} -> f32
// CHECK-NOT: ptx.warp_sync
func.func @waits(%args: !llvm.ptr, %scratch: !llvm.ptr, %v: f32) -> f32 {
  %zero = arith.constant 0 : i64
  %end = arith.constant 8 : i64
  %step = arith.constant 1 : i64
  %lanes = arith.constant dense<1.0> : vector<16xf32>
  %r = scf.for %i = %zero to %end step %step iter_args(%last = %v) -> (f32) : i64 {
    llvm.store %lanes, %scratch : vector<16xf32>, !llvm.ptr
    %x = llvm.load %scratch : !llvm.ptr -> f32
    scf.yield %x : f32
  }
  return %r : f32
}

// -----

// What differs by lane: masks, lines, small numbers in a register, else a table.
// CHECK-LABEL: @constants
// CHECK: arith.cmpi ult, %[[lane:.*]], %c5_i32
// CHECK: scf.if
// CHECK: llvm.load {{.*}} -> f32
// CHECK: arith.shrui %c{{.*}}_i64
// CHECK: arith.addi
// CHECK: llvm.mlir.addressof @lanes0
func.func @constants(%args: !llvm.ptr, %scratch: !llvm.ptr, %x: i32) {
  %first = arith.constant dense<[true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false]> : vector<16xi1>
  %zeros = llvm.mlir.zero : vector<16xf32>
  %read = llvm.intr.masked.load %scratch, %first, %zeros {alignment = 4 : i32} : (!llvm.ptr, vector<16xi1>, vector<16xf32>) -> vector<16xf32>
  llvm.intr.masked.store %read, %scratch, %first {alignment = 4 : i32} : vector<16xf32>, vector<16xi1> into !llvm.ptr
  %shifts = arith.constant dense<[0, 8, 16, 24, 4, 12, 20, 28, 0, 8, 16, 24, 4, 12, 20, 28]> : vector<16xi32>
  %index = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]> : vector<16xi32>
  %some = arith.addi %shifts, %index : vector<16xi32>
  %odd = arith.constant dense<[0.5, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]> : vector<16xf32>
  %whole = arith.sitofp %some : vector<16xi32> to vector<16xf32>
  %sum = arith.addf %whole, %odd : vector<16xf32>
  llvm.store %sum, %scratch : vector<16xf32>, !llvm.ptr
  return
}

// -----

// vpdpbusd is dp4a; prefetches go; shared memory is read lane by lane; native scalars of a thread stay as they are.
// CHECK-LABEL: @native
// CHECK-NOT: prefetch
// CHECK: ptx.dp4a us %{{.*}}, %{{.*}}, %{{.*}}
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK-NEXT: llvm.store %arg2, %arg3 {{.*}}: i32, !llvm.ptr<3>
func.func @native(%args: !llvm.ptr, %scratch: !llvm.ptr, %x: i32, %shared: !llvm.ptr<3>) {
  %acc = arith.constant dense<7> : vector<16xi32>
  %w = llvm.load %scratch : !llvm.ptr -> vector<16xi32>
  "llvm.intr.prefetch"(%scratch) {rw = 0 : i32, hint = 3 : i32, cache = 1 : i32} : (!llvm.ptr) -> ()
  %d = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %w, %w) : (vector<16xi32>, vector<16xi32>, vector<16xi32>) -> vector<16xi32>
  llvm.store %d, %scratch : vector<16xi32>, !llvm.ptr
  %columns = llvm.load %shared : !llvm.ptr<3> -> vector<16xf32>
  llvm.store %x, %shared : i32, !llvm.ptr<3>
  return
}

// -----

// Results are written once: their stores do not wait for each other, though other lanes make them. What is read back
// from a result's row by another lane does.
// CHECK-LABEL: @results
// CHECK: llvm.store
// CHECK-NOT: ptx.warp_sync
// CHECK: llvm.store
// CHECK: ptx.warp_sync
// CHECK-NEXT: llvm.load {{.*}} -> f32
func.func @results(%args: !llvm.ptr, %scratch: !llvm.ptr) -> f32 {
  %slot = llvm.getelementptr %args[16] : (!llvm.ptr) -> !llvm.ptr, i8
  %row = llvm.load %slot : !llvm.ptr -> !llvm.ptr
  %far = llvm.load %args : !llvm.ptr -> i64
  %lanes = arith.constant dense<1.0> : vector<16xf32>
  %here = llvm.getelementptr %row[4] : (!llvm.ptr) -> !llvm.ptr, i8
  llvm.store %lanes, %here : vector<16xf32>, !llvm.ptr
  %there = llvm.getelementptr %row[%far] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  llvm.store %lanes, %there : vector<16xf32>, !llvm.ptr
  %x = llvm.load %here : !llvm.ptr -> f32
  return %x : f32
}

// -----

// Elements of two bytes at multiples of 32 meet the same lane again.
// CHECK-LABEL: @halves
// CHECK-NOT: ptx.warp_sync
// CHECK: return
func.func @halves(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %place = llvm.getelementptr %scratch[32] : (!llvm.ptr) -> !llvm.ptr, i8
  %x = llvm.load %place : !llvm.ptr -> vector<16xf16>
  llvm.store %x, %scratch : vector<16xf16>, !llvm.ptr
  %y = llvm.load %scratch : !llvm.ptr -> vector<16xf16>
  llvm.store %y, %place : vector<16xf16>, !llvm.ptr
  return
}

// -----

// What no turn does to the next needs one wait, in front of the loop.
// CHECK-LABEL: @hoisted
// CHECK: llvm.store
// CHECK: ptx.warp_sync
// CHECK-NEXT: scf.for
// CHECK-NOT: ptx.warp_sync
// CHECK: return
func.func @hoisted(%args: !llvm.ptr, %scratch: !llvm.ptr, %v: f32) -> f32 {
  %zero = arith.constant 0 : i64
  %end = arith.constant 16 : i64
  %step = arith.constant 1 : i64
  %four = arith.constant 4 : i64
  %lanes = arith.constant dense<1.0> : vector<16xf32>
  llvm.store %lanes, %scratch : vector<16xf32>, !llvm.ptr
  %r = scf.for %i = %zero to %end step %step iter_args(%sum = %v) -> (f32) : i64 {
    %bytes = arith.muli %i, %four : i64
    %place = llvm.getelementptr %scratch[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %x = llvm.load %place : !llvm.ptr -> f32
    %next = arith.addf %sum, %x : f32
    scf.yield %next : f32
  }
  return %r : f32
}

// -----

// The inner loop's loads meet what the outer loop's turn before has stored behind them: a wait in front of the inner
// loop, one in front of the store.
// CHECK-LABEL: @outerTurns
// CHECK: scf.for
// CHECK: ptx.warp_sync
// CHECK-NEXT: scf.for
// CHECK-NOT: ptx.warp_sync
// CHECK: scf.yield
// CHECK: ptx.warp_sync
// CHECK: llvm.store
// CHECK-NOT: ptx.warp_sync
// CHECK: return
func.func @outerTurns(%args: !llvm.ptr, %scratch: !llvm.ptr, %v: f32) -> f32 {
  %zero = arith.constant 0 : i64
  %end = arith.constant 16 : i64
  %step = arith.constant 1 : i64
  %four = arith.constant 4 : i64
  %none = llvm.mlir.undef : vector<16xf32>
  %first = arith.constant 0 : i32
  %r = scf.for %turn = %zero to %end step %step iter_args(%last = %v) -> (f32) : i64 {
    %total = scf.for %i = %zero to %end step %step iter_args(%sum = %last) -> (f32) : i64 {
      %bytes = arith.muli %i, %four : i64
      %place = llvm.getelementptr %scratch[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
      %x = llvm.load %place : !llvm.ptr -> f32
      %next = arith.addf %sum, %x : f32
      scf.yield %next : f32
    }
    %one = llvm.insertelement %total, %none[%first : i32] : vector<16xf32>
    %all = llvm.shufflevector %one, %none [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : vector<16xf32>
    llvm.store %all, %scratch : vector<16xf32>, !llvm.ptr
    scf.yield %total : f32
  }
  return %r : f32
}

// -----

// Indices with bounds: the loads stay below byte 64, the stores above. Without a bound nobody knows.
// CHECK-LABEL: @bounds
// CHECK: llvm.store
// CHECK-NOT: ptx.warp_sync
// CHECK: llvm.load {{.*}} -> f32
// CHECK: ptx.warp_sync
// CHECK-NEXT: llvm.load {{.*}} -> f32
func.func @bounds(%args: !llvm.ptr, %scratch: !llvm.ptr, %i: i64) -> f32 {
  %sixteen = arith.constant 16 : i64
  %four = arith.constant 4 : i64
  %lanes = arith.constant dense<1.0> : vector<16xf32>
  %behind = llvm.getelementptr %scratch[64] : (!llvm.ptr) -> !llvm.ptr, i8
  llvm.store %lanes, %behind : vector<16xf32>, !llvm.ptr
  %index = arith.remui %i, %sixteen : i64
  %bytes = arith.muli %index, %four : i64
  %place = llvm.getelementptr %scratch[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  %x = llvm.load %place : !llvm.ptr -> f32
  %far = arith.muli %i, %four : i64
  %somewhere = llvm.getelementptr %scratch[%far] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  %y = llvm.load %somewhere : !llvm.ptr -> f32
  %sum = arith.addf %x, %y : f32
  return %sum : f32
}

// -----

// Short vectors: element i at a multiple of their size is lane i's, again and again; the lanes behind do not even read.
// CHECK-LABEL: @short
// CHECK-NOT: ptx.warp_sync
// CHECK: %[[below:.*]] = arith.cmpi ult, %{{.*}}, %c8_i32
// CHECK: scf.if %[[below]]
// CHECK: llvm.load
// CHECK-NOT: ptx.warp_sync
// CHECK: return
func.func @short(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %ones = arith.constant dense<1.0> : vector<8xf32>
  %place = llvm.getelementptr %scratch[32] : (!llvm.ptr) -> !llvm.ptr, i8
  llvm.store %ones, %place : vector<8xf32>, !llvm.ptr
  %x = llvm.load %place : !llvm.ptr -> vector<8xf32>
  llvm.store %x, %place : vector<8xf32>, !llvm.ptr
  return
}
