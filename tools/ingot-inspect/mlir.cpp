// The plan as IR of the plan dialect (dialects/plan), in generic detail: a plan that was shipped can be compared with
// the plan that a compiler prints.
#include "tools/ingot-inspect/describe.h"

namespace ingot {
namespace {

std::string quoted(const char *text) {
  std::string out = "\"";
  for (const char *at = text; *at; ++at) {
    if (*at == '"' || *at == '\\') out += '\\';
    out += *at;
  }
  return out + '"';
}

std::string number(const char *name, uint64_t value) {
  return std::string(name) + " = " + std::to_string(value) + " : i64";
}

// Names of tables need not be unique in a file; with the index they are.
std::string symbol(const flatbuffers::String *name, uint32_t index) {
  return "@" + quoted((std::string(text_of(name)) + "." + std::to_string(index)).c_str());
}

std::string binding(const plan::Plan &plan, const plan::Program &program, const plan::Binding &binding) {
  std::string out = std::string("#plan.binding<") + plan::EnumNameBindingKind(binding.kind());
  if (binding.kind() == plan::BindingKind::buffer)
    out += " : " + symbol(program.buffers()->Get(binding.index())->name(), binding.index());
  if (binding.kind() == plan::BindingKind::weight)
    out += " : " + symbol(plan.weights()->Get(binding.index())->name(), binding.index());
  if (binding.kind() == plan::BindingKind::immediate) out += " = " + std::to_string(binding.value());
  return out + ">";
}

std::string variants(const plan::Program &program,
                     const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> *variants) {
  std::string out = "[";
  for (uint32_t i = 0; i < count_of(variants); ++i) {
    const plan::Variant &variant = *variants->Get(i);
    out += std::string(i ? ", " : "") + "#plan.variant<max_rows = " + std::to_string(variant.max_rows()) +
           ", kernel = " + symbol(program.kernels()->Get(variant.kernel())->name(), variant.kernel()) +
           ", grid = " + plan::EnumNameGrid(variant.grid()) + ", units = " + std::to_string(variant.units()) +
           ", per = " + std::to_string(variant.per()) + ", streams = " + std::to_string(variant.streams()) + ">";
  }
  return out + "]";
}

std::string step(const plan::Plan &plan, const plan::Program &program, const plan::Step &step) {
  std::string out = "      plan.step " + quoted(text_of(step.name())) + " {bindings = [";
  for (uint32_t i = 0; i < step.bindings()->size(); ++i)
    out += (i ? ", " : "") + binding(plan, program, *step.bindings()->Get(i));
  out += "], ";
  if (count_of(step.finish())) out += "finish = " + variants(program, step.finish()) + ", ";
  out += "main = " + variants(program, step.main()) + ", " + number("ops_per_row", step.ops_per_row()) + ", ";
  if (step.partial_bytes()) out += number("partial_bytes", step.partial_bytes()) + ", ";
  out += "prepare = " + variants(program, step.prepare()) + ", ";
  out += number("prepare_private_rows", step.prepare_private_rows()) + ", ";
  out += number("prepared_bytes_per_row", step.prepared_bytes_per_row()) + ", ";
  return out + number("weight_bytes", step.weight_bytes()) + "}\n";
}

std::string entry(const plan::Plan &plan, const plan::Program &program, const plan::Entry &entry, uint64_t arena) {
  std::string out = std::string("    plan.entry ") + plan::EnumNameSpace(entry.space()) + " attributes {" +
                    number("arena_bytes_per_row", arena) + "} {\n";
  for (const plan::Step *each : *entry.steps()) out += step(plan, program, *each);
  return out + "    }\n";
}

std::string kernel(const plan::Kernel &kernel, uint32_t index) {
  std::string out = "    plan.kernel " + symbol(kernel.name(), index) + " {";
  if (kernel.block_items()) out += number("block_items", kernel.block_items()) + ", ";
  if (kernel.block_threads()) out += number("block_threads", kernel.block_threads()) + ", ";
  out += "hash = " + std::to_string(kernel.hash()) + " : ui64, " + number("scratch_bytes", kernel.scratch_bytes());
  if (kernel.shared_bytes()) out += ", " + number("shared_bytes", kernel.shared_bytes());
  return out + "}\n";
}

std::string program(const plan::Plan &plan, const plan::Program &program) {
  std::string out = std::string("  plan.program ") + plan::EnumNameTarget(program.target()) + " attributes {" +
                    number("q_tile_rows", program.q_tile_rows()) + "} {\n";
  for (uint32_t i = 0; i < program.kernels()->size(); ++i) out += kernel(*program.kernels()->Get(i), i);
  for (uint32_t i = 0; i < count_of(program.buffers()); ++i) {
    const plan::Buffer &buffer = *program.buffers()->Get(i);
    out += "    plan.buffer " + symbol(buffer.name(), i) + " " + plan::EnumNameSpace(buffer.space()) + " {" +
           number("bytes_per_row", buffer.bytes_per_row()) + ", " + number("offset_per_row", buffer.offset_per_row()) +
           "}\n";
  }
  out += entry(plan, program, *program.body(), program.body_arena_bytes_per_row());
  out += entry(plan, program, *program.head(), program.head_arena_bytes_per_row());
  return out + "  }\n";
}

} // namespace

std::string describe_mlir(const Artifact &artifact) {
  const plan::Plan &plan = artifact.plan();
  std::string out = "module {\n";
  for (uint32_t i = 0; i < count_of(plan.weights()); ++i) {
    const plan::Weight &weight = *plan.weights()->Get(i);
    std::string name = symbol(weight.name(), i);
    out.append("  plan.weight ").append(name).append(" ").append(name);
    out += " {" + number("cols", weight.cols()) + ", layout = " + quoted(text_of(weight.layout())) + ", " +
           number("offset", weight.offset()) + ", " + number("rows", weight.rows()) + ", " +
           number("size", weight.size()) + "}\n";
  }
  for (const plan::Program *each : *plan.programs()) out += program(plan, *each);
  return out + "}\n";
}

} // namespace ingot
