"""The files beside model.onnx: tokenizer, chat template, configurations, made from a GGUF file's metadata."""

import json
from pathlib import Path

from gguf_weights import GgufLlama, ModelError

CONTROL_TOKEN = 3  # GGUF's token type for tokens such as <|im_end|>


def byte_level(add_prefix_space: bool = False) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": True}


def tokenizer(model: GgufLlama) -> dict:
    """tokenizer.json of GGUF's 'smollm' pre-tokenizer: digits one by one, then GPT-2's byte-level split."""
    kind, split = model.field("tokenizer.ggml.model"), model.field("tokenizer.ggml.pre")
    if (kind, split) != ("gpt2", "smollm"):
        raise ModelError(f"tokenizer {kind!r} with pre-tokenizer {split!r}; only 'gpt2' with 'smollm' can be converted")
    tokens, types = model.field("tokenizer.ggml.tokens"), model.field("tokenizer.ggml.token_type")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": i, "content": tokens[i], **flags} for i, t in enumerate(types) if t == CONTROL_TOKEN]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level()],
        },
        "post_processor": None,
        "decoder": byte_level(add_prefix_space=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": model.field("tokenizer.ggml.merges"),
        },
    }


def special_tokens(model: GgufLlama) -> dict[str, int]:
    return {f"{name}_token_id": model.field(f"tokenizer.ggml.{key}_token_id")
            for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))}  # fmt: skip


def tokenizer_config(model: GgufLlama) -> dict:
    tokens, ids = model.field("tokenizer.ggml.tokens"), special_tokens(model)
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.config.context,
        "bos_token": tokens[ids["bos_token_id"]],
        "eos_token": tokens[ids["eos_token_id"]],
        "pad_token": tokens[ids["pad_token_id"]],
        "unk_token": tokens[model.field("tokenizer.ggml.unknown_token_id")],
        "chat_template": model.field("tokenizer.chat_template"),
    }


def config(model: GgufLlama, dtype: str) -> dict:
    c = model.config
    return {
        "_name_or_path": c.name,
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "hidden_size": c.hidden,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "intermediate_size": c.feed_forward,
        "vocab_size": c.vocabulary,
        "max_position_embeddings": c.context,
        "rms_norm_eps": c.norm_epsilon,
        "rope_theta": c.rope_base,
        "tie_word_embeddings": True,
        "torch_dtype": dtype,
        **special_tokens(model),
    }


def genai_config(model: GgufLlama) -> dict:
    """What onnxruntime-genai needs to run the folder (test/bench compares against it)."""
    c, past, present = model.config, "past_key_values.%d.", "present.%d."
    return {
        "model": {
            "type": "llama",
            "context_length": c.context,
            "vocab_size": c.vocabulary,
            **special_tokens(model),
            "decoder": {
                "filename": "model.onnx",
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "head_size": c.head_dim,
                "hidden_size": c.hidden,
                "num_attention_heads": c.heads,
                "num_key_value_heads": c.kv_heads,
                "num_hidden_layers": c.layers,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": past + "key",
                    "past_value_names": past + "value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": present + "key",
                    "present_value_names": present + "value",
                },
            },
        },
        "search": {"do_sample": False, "max_length": c.context, "num_beams": 1, "past_present_share_buffer": True},
    }


def write_companions(model: GgufLlama, folder: Path, dtype: str) -> None:
    files = {
        "tokenizer.json": tokenizer(model),
        "tokenizer_config.json": tokenizer_config(model),
        "config.json": config(model, dtype),
        "generation_config.json": special_tokens(model),
        "genai_config.json": genai_config(model),
    }
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, indent=None if name == "tokenizer.json" else 1)
        (folder / name).write_text(text + "\n", encoding="utf-8")
