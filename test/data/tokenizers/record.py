#!/usr/bin/env python3
"""Records what the `tokenizers` package (PyPI, 0.23) makes of hard texts: the expected values of test/unit/tokenize.

  record.py            trains the two tiny byte-level tokenizers beside this file and records expected/*.json
  record.py SHARED     also records gpt2, phi3 and qwen3 of SHARED/data/tokenizers

The package is an oracle for people who change the tests; nothing else in the project needs it.
"""
import json, lzma, os, sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = [
    "", "Hello world", "The quick brown fox jumps over 13 lazy dogs.", " leading space", "trailing space ",
    "   three   spaces   ", "\n", "\n\n\n  \n\ttab\t\t", "line one\nline two\r\nline three\r\n\r\n",
    "Don't we'll I'VE you're it's", "1234567890 12 3.14 \u00bd \u00b2 \u2167 \u0663",
    "emoji \U0001f600\U0001f44d\U0001f3fd family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1e9\U0001f1ea",
    "combining e\u0301 a\u030a o\u0308\u0323 vs \u00e9 \u00e5",
    "\u4e2d\u6587\u5b57\u7b26\u6d4b\u8bd5\uff0c\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8 \ud55c\uad6d\uc5b4",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947",
    "control \x00\x01\x7f chars", "nbsp\u00a0em\u2003ideo\u3000zwsp\u200b end", "\ufeffBOM",
    "\u00c5ngstr\u00f6m \ufb01 ligature \u01c4 \u017f \u0130", "def f(x):\n    return x**2  # comment\n\n\nclass A: pass",
    "https://example.com/a?b=c&d=%20#frag", "<s>Hello</s> <unk>", "<|endoftext|>",
    "a<|endoftext|>b <|im_start|>user\nHi<|im_end|>\n<|assistant|>  x  <|end|>  y", "<0x41><0xFF>", "a" * 50,
    " " * 33 + "deep", "x\u2581y \u2581", "!!!???...---===", "CamelCaseWordsAndMIXEDcase",
    "\U0010ffff\U0001f9ff rare", "Once upon a time, there was a little girl named Lily.", "\ufdfa \u0085 z", "<|im_start|",
    "<think>ok</think><tool_call>", "a word words word. sword  <mark>  b <mark>c", "Vi\u0065\u0323\u0302t vi\u1ec7t Vi\u1ec7t",
]


def cases(tokenizer):
    out = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        case = dict(text=text, ids=ids, decoded=tokenizer.decode(ids, skip_special_tokens=False),
                    visible=tokenizer.decode(ids, skip_special_tokens=True))
        case["bare"] = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        case["plain"] = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = False
        out.append(case)
    return out


def record(name, tokenizer):
    with open(os.path.join(HERE, "expected", name + ".json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases(tokenizer)) + "\n]\n")


def train(name, configure, added):
    """A byte-level vocabulary of 400 from this very text: small, and deterministic enough to be committed."""
    tokenizer = Tokenizer(models.BPE())
    configure(tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = TEXTS * 3 + [open(os.path.abspath(__file__)).read()]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens(added)
    os.makedirs(os.path.join(HERE, name), exist_ok=True)
    path = os.path.join(HERE, name, "tokenizer.json")
    tokenizer.save(path)
    model = json.load(open(path))
    if name == "regex":  # as Llama 3 has it: whole words skip the merges, and merges are pairs
        model["model"]["ignore_merges"] = True
        del model["model"]["merges"][-40:]  # their tokens are reached whole or not at all
    json.dump(model, open(path, "w"), ensure_ascii=True, separators=(",", ":"))
    return Tokenizer.from_file(path)


def digits(tokenizer):
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])


def regex(tokenizer):
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|endoftext|> $A <|im_end|>", special_tokens=[("<|endoftext|>", 0), ("<|im_end|>", 2)])])


def main():
    os.makedirs(os.path.join(HERE, "expected"), exist_ok=True)
    marks = [AddedToken("<mark>", lstrip=True, rstrip=True, normalized=False), AddedToken("word", single_word=True),
             AddedToken("Vi\u1ec7t", normalized=True)]
    record("digits", train("digits", digits, marks))
    record("regex", train("regex", regex, marks))
    record("stories260k", Tokenizer.from_file(os.path.join(HERE, "stories260k", "tokenizer.json")))
    for name in ("gpt2", "phi3", "qwen3") if len(sys.argv) > 1 else ():
        path = os.path.join(sys.argv[1], "data", "tokenizers", name, "tokenizer.json.xz")
        record(name, Tokenizer.from_str(lzma.open(path).read().decode()))


main()
