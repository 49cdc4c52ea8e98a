// tokenizer.json, the Hugging Face tokenizers format, to tables. Two kinds of byte-pair encoding are understood: byte
// level (GPT-2, Llama 3, Qwen, SmolLM) and SentencePiece style with byte fallback (Llama 2, Phi-3).
#pragma once
#include "compiler/tokenize/Json.h"
#include "compiler/tokenize/SegmentWriter.h"

namespace ingot {

// Each reads its part of the file; false after an error was recorded.
bool readModel(const JsonNode &root, bool byteLevel, TokenizerTables &tables);    // model, added_tokens
bool readTextOps(const JsonNode &root, bool &byteLevel, TokenizerTables &tables); // normalizer, pre_tokenizer, decoder
bool readPostProcessor(const JsonNode &root, TokenizerTables &tables);            // post_processor
bool readTokenizerJson(const JsonNode &root, TokenizerTables &tables);            // all of them

} // namespace ingot
