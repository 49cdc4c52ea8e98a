#include "tools/ingot-run/trace.h"
#include "tools/cli/json.h"

namespace ingot {

Status Trace::open(const std::string &path, const Artifact &artifact) {
  artifact_ = &artifact;
  start_ = system_clock()();
  pending_ = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n{\"ph\": \"M\", \"pid\": 1, \"tid\": 1, "
             "\"name\": \"thread_name\", \"args\": {\"name\": \"steps\"}}";
  return file_.open(path);
}

void Trace::watch(Session *session) { session->observe({ran, this}); }

void Trace::ran(void *self, plan::Space space, const Executor &executor) {
  static_cast<Trace *>(self)->add(space, executor);
}

void Trace::add(plan::Space space, const Executor &executor) {
  if (!status_.ok()) return;
  const plan::Entry &entry = space == plan::Space::body ? *artifact_->plan().body() : *artifact_->plan().head();
  for (size_t i = 0; i < executor.times().size(); ++i) {
    const Phase &phase = executor.phases()[i];
    PhaseTime time = executor.times()[i];
    if (time.end == 0) continue; // no items
    bool prepare = i + 1 < executor.phases().size() && executor.phases()[i + 1].step == phase.step;
    const plan::Step &step = *entry.steps()->Get(phase.step);
    Json event;
    event.begin_object().text("ph", "X").integer("pid", 1).integer("tid", 1);
    event.text("name", std::string(text_of(step.name())) + (prepare ? " (prepare)" : ""));
    event.text("cat", plan::EnumNameSpace(space));
    event.number("ts", double(time.begin - start_) / 1000).number("dur", double(time.end - time.begin) / 1000);
    event.begin_object("args").integer("step", phase.step).integer("rows", int64_t(phase.args->rows));
    event.integer("items", int64_t(phase.items));
    if (!prepare) event.integer("weight_bytes", int64_t(step.weight_bytes()));
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
