#include "tools/ingot-run/text_output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace ingot {

bool StopFilter::add(std::string_view text, std::string *shown) {
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string &stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    shown->append(held_, 0, first);
    held_.clear();
    return true;
  }
  // The longest end of the text that begins a stop string waits.
  size_t waiting = 0;
  for (const std::string &stop : stops_)
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > waiting; --length)
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) waiting = length;
  shown->append(held_, 0, held_.size() - waiting);
  held_.erase(0, held_.size() - waiting);
  return false;
}

void StopFilter::flush(std::string *shown) {
  *shown += held_;
  held_.clear();
}

Status TextOutput::write(std::string_view text) {
  while (!text.empty() && !closed_) {
    ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) {
      closed_ = true;
      break;
    }
    if (written < 0) return Status::error(Code::io, "cannot write to stdout: %s", strerrordesc_np(errno));
    text.remove_prefix(size_t(written));
  }
  return {};
}

} // namespace ingot
