#include "runtime/artifact/layout.h"
#include "runtime/base/checked.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace ingot {
namespace {

constexpr uint32_t most_segments = 64;
constexpr uint64_t most_plan_bytes = uint64_t(1) << 31;

Status check_versions(Bytes file, const char *name, const ingot_header *header) {
  if (file.size() < sizeof(ingot_header) || memcmp(header->magic, INGOT_MAGIC, sizeof header->magic) != 0)
    return Status::error(Code::bad_input, "artifact %.120s: this is not an .ingot file", name);
  if (header->format_version != INGOT_FORMAT_VERSION)
    return Status::error(
        Code::bad_input,
        "artifact %.120s: format %u, but this runtime reads format %u: build it again with the ingotc of this release",
        name, header->format_version, INGOT_FORMAT_VERSION);
  if (header->abi_version != INGOT_ABI_VERSION)
    return Status::error(Code::bad_input,
                         "artifact %.120s: kernel ABI %u, but this runtime speaks ABI %u: build it again with the "
                         "ingotc of this release",
                         name, header->abi_version, INGOT_ABI_VERSION);
  return {};
}

Status check_header(Bytes file, const char *name, const ingot_header *header) {
  if (hash_of(file.first(offsetof(ingot_header, header_hash))) != header->header_hash)
    return damaged(name, "the header's hash does not match");
  if (header->reserved != 0) return damaged(name, "a reserved field of the header is not 0");
  if (header->file_size != file.size())
    return damaged(name, "the header says %llu bytes, the file has %zu", (unsigned long long)header->file_size,
                   file.size());
  if (header->segment_count > most_segments ||
      !in_range(sizeof(ingot_header), header->segment_count * sizeof(ingot_segment), file.size()))
    return damaged(name, "%u segment records do not fit", header->segment_count);
  return {};
}

// Where the plan may start.
uint64_t frame_end(const ingot_header *header) {
  return sizeof(ingot_header) + header->segment_count * sizeof(ingot_segment);
}

Status check_plan_range(Bytes file, const char *name, const ingot_header *header) {
  if (!in_range(header->plan_offset, header->plan_size, file.size()) || header->plan_offset < frame_end(header) ||
      header->plan_offset % 8 != 0 || header->plan_size >= most_plan_bytes)
    return damaged(name, "the plan (offset %llu, size %llu) is misplaced", (unsigned long long)header->plan_offset,
                   (unsigned long long)header->plan_size);
  if (hash_of(file.subspan(header->plan_offset, header->plan_size)) != header->plan_hash)
    return damaged(name, "the plan's hash does not match");
  return {};
}

Status check_segments(const Layout &layout, const char *name) {
  uint64_t end = layout.header->plan_offset + layout.header->plan_size;
  for (uint32_t i = 0; i < layout.header->segment_count; ++i) {
    const ingot_segment &segment = layout.segments[i];
    if (segment.kind < INGOT_SEGMENT_WEIGHTS || segment.kind > INGOT_SEGMENT_CHAT_TEMPLATE)
      return damaged(name, "segment %u has the unknown kind %u", i, segment.kind);
    if (!in_range(segment.offset, segment.size, layout.file.size()) || segment.offset % INGOT_SEGMENT_ALIGNMENT != 0 ||
        segment.offset < end)
      return damaged(name, "segment %u, %s (offset %llu, size %llu), is misplaced", i, segment_kind_name(segment.kind),
                     (unsigned long long)segment.offset, (unsigned long long)segment.size);
    end = segment.offset + segment.size;
    for (uint32_t j = 0; j < i; ++j)
      if (layout.segments[j].kind == segment.kind && layout.segments[j].tag == segment.tag)
        return damaged(name, "segments %u and %u are both %s %u", j, i, segment_kind_name(segment.kind), segment.tag);
  }
  return {};
}

// Every byte that no part owns is 0, so that nothing can hide there and no damage goes unseen.
Status check_gap(Bytes file, const char *name, uint64_t begin, uint64_t end) {
  if (end - begin >= INGOT_SEGMENT_ALIGNMENT)
    return damaged(name, "%llu bytes at %llu belong to no part", (unsigned long long)(end - begin),
                   (unsigned long long)begin);
  for (uint64_t i = begin; i < end; ++i)
    if (file[i] != 0) return damaged(name, "byte %llu, between two parts, is not 0", (unsigned long long)i);
  return {};
}

Status check_gaps(const Layout &layout, const char *name) {
  const ingot_header *header = layout.header;
  INGOT_TRY(check_gap(layout.file, name, frame_end(header), header->plan_offset));
  uint64_t end = header->plan_offset + header->plan_size;
  for (uint32_t i = 0; i < header->segment_count; ++i) {
    INGOT_TRY(check_gap(layout.file, name, end, layout.segments[i].offset));
    end = layout.segments[i].offset + layout.segments[i].size;
  }
  if (end != layout.file.size()) return damaged(name, "bytes follow the last part");
  return {};
}

} // namespace

const char *segment_kind_name(uint32_t kind) {
  static const char *const names[] = {"?", "weights", "CPU code", "cubin", "PTX", "tokenizer", "chat template"};
  return names[kind <= INGOT_SEGMENT_CHAT_TEMPLATE ? kind : 0];
}

Status damaged(const char *name, const char *format, ...) {
  char what[240];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  return Status::error(Code::bad_input, "artifact %.100s: %s; the file is damaged: build it again", name, what);
}

const ingot_segment *Layout::find(uint32_t kind) const {
  for (uint32_t i = 0; i < header->segment_count; ++i)
    if (segments[i].kind == kind) return &segments[i];
  return nullptr;
}

Status read_layout(Bytes file, const char *name, Layout *layout) {
  auto header = reinterpret_cast<const ingot_header *>(file.data());
  INGOT_TRY(check_versions(file, name, header));
  INGOT_TRY(check_header(file, name, header));
  Layout read = {file, header, reinterpret_cast<const ingot_segment *>(header + 1), {}};
  Bytes records = file.subspan(sizeof(ingot_header), header->segment_count * sizeof(ingot_segment));
  if (hash_of(records) != header->table_hash) return damaged(name, "the segment records' hash does not match");
  INGOT_TRY(check_plan_range(file, name, header));
  INGOT_TRY(check_segments(read, name));
  INGOT_TRY(check_gaps(read, name));
  read.plan = file.subspan(header->plan_offset, header->plan_size);
  *layout = read;
  return {};
}

} // namespace ingot
