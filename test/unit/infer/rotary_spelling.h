// Spellings of a rotary embedding (and of what only looks like one) in graph primitives, as text.
#pragma once
#include <string>

namespace ingot::infer {

/// y1 = x1 * `a` (op1) x2 * `b`, y2 = x2 * `c` (op2) x1 * `d` over heads of 4 columns; pairs (k, k + 2) for step 1 and
/// (2k, 2k + 1) for step 2. cos0, sin0 turn by the frequencies 1 and 0.25; cos1, sin1 by 1 and 0.5.
struct Spelling {
  std::string a = "cos0", op1 = "sub", b = "sin0", c = "cos0", op2 = "add", d = "sin0";
  int step = 1;
  std::string join = "half"; ///< or "stack": y1 and y2 alternate
};

inline std::string waves(int which, const char *second) {
  std::string n = std::to_string(which);
  return "%f" + n + " = graph.constant dense<[1.0, " + second + "]> : tensor<2xf32>\n" + "%t" + n +
         " = graph.binary mul %p, %f" + n + " : (tensor<?x?x1x1xf32>, tensor<2xf32>) -> tensor<?x?x1x2xf32>\n" +
         "%cos" + n + " = graph.unary cos %t" + n + " : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>\n" + "%sin" + n +
         " = graph.unary sin %t" + n + " : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>\n";
}

inline std::string product(const std::string &name, const std::string &x, const std::string &wave) {
  return "%" + name + " = graph.binary mul %" + x + ", %" + wave +
         " : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>\n";
}

inline std::string slice(const std::string &name, int from, int to, int step) {
  return "%" + name + " = graph.slice %x, %i" + std::to_string(from) + ", %i" + std::to_string(to) +
         " {axes = array<i64: 3>, steps = array<i64: " + std::to_string(step) +
         ">} : (tensor<?x?x2x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>\n";
}

/// Values without any regularity.
inline std::string embedding() {
  std::string text = "[";
  for (int row = 0; row < 32; ++row) {
    text += row ? ", [" : "[";
    for (int column = 0; column < 8; ++column)
      text += (column ? ", " : "") + std::to_string((row * 37 + column * 101 + row * column * 7) % 97 / 48.5 - 1);
    text += "]";
  }
  return text + "]";
}

inline std::string graphOf(const Spelling &s) {
  std::string text = "weights.recipe @embed { %0 = weights.constant dense<" + embedding() + R"(> : tensor<32x8xf32>
  weights.yield %0 : tensor<32x8xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"},
                %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x8xf32> {graph.name = "logits"}) {
  %e = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %shape = graph.constant dense<[0, 0, 2, 4]> : tensor<4xi64>
  %x = graph.reshape %e, %shape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %p1 = graph.unsqueeze %positions [2, 3] : (tensor<?x?xi64>) -> tensor<?x?x1x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1x1xi64>) -> tensor<?x?x1x1xf32>
  %i0 = graph.constant dense<0> : tensor<1xi64>
  %i1 = graph.constant dense<1> : tensor<1xi64>
  %i2 = graph.constant dense<2> : tensor<1xi64>
  %i4 = graph.constant dense<4> : tensor<1xi64>
)";
  text += waves(0, "0.25") + waves(1, "0.5");
  text += s.step == 1 ? slice("x1", 0, 2, 1) + slice("x2", 2, 4, 1) : slice("x1", 0, 4, 2) + slice("x2", 1, 4, 2);
  text += product("xa", "x1", s.a) + product("xb", "x2", s.b) + product("xc", "x2", s.c) + product("xd", "x1", s.d);
  std::string type = "(tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x2xf32>\n";
  text += "%y1 = graph.binary " + s.op1 + " %xa, %xb : " + type + "%y2 = graph.binary " + s.op2 + " %xc, %xd : " + type;
  if (s.join == "half")
    return text + R"(
  %y = graph.concat %y1, %y2 {axis = 3 : i64} : (tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x4xf32>
  %whole = graph.constant dense<[0, 0, 8]> : tensor<3xi64>
  %logits = graph.reshape %y, %whole : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %logits : tensor<?x?x8xf32> })";
  return text + R"(
  %z1 = graph.unsqueeze %y1 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %z2 = graph.unsqueeze %y2 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %z = graph.concat %z1, %z2 {axis = 4 : i64} : (tensor<?x?x2x2x1xf32>, tensor<?x?x2x2x1xf32>) -> tensor<?x?x2x2x2xf32>
  %y = graph.reshape %z, %shape : (tensor<?x?x2x2x2xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %whole = graph.constant dense<[0, 0, 8]> : tensor<3xi64>
  %logits = graph.reshape %y, %whole : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %logits : tensor<?x?x8xf32> })";
}

} // namespace ingot::infer
