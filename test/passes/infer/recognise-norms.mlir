// One norm, many spellings: pow or mul, mean or sum / n, div by the root or times its reciprocal, gain before or after a
// cast, centred or uncentred variance, axes kept or put back, over heads.
// RUN: ingot-opt %s -split-input-file -recognise-norms | FileCheck %s

weights.source @g {file = "w", offset = 0, length = 16} : tensor<8xf16>

// TorchScript's RMSNorm in an f16 graph: pow, mean, add, sqrt, div, mul, cast, mul by the gain.
// CHECK: weights.recipe @[[$G:.*]] {
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.norm rms %arg0 {eps = 9.99999974E-6 : f32, gain = @[[$G]]} : (tensor<?x?x8xf16>) -> tensor<?x?x8xf16>
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf16>) -> tensor<?x?x8xf16> {
  %two = graph.constant dense<2.0> : tensor<f32>
  %one = graph.constant dense<1.0> : tensor<f32>
  %eps = graph.constant dense<1.0e-5> : tensor<f32>
  %g = graph.weight @g : tensor<8xf16>
  %wide = graph.cast %x : (tensor<?x?x8xf16>) -> tensor<?x?x8xf32>
  %0 = graph.binary pow %wide, %two : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = graph.reduce mean %0 [2] {keepdims} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = graph.binary add %1, %eps : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = graph.unary sqrt %2 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = graph.binary div %one, %3 : (tensor<f32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %5 = graph.binary mul %wide, %4 : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %6 = graph.cast %5 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf16>
  %7 = graph.binary mul %g, %6 : (tensor<8xf16>, tensor<?x?x8xf16>) -> tensor<?x?x8xf16>
  return %7 : tensor<?x?x8xf16>
}
// -----
// Sum / n without keepdims, rsqrt by pow, the gain 1 + w joined with it first.
weights.source @w {file = "w", offset = 0, length = 32} : tensor<8xf32>
// CHECK: weights.recipe @[[$G:.*]] {
// CHECK: weights.constant dense<1.000000e+00>
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.norm rms %arg0 {eps = 9.99999997E-7 : f32, gain = @[[$G]]}
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %n = graph.constant dense<8.0> : tensor<1x1xf32>
  %half = graph.constant dense<-0.5> : tensor<1xf32>
  %one = graph.constant dense<1.0> : tensor<f32>
  %eps = graph.constant dense<1.0e-6> : tensor<f32>
  %w = graph.weight @w : tensor<8xf32>
  %g = graph.binary add %one, %w : (tensor<f32>, tensor<8xf32>) -> tensor<8xf32>
  %0 = graph.binary mul %x, %x : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = graph.reduce sum %0 [2] : (tensor<?x?x8xf32>) -> tensor<?x?xf32>
  %2 = graph.binary div %1, %n : (tensor<?x?xf32>, tensor<1x1xf32>) -> tensor<?x?xf32>
  %3 = graph.binary add %eps, %2 : (tensor<f32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %4 = graph.binary pow %3, %half : (tensor<?x?xf32>, tensor<1xf32>) -> tensor<?x?xf32>
  %5 = graph.unsqueeze %4 [2] : (tensor<?x?xf32>) -> tensor<?x?x1xf32>
  %6 = graph.binary mul %5, %g : (tensor<?x?x1xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %7 = graph.binary mul %6, %x : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %7 : tensor<?x?x8xf32>
}
// -----
// LayerNorm, centred, with gain and bias of shape [1, 1, n].
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.norm layer %arg0 {bias = @{{.*}}, eps = 9.99999974E-6 : f32, gain = @{{.*}}}
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %two = graph.constant dense<2> : tensor<i32>
  %eps = graph.constant dense<1.0e-5> : tensor<f32>
  %g = graph.constant dense<[[[1.0, 2.0, 3.0, 4.0]]]> : tensor<1x1x4xf32>
  %b = graph.constant dense<[0.5, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %m = graph.reduce mean %x [2] {keepdims} : (tensor<?x?x4xf32>) -> tensor<?x?x1xf32>
  %c = graph.binary sub %x, %m : (tensor<?x?x4xf32>, tensor<?x?x1xf32>) -> tensor<?x?x4xf32>
  %0 = graph.binary pow %c, %two : (tensor<?x?x4xf32>, tensor<i32>) -> tensor<?x?x4xf32>
  %1 = graph.reduce mean %0 [2] {keepdims} : (tensor<?x?x4xf32>) -> tensor<?x?x1xf32>
  %2 = graph.binary add %1, %eps : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %3 = graph.unary sqrt %2 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %4 = graph.binary div %c, %3 : (tensor<?x?x4xf32>, tensor<?x?x1xf32>) -> tensor<?x?x4xf32>
  %5 = graph.binary mul %4, %g : (tensor<?x?x4xf32>, tensor<1x1x4xf32>) -> tensor<?x?x4xf32>
  %6 = graph.binary add %5, %b : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %6 : tensor<?x?x4xf32>
}
// -----
// The variance as mean(x^2) - mean(x)^2, and x r g + (b - mean(x) r g) as batch normalisations are folded.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.norm layer %arg0 {bias = @{{.*}}, eps = 9.99999974E-6 : f32, gain = @{{.*}}}
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %eps = graph.constant dense<1.0e-5> : tensor<f32>
  %g = graph.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %b = graph.constant dense<[0.5, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %m = graph.reduce mean %x [2] {keepdims} : (tensor<?x?x4xf32>) -> tensor<?x?x1xf32>
  %xx = graph.binary mul %x, %x : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %s = graph.reduce mean %xx [2] {keepdims} : (tensor<?x?x4xf32>) -> tensor<?x?x1xf32>
  %mm = graph.binary mul %m, %m : (tensor<?x?x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %v = graph.binary sub %s, %mm : (tensor<?x?x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %0 = graph.binary add %v, %eps : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %1 = graph.unary sqrt %0 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %r = graph.unary reciprocal %1 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %rg = graph.binary mul %r, %g : (tensor<?x?x1xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  %a = graph.binary mul %x, %rg : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %mrg = graph.binary mul %m, %rg : (tensor<?x?x1xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %c = graph.binary sub %b, %mrg : (tensor<4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %y = graph.binary add %a, %c : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}
// -----
// Heads: l2 without gain; sqrt(n) x / |x| is rms; a factor stays as a scale.
// CHECK-LABEL: func.func @main
// CHECK-DAG: decoder.norm l2 %arg0 {eps = 0.000000e+00 : f32}
// CHECK-DAG: decoder.norm rms %arg0 {eps = 0.000000e+00 : f32}
// CHECK-DAG: %[[N:.*]] = decoder.norm l2 %arg0 {eps = 9.99999997E-7 : f32}
// CHECK-DAG: decoder.scale %[[N]] {factor = 3.000000e+00 : f32}
func.func @main(%x: tensor<?x2x?x16xf32>) -> (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %four = graph.constant dense<4.0> : tensor<f32>
  %three = graph.constant dense<3.0> : tensor<f32>
  %eps = graph.constant dense<1.0e-6> : tensor<f32>
  %xx = graph.binary mul %x, %x : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  %s = graph.reduce sum %xx [3] {keepdims} : (tensor<?x2x?x16xf32>) -> tensor<?x2x?x1xf32>
  %r = graph.unary sqrt %s : (tensor<?x2x?x1xf32>) -> tensor<?x2x?x1xf32>
  %l2 = graph.binary div %x, %r : (tensor<?x2x?x16xf32>, tensor<?x2x?x1xf32>) -> tensor<?x2x?x16xf32>
  %x4 = graph.binary mul %x, %four : (tensor<?x2x?x16xf32>, tensor<f32>) -> tensor<?x2x?x16xf32>
  %rms = graph.binary div %x4, %r : (tensor<?x2x?x16xf32>, tensor<?x2x?x1xf32>) -> tensor<?x2x?x16xf32>
  %se = graph.binary add %s, %eps : (tensor<?x2x?x1xf32>, tensor<f32>) -> tensor<?x2x?x1xf32>
  %re = graph.unary sqrt %se : (tensor<?x2x?x1xf32>) -> tensor<?x2x?x1xf32>
  %ie = graph.unary reciprocal %re : (tensor<?x2x?x1xf32>) -> tensor<?x2x?x1xf32>
  %i3 = graph.binary mul %ie, %three : (tensor<?x2x?x1xf32>, tensor<f32>) -> tensor<?x2x?x1xf32>
  %sc = graph.binary mul %x, %i3 : (tensor<?x2x?x16xf32>, tensor<?x2x?x1xf32>) -> tensor<?x2x?x16xf32>
  return %l2, %rms, %sc : tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}
// -----
// A pre-scaled residual keeps its scale, and the norm its eps; two norms of one row share nothing but the row.
// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = graph.binary mul %arg0
// CHECK: %[[B:.*]] = decoder.norm rms %[[X]] {eps = 9.99999997E-7 : f32} :
// CHECK: %[[A:.*]] = decoder.norm rms %[[X]] {eps = 9.99999997E-7 : f32, gain = @{{.*}}}
// CHECK: return %[[A]], %[[B]], %[[X]]
func.func @main(%e: tensor<?x?x4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %c = graph.constant dense<8.0> : tensor<f32>
  %eps = graph.constant dense<1.0e-6> : tensor<f32>
  %g = graph.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %x = graph.binary mul %e, %c : (tensor<?x?x4xf32>, tensor<f32>) -> tensor<?x?x4xf32>
  %xx = graph.binary mul %x, %x : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %s = graph.reduce mean %xx [2] {keepdims} : (tensor<?x?x4xf32>) -> tensor<?x?x1xf32>
  %se = graph.binary add %s, %eps : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %r = graph.unary sqrt %se : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %n = graph.binary div %x, %r : (tensor<?x?x4xf32>, tensor<?x?x1xf32>) -> tensor<?x?x4xf32>
  %y = graph.binary mul %n, %g : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %y, %n, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>
}
// -----
// Near misses stay: a mean over another axis; a mean without its axis against the wrong columns; sqrt(v) + eps;
// the sum over n - 1.
// CHECK-LABEL: func.func @main
// CHECK-NOT: decoder.norm
// CHECK: return
func.func @main(%x: tensor<?x4x4xf32>) -> (tensor<?x4x4xf32>, tensor<?x4x4xf32>, tensor<?x4x4xf32>, tensor<?x4x4xf32>) {
  %eps = graph.constant dense<1.0e-6> : tensor<f32>
  %three = graph.constant dense<3.0> : tensor<f32>
  %xx = graph.binary mul %x, %x : (tensor<?x4x4xf32>, tensor<?x4x4xf32>) -> tensor<?x4x4xf32>
  %s1 = graph.reduce mean %xx [1] {keepdims} : (tensor<?x4x4xf32>) -> tensor<?x1x4xf32>
  %r1 = graph.unary sqrt %s1 : (tensor<?x1x4xf32>) -> tensor<?x1x4xf32>
  %y1 = graph.binary div %x, %r1 : (tensor<?x4x4xf32>, tensor<?x1x4xf32>) -> tensor<?x4x4xf32>
  %s2 = graph.reduce mean %xx [2] : (tensor<?x4x4xf32>) -> tensor<?x4xf32>
  %r2 = graph.unary sqrt %s2 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %u2 = graph.unsqueeze %r2 [1] : (tensor<?x4xf32>) -> tensor<?x1x4xf32>
  %y2 = graph.binary div %x, %u2 : (tensor<?x4x4xf32>, tensor<?x1x4xf32>) -> tensor<?x4x4xf32>
  %s3 = graph.reduce mean %xx [2] {keepdims} : (tensor<?x4x4xf32>) -> tensor<?x4x1xf32>
  %r3 = graph.unary sqrt %s3 : (tensor<?x4x1xf32>) -> tensor<?x4x1xf32>
  %e3 = graph.binary add %r3, %eps : (tensor<?x4x1xf32>, tensor<f32>) -> tensor<?x4x1xf32>
  %y3 = graph.binary div %x, %e3 : (tensor<?x4x4xf32>, tensor<?x4x1xf32>) -> tensor<?x4x4xf32>
  %s4 = graph.reduce sum %xx [2] {keepdims} : (tensor<?x4x4xf32>) -> tensor<?x4x1xf32>
  %v4 = graph.binary div %s4, %three : (tensor<?x4x1xf32>, tensor<f32>) -> tensor<?x4x1xf32>
  %r4 = graph.unary sqrt %v4 : (tensor<?x4x1xf32>) -> tensor<?x4x1xf32>
  %y4 = graph.binary div %x, %r4 : (tensor<?x4x4xf32>, tensor<?x4x1xf32>) -> tensor<?x4x4xf32>
  return %y1, %y2, %y3, %y4 : tensor<?x4x4xf32>, tensor<?x4x4xf32>, tensor<?x4x4xf32>, tensor<?x4x4xf32>
}
