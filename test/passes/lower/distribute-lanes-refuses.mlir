// RUN: not ingot-opt %s -split-input-file -distribute-lanes 2>&1 | FileCheck %s

// CHECK: error: 'llvm.intr.ctpop' op has no form for the lanes of a worker
func.func @unknown(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %x = llvm.load %scratch : !llvm.ptr -> vector<16xi32>
  %y = llvm.intr.ctpop(%x) : (vector<16xi32>) -> vector<16xi32>
  llvm.store %y, %scratch : vector<16xi32>, !llvm.ptr
  return
}

// -----

// CHECK: error: 'llvm.call_intrinsic' op has no form for the lanes of a worker: llvm.x86.avx2.pmadd.wd
func.func @intrinsic(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %x = llvm.load %scratch : !llvm.ptr -> vector<16xi16>
  %y = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%x, %x) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
  llvm.store %y, %scratch : vector<8xi32>, !llvm.ptr
  return
}

// -----

// CHECK: error: 'llvm.load' op works on a vector of more than 16 lanes
func.func @long(%args: !llvm.ptr, %scratch: !llvm.ptr) {
  %x = llvm.load %scratch : !llvm.ptr -> vector<32xi8>
  llvm.store %x, %scratch : vector<32xi8>, !llvm.ptr
  return
}

// -----

// CHECK: error: 'llvm.extractelement' op has no form for the lanes of a worker
func.func @dynamic(%args: !llvm.ptr, %scratch: !llvm.ptr, %i: i32) -> f32 {
  %x = llvm.load %scratch : !llvm.ptr -> vector<16xf32>
  %y = llvm.extractelement %x[%i : i32] : vector<16xf32>
  return %y : f32
}
