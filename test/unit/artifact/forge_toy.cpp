// Writes the hand-made model, whose kernels answer 0 and do nothing, to a file: for tools that need some artifact.
#include "test/unit/artifact/forge.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  std::vector<uint8_t> bytes = ingot::test::toy_file();
  FILE *file = fopen(argv[1], "wb");
  bool written = file && fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return written && fclose(file) == 0 ? 0 : 1;
}
