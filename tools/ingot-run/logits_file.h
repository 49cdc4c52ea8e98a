// --logits: float32 [rows, vocab] in NumPy's format 1.0, a row at a time; the header is written again at the end, when
// the number of rows is known. The file appears whole or not at all.
#pragma once
#include "tools/cli/output_file.h"

namespace ingot {

class LogitsFile {
public:
  Status open(const std::string &path, uint32_t vocab);
  Status add(const float *row);
  Status commit();
  bool is_open() const { return file_.is_open(); }

private:
  std::string header() const;

  OutputFile file_;
  uint32_t vocab_ = 0;
  uint64_t rows_ = 0;
};

} // namespace ingot
