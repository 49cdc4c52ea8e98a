# lit tests of dialects and passes: a .mlir file runs ingot-opt and checks the output with FileCheck.
import os

import lit.formats

config.name = "ingot"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["data", "e2e", "bench", "unit", "fuzz", "onnx"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.ingot_binary_dir, "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.ingot_binary_dir, "bin"), config.llvm_tools_dir, config.environment.get("PATH", "")])
config.environment["FILECHECK_OPTS"] = "--dump-input=fail --enable-var-scope"
