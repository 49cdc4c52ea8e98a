// How a diagnostic reads.
#include "compiler/import/Diagnostics.h"

std::string ingot::toString(const Diagnostic &diagnostic) {
  if (diagnostic.node.empty() && diagnostic.opType.empty()) return diagnostic.text;
  std::string op = diagnostic.domain.empty() ? diagnostic.opType : diagnostic.domain + "." + diagnostic.opType;
  return "node '" + diagnostic.node + "' (" + op + "): " + diagnostic.text;
}
