// What ingotc says when it is done: gaps as text or JSON, phases as text or JSON.
#pragma once
#include "compiler/driver/Compile.h"

namespace ingot {

void printDiagnostics(const CompileResult &result);
void printPhases(const CompileResult &result);
/// {"compiles": bool, "gaps": [{node, operator, domain, message}]}
std::string checkJson(const CompileResult &result);
std::string reportJson(const CompileOptions &options, const CompileResult &result);

} // namespace ingot
