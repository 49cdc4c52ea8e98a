// What the importer has to say: errors that stop it and gaps, each naming the node that cannot be compiled. A gap is
// collected, not fatal at once, so that one run lists all of them.
#pragma once
#include <string>
#include <vector>

namespace ingot {

struct Diagnostic {
  std::string node;   ///< the node's name (its first output's if it has none); empty when the file itself is at fault
  std::string opType; ///< e.g. "MatMul"
  std::string domain; ///< "" for ONNX's own
  std::string text;   ///< one line: what is wrong and, where we know, what to do
};

/// "node 'x' (com.microsoft.Foo): text", or just the text.
std::string toString(const Diagnostic &diagnostic);

class DiagnosticSink {
public:
  void report(Diagnostic diagnostic) { diagnostics.push_back(std::move(diagnostic)); }
  void error(std::string text) { report({"", "", "", std::move(text)}); }
  bool empty() const { return diagnostics.empty(); }
  const std::vector<Diagnostic> &all() const { return diagnostics; }

private:
  std::vector<Diagnostic> diagnostics;
};

} // namespace ingot
