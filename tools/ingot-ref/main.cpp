// ingot-ref MODEL.onnx --tokens 1,2,3 --logits F.npy: the reference evaluator on an imported graph, slow and obvious.
// Exit codes: 0 done, 1 bad input, 2 usage.
#include "compiler/import/Import.h"
#include "compiler/reference/DecoderSession.h"
#include "tools/cli/output_file.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace ingot;

namespace {

constexpr const char *help = R"(ingot-ref: runs an ONNX decoder with the reference evaluator, slow and obvious

usage: ingot-ref MODEL.onnx [options]       MODEL may be a folder that holds model.onnx
  --tokens 1,2,3      the prompt
  --logits FILE.npy   write float32 [tokens, vocab], one row per token
  --chunk N           feed the prompt N tokens at a time
  --numerics          f32 by the numerics contract instead of rounded doubles
  --mlir              print the imported graph
  --help, --version
)";

struct Options {
  std::string model, logits;
  std::vector<int64_t> tokens;
  size_t chunk = 0;
  reference::Mode mode = reference::Mode::plain;
  bool mlir = false;
};

int usage(const llvm::Twine &reason) {
  llvm::errs() << "ingot-ref: " << reason << "; see --help\n";
  return 2;
}

int bad(const llvm::Twine &reason) {
  llvm::errs() << "ingot-ref: " << reason << "\n";
  return 1;
}

bool parseTokens(llvm::StringRef text, std::vector<int64_t> &tokens) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  for (llvm::StringRef part : parts)
    if (part.trim().getAsInteger(10, tokens.emplace_back()) || tokens.back() < 0) return false;
  return true;
}

// 0 if the options are good, else the exit code plus one.
int parse(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef name = argv[i];
    bool takesValue = name == "--tokens" || name == "--logits" || name == "--chunk";
    if (takesValue && i + 1 == argc) return 1 + usage(name + " needs a value");
    if (name == "--help") return llvm::outs() << help, 1;
    if (name == "--version") return llvm::outs() << "ingot-ref 0.1.0\n", 1;
    if (name == "--mlir")
      options.mlir = true;
    else if (name == "--numerics")
      options.mode = reference::Mode::contract;
    else if (name == "--logits")
      options.logits = argv[++i];
    else if (name == "--tokens" && !parseTokens(argv[++i], options.tokens))
      return 1 + usage("--tokens wants ids such as 1,2,3");
    else if (name == "--chunk" && (llvm::StringRef(argv[++i]).getAsInteger(10, options.chunk) || !options.chunk))
      return 1 + usage("--chunk wants a positive number");
    else if (!takesValue && (name.starts_with("-") || !options.model.empty()))
      return 1 + usage("unknown argument '" + name + "'");
    else if (!takesValue)
      options.model = name.str();
  }
  if (options.model.empty()) return 1 + usage("no model is given");
  if (options.tokens.empty() && !options.mlir) return 1 + usage("nothing to do: give --tokens or --mlir");
  return 0;
}

// NumPy's format 1.0: magic, header length, a Python dict padded to 64 bytes, then the values.
Status writeNpy(const std::string &path, const std::vector<float> &values, int64_t columns) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(values.size() / columns) +
                       ", " + std::to_string(columns) + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header.push_back('\n');
  const char start[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, char(header.size()), char(header.size() >> 8)};
  OutputFile file;
  INGOT_TRY(file.open(path));
  INGOT_TRY(file.write(start, sizeof start));
  INGOT_TRY(file.write(header.data(), header.size()));
  INGOT_TRY(file.write(values.data(), values.size() * sizeof(float)));
  return file.commit();
}

int runPrompt(mlir::ModuleOp module, const Options &options) {
  reference::DecoderSession session(module, options.model, options.mode);
  std::vector<float> logits;
  int64_t vocab = 1;
  llvm::ArrayRef<int64_t> rest = options.tokens;
  while (!rest.empty()) {
    size_t count = options.chunk ? std::min(options.chunk, rest.size()) : rest.size();
    auto rows = session.feed(rest.take_front(count));
    if (!rows) return bad(session.error());
    logits.insert(logits.end(), rows->reals.begin(), rows->reals.end());
    vocab = std::max<int64_t>(rows->shape[1], 1);
    rest = rest.drop_front(count);
  }
  if (options.logits.empty()) return 0;
  Status written = writeNpy(options.logits, logits, vocab);
  return written.ok() ? 0 : bad(written.message());
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (int code = parse(argc, argv, options)) return code - 1;
  if (llvm::sys::fs::is_directory(options.model)) {
    llvm::SmallString<256> inside(options.model);
    llvm::sys::path::append(inside, "model.onnx");
    options.model = std::string(inside);
  }
  mlir::MLIRContext context;
  DiagnosticSink sink;
  auto module = importOnnx(options.model, context, {}, sink);
  for (const Diagnostic &diagnostic : sink.all()) llvm::errs() << "ingot-ref: " << toString(diagnostic) << "\n";
  if (!module) return 1;
  if (options.mlir) module->print(llvm::outs());
  return options.tokens.empty() ? 0 : runPrompt(*module, options);
}
