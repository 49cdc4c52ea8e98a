#!/usr/bin/env python3
"""Fails, saying what to do, unless this python has what the other scripts import. ctest runs it before them."""

import importlib.util
import sys

missing = [name for name in ("numpy", "onnx", "gguf") if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(
        f"{sys.executable} has no {', '.join(missing)}: make a virtual environment at build/venv, run"
        " `build/venv/bin/pip install -r tools/models/requirements.txt` and configure again (or pass -DINGOT_PYTHON)"
    )
