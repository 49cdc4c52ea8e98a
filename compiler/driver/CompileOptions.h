// What a compilation is asked for: the command line of ingotc as data (design section 11).
#pragma once
#include "compiler/target/CpuTarget.h"
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ingot {

struct CompileOptions {
  std::string model;                              // a model file, or a folder that holds model.onnx
  std::string output;                             // OUT.ingot
  std::vector<std::string> targets = {"cpu"};     // cpu and cuda; a program each, in this order
  std::vector<unsigned> architectures = {80, 90}; // of GPUs that get a cubin; empty: PTX only, which needs no ptxas
  std::string ptxas;                              // its path; empty: it is looked for (compiler/target/Ptxas.h)
  std::vector<cpu::CpuLevel> cpuLevels = {cpu::CpuLevel::v3, cpu::CpuLevel::v4};
  std::string quantize = "none";    // none, int8 or int4[:GROUP]
  std::string quantizeHead;         // the same; empty: int8 when the body is quantised, else none
  std::string activations = "auto"; // auto, f32 or int8
  std::string kvCache;              // f32, f16 or bf16; empty: the graph's type without --quantize, else f16
  int64_t maxContext = 0;           // 0: the model's own
  unsigned jobs = 1;
  bool check = false;                  // import and infer only
  bool withWeights = true;             // false: a hole where the weights would be (--no-weights)
  std::string reportFile;              // JSON: time and peak memory per phase, steps
  std::string dumpAsm, dumpIr;         // folders
  bool markGuards = false;             // in PTX (CudaOptions::marks)
  cpu::ObjectCache *objects = nullptr; // shared by compilations of one process; may be null
  std::function<void(const char *phase, double fraction)> progress; // fraction of the whole in [0, 1]
};

} // namespace ingot
