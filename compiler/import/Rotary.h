// Rotary embedding, shared by RotaryEmbedding and attention with rotary inside.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace ingot {

/// Whether the two are matrices of the model's weights, [positions, n], of one type.
bool areRotaryTables(NodeImporter &n, mlir::Value cos, mlir::Value sin);

/// decoder.angles of integer positions over two [positions, n] weight tables. Operand numbers name the tables.
mlir::Value rotaryAngles(NodeImporter &n, mlir::Value positions, size_t cosOperand, size_t sinOperand);

/// decoder.rope of x [B, S, heads * d].
mlir::Value rotate(NodeImporter &n, mlir::Value x, mlir::Value angles, int64_t heads, bool interleaved);

/// Graph ops: the last dim of x, d, turned by cosines and sines [.., n] that broadcast with it; n static, 2 n <= d.
mlir::Value rotateByValues(NodeImporter &n, mlir::Value x, mlir::Value cos, mlir::Value sin, bool interleaved);

/// x [B, S, heads * d] by the operands' tables at `positions` [B, S]: decoder.rope where the tables are weights, graph
/// ops else.
mlir::Value rotateAt(NodeImporter &n, mlir::Value x, mlir::Value positions, size_t cosOperand, size_t sinOperand,
                     int64_t heads, bool interleaved);

} // namespace ingot
