#include "runtime/artifact/artifact.h"
#include "runtime/base/cpu.h"

#include <cstdio>
#include <cstring>

namespace ingot {

Status Artifact::check_hash(const ingot_segment &segment) const {
  if (hash_of(layout_.bytes(segment)) == segment.hash) return {};
  return damaged(name_, "the hash of the segment %s %u does not match", segment_kind_name(segment.kind), segment.tag);
}

// The newest code that the CPU (or INGOT_CPU) allows.
Status Artifact::choose_code(const ArtifactOptions &options) {
  const plan::Program *program = this->program(plan::Target::cpu);
  if (!program)
    return Status::error(
        Code::unsupported,
        "artifact %.120s: it holds no code for the CPU: compile it with --target cpu (or cpu,cuda), or "
        "run it with --device cuda",
        name_);
  CpuLevel most;
  INGOT_TRY(choose_level(detect_cpu(), options.cpu_level, &most));
  for (uint32_t i = 0; i < program->code()->size(); ++i) {
    uint32_t level = program->code()->Get(i)->level();
    if (level > most || level <= level_) continue;
    level_ = level;
    code_index_ = i;
  }
  bool forced = options.cpu_level && *options.cpu_level;
  if (level_ != 0 && (!forced || level_ == uint32_t(most))) return {};
  level_ = 0;
  return Status::error(Code::unsupported,
                       "artifact %.120s: it holds no code for CPU level v%u: compile it with --cpu v%u", name_,
                       unsigned(most), unsigned(most));
}

Status Artifact::supports(plan::Target target) const {
  if (target == plan::Target::cpu) return cpu_;
  if (program(target)) return {};
  return Status::error(Code::unsupported,
                       "artifact %.120s: it holds no CUDA code: compile it with --target cuda (or cpu,cuda), or run it "
                       "with --device cpu",
                       name_);
}

Status Artifact::check(Bytes file, const ArtifactOptions &options) {
  INGOT_TRY(read_layout(file, name_, &layout_));
  INGOT_TRY(check_plan(layout_, name_, options.allocator, &plan_));
  level_ = 0;
  cpu_ = choose_code(options);
  if (!program(plan::Target::cuda)) INGOT_TRY(cpu_);
  for (uint32_t i = 0; i < layout_.header->segment_count; ++i)
    if (layout_.segments[i].kind != INGOT_SEGMENT_WEIGHTS) INGOT_TRY(check_hash(layout_.segments[i]));
  if (count_of(plan_->weights())) weights_ = layout_.bytes(layout_.segments[plan_->weights_segment()]).data();
  return {};
}

Status Artifact::bind_kernels(const uint8_t *code, const ArtifactOptions &options) {
  if (level_ == 0) return {};
  const plan::Program *program = this->program(plan::Target::cpu);
  INGOT_TRY(kernels_.take(options.allocator, program->kernels()->size(), "artifact: kernel addresses"));
  for (uint32_t i = 0; i < kernels_.size(); ++i) {
    uint64_t offset = program->kernels()->Get(i)->address()->Get(code_index_)->offset();
    if (code) kernels_[i] = reinterpret_cast<ingot_kernel>(const_cast<uint8_t *>(code) + offset);
  }
  return {};
}

Status Artifact::open(const char *path, const ArtifactOptions &options, Artifact *artifact) {
  const char *slash = strrchr(path, '/');
  snprintf(artifact->name_, sizeof artifact->name_, "%s", slash ? slash + 1 : path);
  File file;
  INGOT_TRY(file.open(*options.files, path));
  if (file.size() < sizeof(ingot_header) || file.size() > SIZE_MAX / 2)
    return Status::error(Code::bad_input, "artifact %.120s: this is not an .ingot file", artifact->name_);
  INGOT_TRY(artifact->file_.map(*options.files, file.handle(), 0, size_t(file.size()), false, path));
  INGOT_TRY(artifact->check(artifact->file_.bytes(), options));
  if (artifact->level_ == 0) return {};
  const plan::Program &program = *artifact->program(plan::Target::cpu);
  const ingot_segment &code = artifact->layout_.segments[program.code()->Get(artifact->code_index_)->segment()];
  INGOT_TRY(artifact->code_.map(*options.files, file.handle(), code.offset, code.size, true, path));
  return artifact->bind_kernels(artifact->code_.bytes().data(), options);
}

Status Artifact::open_bytes(Bytes file, const char *name, const ArtifactOptions &options, Artifact *artifact) {
  snprintf(artifact->name_, sizeof artifact->name_, "%s", name);
  INGOT_TRY(artifact->check(file, options));
  return artifact->bind_kernels(nullptr, options);
}

Bytes Artifact::segment(uint32_t kind) const {
  const ingot_segment *segment = layout_.find(kind);
  return segment ? layout_.bytes(*segment) : Bytes();
}

Status Artifact::verify() const {
  for (uint32_t i = 0; i < layout_.header->segment_count; ++i) INGOT_TRY(check_hash(layout_.segments[i]));
  return {};
}

} // namespace ingot
