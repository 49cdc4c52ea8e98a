#include "tools/ingot-run/trace.h"
#include "tools/cli/json.h"

namespace ingot {

Status Trace::open(const std::string &path, Session *session) {
  program_ = &session->program();
  session->observe({ran, this});
  start_ = system_clock()();
  pending_ = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n{\"ph\": \"M\", \"pid\": 1, \"tid\": 1, "
             "\"name\": \"thread_name\", \"args\": {\"name\": \"steps\"}}";
  return file_.open(path);
}

void Trace::ran(void *self, const Device &device) { static_cast<Trace *>(self)->add(device); }

void Trace::add(const Device &device) {
  if (!status_.ok()) return;
  static constexpr const char *parts[] = {" (prepare)", "", " (finish)"};
  for (size_t i = 0; i < device.grid_count(); ++i) {
    GridRun grid = device.grid(i);
    if (grid.end == 0) continue; // no items
    const plan::Entry &entry = grid.space == plan::Space::body ? *program_->body() : *program_->head();
    const plan::Step &step = *entry.steps()->Get(grid.step);
    Json event;
    event.begin_object().text("ph", "X").integer("pid", 1).integer("tid", 1);
    event.text("name", std::string(text_of(step.name())) + parts[size_t(grid.part)]);
    event.text("cat", plan::EnumNameSpace(grid.space));
    event.number("ts", double(grid.begin - start_) / 1000).number("dur", double(grid.end - grid.begin) / 1000);
    event.begin_object("args").integer("step", grid.step).integer("rows", int64_t(grid.rows));
    event.integer("items", int64_t(grid.items));
    if (grid.part == GridPart::main) event.integer("weight_bytes", int64_t(step.weight_bytes()));
    event.end_object().end_object();
    pending_ += ",\n" + event.str();
  }
  if (pending_.size() < 1 << 20) return;
  status_ = file_.write(pending_.data(), pending_.size());
  pending_.clear();
}

Status Trace::commit() {
  INGOT_TRY(status_);
  pending_ += "\n]}\n";
  INGOT_TRY(file_.write(pending_.data(), pending_.size()));
  return file_.commit();
}

} // namespace ingot
