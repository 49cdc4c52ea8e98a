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

static bool contains(const std::vector<std::string> &list, const char *text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

static int parseTargets(const std::string &text, CompileOptions &options) {
  std::vector<std::string> names = splitList(text);
  options.targets.clear();
  for (const char *known : {"cpu", "cuda"}) // the order of the programs, however they were asked for
    if (std::erase(names, known)) options.targets.push_back(known);
  if (!names.empty() || options.targets.empty())
    return usage("--target '" + text + "': expected cpu, cuda or cpu,cuda");
  return -1;
}

static int parseArchitectures(const std::string &text, CompileOptions &options) {
  if (text.empty()) return -1;
  options.architectures.clear();
  if (text == "none") return -1;
  for (const std::string &name : splitList(text)) {
    static const unsigned known[] = {80, 86, 87, 89, 90, 100, 120};
    auto named = [&](unsigned architecture) { return name == std::to_string(architecture); };
    auto found = std::find_if(std::begin(known), std::end(known), named);
    if (found == std::end(known))
      return usage("--sm '" + text + "': expected none, or some of 80, 86, 87, 89, 90, 100, 120");
    options.architectures.push_back(*found);
  }
  std::sort(options.architectures.begin(), options.architectures.end());
  auto same = std::unique(options.architectures.begin(), options.architectures.end());
  options.architectures.erase(same, options.architectures.end());
  return options.architectures.empty() ? usage("--sm: expected none, or some of 80, 86, 87, 89, 90, 100, 120") : -1;
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
  std::string target = "cpu", levels, numerics = "exact", progress = "auto", calibrate, architectures;
  bool noWeights = false;
  CLI::App app("Compiles an ONNX decoder model into one .ingot file.", "ingotc");
  app.footer(kClosing);
  app.set_version_flag("--version", "ingotc 0.1.0");
  app.add_option("MODEL", compile.model, "an ONNX file or a model folder")->required();
  app.add_option("-o,--output", compile.output, "the artifact to write (default: the model's name with .ingot)");
  app.add_option("--target", target, "machines that the artifact runs on: cpu, cuda or cpu,cuda (default: cpu)");
  app.add_option("--cpu", levels, "levels of generated code: v3 (AVX2), v4 (AVX-512 VNNI); default: both");
  app.add_option(
      "--sm", architectures,
      "with --target cuda: GPU architectures that get a cubin, of 80, 86, 87, 89, 90, 100, 120 (default: 80,90); "
      "none: PTX only, which every card since 80 compiles when it loads the model, and no ptxas is needed");
  app.add_option("--ptxas", compile.ptxas,
                 "the assembler of cubins (default: INGOT_PTXAS, PATH, CUDA_HOME, build/venv)");
  app.add_option("--quantize", compile.quantize, "none, int8 or int4[:GROUP], GROUP 32, 64 or 128");
  app.add_option("--quantize-head", compile.quantizeHead,
                 "the same for the head (default: int8 when --quantize is given)");
  app.add_option("--kv-cache", compile.kvCache, "f32, f16 or bf16 (default: the graph's; f16 with --quantize)");
  app.add_option("--activations", compile.activations, "auto, f32 or int8");
  app.add_option("--max-context", compile.maxContext, "longest context in tokens (default: the model's own limit)");
  app.add_option("--numerics", numerics, "exact (fast is not there yet)");
  app.add_option("--calibrate", calibrate, "not there yet");
  app.add_flag("--check", compile.check, "list every gap of the graph; write nothing; exit 1 if it would not compile");
  app.add_flag("--json", options.json, "with --check: as JSON");
  app.add_option("--report", compile.reportFile,
                 "JSON: time and peak memory per phase, steps, CUDA kernels as ptxas sees them");
  app.add_flag(
      "--no-weights", noWeights,
      "leave the weights out, for ingot-inspect and ingot-bench --random-weights; external data may be absent");
  app.add_option("--jobs", compile.jobs, "threads (default: the CPUs at hand)")->check(CLI::Range(1, 256));
  app.add_flag("--time", options.time, "print time and memory per phase");
  app.add_option("--dump-asm", compile.dumpAsm, "a folder for kernels as MLIR, LLVM IR and assembly");
  app.add_flag("--mark-guards", compile.markGuards,
               "PTX names the bounds guards behind their instructions (test/cuda/mutate_kernels.py)");
  app.add_option("--dump-ir", compile.dumpIr, "a folder for the IR after each phase");
  app.add_option("--progress", progress, "auto, bar, lines or none");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? exit_done : exit_usage;
  }
  if (int code = parseTargets(target, compile); code >= 0) return code;
  bool cpu = contains(compile.targets, "cpu"), cuda = contains(compile.targets, "cuda");
  if (!levels.empty() && !cpu) return usage("--cpu goes with --target cpu");
  if (!architectures.empty() && !cuda) return usage("--sm goes with --target cuda");
  if (!compile.ptxas.empty() && !cuda) return usage("--ptxas goes with --target cuda");
  if (int code = parseArchitectures(architectures, compile); code >= 0) return code;
  if (!calibrate.empty()) return usage("--calibrate: not there yet");
  if (numerics != "exact") return usage("--numerics '" + numerics + "': only exact is there yet");
  if (!isFormat(compile.quantize))
    return usage("--quantize '" + compile.quantize + "': expected none, int8 or int4[:32|64|128]");
  if (!compile.quantizeHead.empty() && !isFormat(compile.quantizeHead))
    return usage("--quantize-head '" + compile.quantizeHead + "': expected none, int8 or int4[:32|64|128]");
  if (compile.activations != "auto" && compile.activations != "f32" && compile.activations != "int8")
    return usage("--activations '" + compile.activations + "': expected auto, f32 or int8");
  if (!compile.kvCache.empty() && compile.kvCache != "f32" && compile.kvCache != "f16" && compile.kvCache != "bf16")
    return usage("--kv-cache '" + compile.kvCache + "': expected f32, f16 or bf16 (int8 is not there yet)");
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
  return parseLevels(levels.empty() ? "v3,v4" : levels, compile);
}
