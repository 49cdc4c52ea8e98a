// ingotc MODEL -o OUT.ingot: compiles an ONNX decoder model into one artifact.
#include "compiler/driver/Compile.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/output_file.h"
#include "tools/ingotc/options.h"
#include "tools/ingotc/report.h"
#include <cstdio>
#include <exception>

using namespace ingot;

static bool writeReport(const std::string &path, const std::string &text) {
  OutputFile file;
  Status status = file.open(path);
  if (status.ok()) status = file.write(text.data(), text.size());
  if (status.ok()) status = file.commit();
  if (!status.ok()) fprintf(stderr, "ingotc: error: %s\n", status.message());
  return status.ok();
}

static int run(int argc, char **argv) {
  IngotcOptions options;
  if (int code = parseOptions(argc, argv, options); code >= 0) return code;
  Progress progress(options.compile.check ? ProgressStyle::none : options.progress);
  options.compile.progress = [&](const char *phase, double fraction) { progress.show(phase, fraction); };
  CompileResult result = compileModel(options.compile);
  progress.clear();

  if (options.json)
    fputs(checkJson(result).c_str(), stdout);
  else
    printDiagnostics(result);
  if (options.time) printPhases(result);
  bool reported = options.compile.reportFile.empty() ||
                  writeReport(options.compile.reportFile, reportJson(options.compile, result));
  if (!result.ok || !reported) return exit_bad_input;
  if (options.compile.check) {
    if (!options.json) printf("%s: no gaps\n", options.compile.model.c_str());
  } else {
    fprintf(stderr, "%s: %.1f MB, of which weights %.1f MB\n", options.compile.output.c_str(),
            result.artifactBytes / 1e6, result.weightBytes / 1e6);
  }
  return exit_done;
}

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception &error) {
    fprintf(stderr, "ingotc: internal error: %s\n", error.what());
    return exit_bug;
  }
}
