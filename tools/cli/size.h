// Sizes and lists as people write them on a command line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

// 512M, 2G, 1.5G, 4096: bytes; K, M, G, T are powers of 1024. False when the text is no size or too large.
bool parse_size(const std::string &text, size_t *bytes);
std::string format_size(size_t bytes);

// "1,2,3": numbers in [0, 2^31). An empty text is an empty list. False when a part is no such number.
bool parse_list(const std::string &text, std::vector<int32_t> *numbers);

} // namespace ingot
