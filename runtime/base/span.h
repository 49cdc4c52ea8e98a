// Bytes that somebody else owns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace ingot {
using Bytes = std::span<const uint8_t>;
}
