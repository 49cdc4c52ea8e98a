// Rotary embedding as ops of the decoder dialect, shared by RotaryEmbedding and attention with rotary inside.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace ingot {

/// decoder.angles of integer positions over two [positions, n] weight tables. Operand numbers name the tables.
mlir::Value rotaryAngles(NodeImporter &n, mlir::Value positions, size_t cosOperand, size_t sinOperand);

/// decoder.rope of x [B, S, heads * d].
mlir::Value rotate(NodeImporter &n, mlir::Value x, mlir::Value angles, int64_t heads, bool interleaved);

} // namespace ingot
