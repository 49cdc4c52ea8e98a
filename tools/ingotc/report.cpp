#include "tools/ingotc/report.h"

#include "tools/cli/json.h"
#include <cstdio>

using namespace ingot;

void ingot::printDiagnostics(const CompileResult &result) {
  for (const std::string &text : result.warnings) fprintf(stderr, "ingotc: warning: %s\n", text.c_str());
  for (const Diagnostic &error : result.errors) fprintf(stderr, "ingotc: error: %s\n", toString(error).c_str());
}

void ingot::printPhases(const CompileResult &result) {
  fprintf(stderr, "%-12s %9s %12s\n", "phase", "seconds", "peak MB");
  for (const Phase &phase : result.report.phases())
    fprintf(stderr, "%-12s %9.3f %12.1f\n", phase.name.c_str(), phase.seconds, phase.peakBytes / 1e6);
}

std::string ingot::checkJson(const CompileResult &result) {
  Json json;
  json.begin_object().boolean("compiles", result.ok).begin_array("gaps");
  for (const Diagnostic &gap : result.errors)
    json.begin_object()
        .text("node", gap.node)
        .text("operator", gap.opType)
        .text("domain", gap.domain)
        .text("message", gap.text)
        .end_object();
  json.end_array().end_object();
  return json.str() + "\n";
}

/// A CUDA kernel as ptxas sees it on one architecture.
static void writeKernel(Json &json, const KernelReport &kernel) {
  json.begin_object()
      .text("name", kernel.kernel)
      .integer("sm", kernel.architecture)
      .integer("threads", kernel.threads)
      .integer("registers", kernel.registers)
      .integer("shared_bytes", kernel.sharedBytes)
      .integer("spill_bytes", kernel.spillBytes)
      .integer("stack_bytes", kernel.stackBytes)
      .integer("blocks_per_sm", kernel.residentBlocks);
  if (kernel.disassembled)
    json.integer("instructions", kernel.instructions)
        .integer("ldg", kernel.loads)
        .integer("ldg_128", kernel.wideLoads)
        .integer("ldgsts", kernel.asyncCopies)
        .integer("hmma", kernel.halfMmas)
        .integer("imma", kernel.integerMmas);
  json.end_object();
}

std::string ingot::reportJson(const CompileOptions &options, const CompileResult &result) {
  Json json;
  json.begin_object().text("model", options.model).text("output", options.output).boolean("ok", result.ok);
  json.integer("artifact_bytes", result.artifactBytes)
      .integer("weight_bytes", result.weightBytes)
      .begin_array("phases");
  for (const Phase &phase : result.report.phases())
    json.begin_object()
        .text("name", phase.name)
        .number("seconds", phase.seconds)
        .integer("peak_bytes", phase.peakBytes)
        .end_object();
  json.end_array().begin_array("steps");
  for (const StepReport &step : result.steps)
    json.begin_object()
        .text("entry", step.entry)
        .text("name", step.name)
        .integer("weight_bytes", step.weightBytes)
        .integer("operations_per_row", step.operationsPerRow)
        .end_object();
  json.end_array().begin_array("kernels");
  for (const KernelReport &kernel : result.kernels) writeKernel(json, kernel);
  json.end_array().end_object();
  return json.str() + "\n";
}
