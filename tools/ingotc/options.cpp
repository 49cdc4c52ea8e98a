#include "tools/ingotc/options.h"

#include "runtime/base/cpu.h"
#include "tools/cli/exit_code.h"
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

using namespace ingot;

static const char *const kClosing =
    "MODEL is an ONNX file or a folder that holds model.onnx with tokenizer.json, tokenizer_config.json, config.json,\n"
    "generation_config.json and genai_config.json; what is there is used. Without a tokenizer the artifact runs on "
    "--tokens.\n"
    "Exit codes: 0 done, 1 bad input, 2 usage, 3 our own bug.";

static std::vector<std::string> splitList(const std::string &text) {
  std::vector<std::string> items;
  std::stringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
  return items;
}

static int usage(const std::string &text) {
  std::cerr << "ingotc: " << text << " (see ingotc --help)\n";
  return exit_usage;
}

static bool isFormat(const std::string &text) {
  std::string name = text.substr(0, text.find(':')),
              group = text.size() > name.size() ? text.substr(name.size() + 1) : "32";
  bool known = name == "int8" || name == "int4";
  return text == "none" || (known && (group == "32" || group == "64" || group == "128"));
}

static int parseLevels(const std::string &text, CompileOptions &options) {
  options.cpuLevels.clear();
  for (const std::string &name : splitList(text)) {
    auto level = name == "v3" ? cpu::CpuLevel::v3 : cpu::CpuLevel::v4;
    if (name != "v3" && name != "v4") return usage("--cpu '" + text + "': expected v3, v4 or v3,v4");
    if (std::find(options.cpuLevels.begin(), options.cpuLevels.end(), level) == options.cpuLevels.end())
      options.cpuLevels.push_back(level);
  }
  std::sort(options.cpuLevels.begin(), options.cpuLevels.end());
  return options.cpuLevels.empty() ? usage("--cpu: expected v3, v4 or v3,v4") : -1;
}

int ingot::parseOptions(int argc, char **argv, IngotcOptions &options) {
  CompileOptions &compile = options.compile;
  compile.jobs = usable_cpus();
  std::string target = "cpu", levels = "v3,v4", numerics = "exact", progress = "auto", calibrate, sm;
  bool noWeights = false;
  CLI::App app("Compiles an ONNX decoder model into one .ingot file.", "ingotc");
  app.footer(kClosing);
  app.set_version_flag("--version", "ingotc 0.1.0");
  app.add_option("MODEL", compile.model, "an ONNX file or a model folder")->required();
  app.add_option("-o,--output", compile.output, "the artifact to write (default: the model's name with .ingot)");
  app.add_option("--target", target, "cpu (cuda is not there yet)");
  app.add_option("--cpu", levels, "levels of generated code: v3 (AVX2), v4 (AVX-512 VNNI)");
  app.add_option("--sm", sm, "GPU architectures (not there yet)");
  app.add_option("--quantize", compile.quantize, "none, int8 or int4[:GROUP], GROUP 32, 64 or 128");
  app.add_option("--quantize-head", compile.quantizeHead,
                 "the same for the head (default: int8 when --quantize is given)");
  app.add_option("--kv-cache", compile.kvCache, "f32 or f16 (default: the graph's; f16 with --quantize)");
  app.add_option("--activations", compile.activations, "auto, f32 or int8");
  app.add_option("--max-context", compile.maxContext, "longest context in tokens (default: the model's own limit)");
  app.add_option("--numerics", numerics, "exact (fast is not there yet)");
  app.add_option("--calibrate", calibrate, "not there yet");
  app.add_flag("--check", compile.check, "list every gap of the graph; write nothing; exit 1 if it would not compile");
  app.add_flag("--json", options.json, "with --check: as JSON");
  app.add_option("--report", compile.reportFile, "time and peak memory per phase, as JSON");
  app.add_flag(
      "--no-weights", noWeights,
      "leave the weights out, for ingot-inspect and ingot-bench --random-weights; external data may be absent");
  app.add_option("--jobs", compile.jobs, "threads (default: the CPUs at hand)")->check(CLI::Range(1, 256));
  app.add_flag("--time", options.time, "print time and memory per phase");
  app.add_option("--dump-asm", compile.dumpAsm, "a folder for kernels as MLIR, LLVM IR and assembly");
  app.add_option("--dump-ir", compile.dumpIr, "a folder for the IR after each phase");
  app.add_option("--progress", progress, "auto, bar, lines or none");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? exit_done : exit_usage;
  }
  if (target != "cpu") return usage("--target '" + target + "': only cpu is there yet");
  if (!sm.empty()) return usage("--sm: GPU targets are not there yet");
  if (!calibrate.empty()) return usage("--calibrate: not there yet");
  if (numerics != "exact") return usage("--numerics '" + numerics + "': only exact is there yet");
  if (!isFormat(compile.quantize))
    return usage("--quantize '" + compile.quantize + "': expected none, int8 or int4[:32|64|128]");
  if (!compile.quantizeHead.empty() && !isFormat(compile.quantizeHead))
    return usage("--quantize-head '" + compile.quantizeHead + "': expected none, int8 or int4[:32|64|128]");
  if (compile.activations != "auto" && compile.activations != "f32" && compile.activations != "int8")
    return usage("--activations '" + compile.activations + "': expected auto, f32 or int8");
  if (!compile.kvCache.empty() && compile.kvCache != "f32" && compile.kvCache != "f16")
    return usage("--kv-cache '" + compile.kvCache + "': expected f32 or f16 (int8 is not there yet)");
  if (compile.maxContext < 0) return usage("--max-context: expected a positive number of tokens");
  if (options.json && !compile.check) return usage("--json goes with --check");
  if (!parseProgressStyle(progress, options.progress))
    return usage("--progress '" + progress + "': expected auto, bar, lines or none");
  compile.withWeights = !noWeights;
  if (compile.output.empty()) {
    std::filesystem::path model(compile.model);
    if (!model.has_filename()) model = model.parent_path();
    std::error_code ignored; // what is wrong with the path is said when it is opened
    bool folder = std::filesystem::is_directory(model, ignored);
    compile.output = (folder ? model.filename() : model.stem()).string() + ".ingot";
  }
  return parseLevels(levels, compile);
}
