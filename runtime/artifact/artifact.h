// A loaded artifact: verified first, mapped, read-only, shared by any number of sessions and threads.
// Nothing of the file is executed before header, table, plan, versions and hashes have passed. Weights are mapped and
// never copied; their hash is only checked by verify(). The file must not be truncated while it is mapped.
#pragma once
#include "runtime/artifact/check.h"
#include "runtime/base/file.h"

namespace ingot {

struct ArtifactOptions {
  const FileSystem *files = &system_files();
  Allocator allocator = system_allocator();
  const char *cpu_level = nullptr; // the value of INGOT_CPU; null: the CPU's own level
};

class Artifact {
public:
  // Errors: not an artifact, another version, damaged, no code for this CPU and none for another machine.
  static Status open(const char *path, const ArtifactOptions &options, Artifact *artifact);
  // The same checks on bytes in memory (they outlive the artifact); no code is mapped, so kernels must be replaced.
  static Status open_bytes(Bytes file, const char *name, const ArtifactOptions &options, Artifact *artifact);

  const plan::Plan &plan() const { return *plan_; }
  const plan::Program *program(plan::Target target) const { return find_program(*plan_, target); } // null: none
  // Whether the artifact has code that a machine of this kind can run; an error says how to get it.
  Status supports(plan::Target target) const;
  const plan::Facts &facts() const { return *plan_->facts(); }
  const Layout &layout() const { return layout_; }
  const char *name() const { return name_; }
  uint32_t cpu_level() const { return level_; } // of the code that runs: 3 or 4; 0: none runs on this CPU

  const uint8_t *weights() const { return weights_; } // null when the plan has none
  bool has_weights() const { return replaced_ || !facts().weights_left_out(); }
  ingot_kernel kernel(uint32_t index) const { return kernels_[index]; } // of the CPU program
  // Empty when the artifact has none.
  Bytes tokenizer() const { return segment(INGOT_SEGMENT_TOKENIZER); }
  Bytes chat_template() const { return segment(INGOT_SEGMENT_CHAT_TEMPLATE); }

  // Hashes every segment, weights included.
  Status verify() const;

  // Tests run C++ functions in the place of generated code.
  void replace_kernel(uint32_t index, ingot_kernel kernel) { kernels_[index] = kernel; }
  // The weights segment's bytes from elsewhere (ingot-bench --random-weights); they outlive the artifact's sessions.
  void replace_weights(const uint8_t *weights) {
    weights_ = weights;
    replaced_ = true;
  }

private:
  Status check(Bytes file, const ArtifactOptions &options);
  Status check_hash(const ingot_segment &segment) const;
  Status choose_code(const ArtifactOptions &options);
  Status bind_kernels(const uint8_t *code, const ArtifactOptions &options);
  Bytes segment(uint32_t kind) const;

  Mapping file_, code_;
  Layout layout_;
  const plan::Plan *plan_ = nullptr;
  const uint8_t *weights_ = nullptr;
  bool replaced_ = false; // weights_ is not the file's
  Array<ingot_kernel> kernels_;
  uint32_t level_ = 0, code_index_ = 0;
  Status cpu_; // why the CPU program does not run here
  char name_[128] = {};
};

} // namespace ingot
