#include "tools/ingot-run/logits_file.h"

namespace ingot {

// 128 bytes: magic, version 1.0, length, a Python dictionary padded with spaces, a newline.
std::string LogitsFile::header() const {
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows_) + ", " +
                     std::to_string(vocab_) + "), }";
  text.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + text + '\n';
}

Status LogitsFile::open(const std::string &path, uint32_t vocab) {
  vocab_ = vocab;
  INGOT_TRY(file_.open(path));
  std::string bytes = header();
  return file_.write(bytes.data(), bytes.size());
}

Status LogitsFile::add(const float *row) {
  ++rows_;
  return file_.write(row, vocab_ * sizeof(float));
}

Status LogitsFile::commit() {
  std::string bytes = header();
  INGOT_TRY(file_.write_at(0, bytes.data(), bytes.size()));
  return file_.commit();
}

} // namespace ingot
