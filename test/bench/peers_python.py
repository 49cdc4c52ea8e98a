"""The virtual environment of the peers that are Python packages."""

import subprocess
import sys
from pathlib import Path

PACKAGES = ["onnxruntime-genai==0.18.0", "onnxruntime==1.31.1", "openvino-genai==2026.4.1.0", "numpy==2.4.6"]


def environment(folder: Path) -> Path:
    """The python of folder/venv, made on first use."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    if subprocess.run([python, "-c", "import onnxruntime_genai, openvino_genai"], check=False).returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python
