"""A model for museq, which paints a colour chosen by the prompt, records every call, and can wait.

museq imports this module in its own environment.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from muse.modalities.image_generation import ImageResult
from PIL import Image

FOLDER = Path(os.environ["PILLOW_MODEL_FOLDER"])
MOST_SECONDS = 60.0
MANIFEST = {
    "model_id": "pillow",
    "modality": "image/generation",
    "hf_repo": "local/pillow",
    "description": "paints one colour",
    "license": "MIT",
    "pip_extras": (),
    "system_packages": (),
    "capabilities": {
        "device": "cpu",
        "memory_gb": 0.2,
        "default_size": (512, 512),
        "supports_img2img": True,
        "supports_inpainting": True,
    },
}


class Model:
    """The class that museq calls. `init_image` and `mask_image` are Pillow images."""

    model_id = "pillow"

    def __init__(self, **_options: Any) -> None:
        pass

    def generate(self, prompt: str, *, width: int = 512, height: int = 512, **more: Any) -> ImageResult:
        self._note("generate", prompt, width, height, more)
        return self._paint(prompt, width, height)

    def inpaint(self, prompt: str, *, width: int = 512, height: int = 512, **more: Any) -> ImageResult:
        self._note("inpaint", prompt, width, height, more)
        return self._paint(prompt, width, height)

    def _note(self, call: str, prompt: str, width: int, height: int, more: dict[str, Any]) -> None:
        images = {name: image.size for name, image in more.items() if isinstance(image, Image.Image)}
        note = {"call": call, "prompt": prompt, "size": (width, height), "pid": os.getpid(), **images}
        with (FOLDER / "calls").open("a") as file:
            file.write(json.dumps(note) + "\n")

    def _paint(self, prompt: str, width: int, height: int) -> ImageResult:
        deadline = time.monotonic() + MOST_SECONDS
        while "waits" in prompt and not (FOLDER / f"end {prompt}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        colour = tuple(hashlib.sha256(prompt.encode()).digest()[:3])
        image = Image.new("RGB", (width, height), colour)
        return ImageResult(image=image, width=width, height=height, seed=1, metadata={"prompt": prompt})
