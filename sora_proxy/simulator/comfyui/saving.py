"""Saving: names and writes the files of output nodes."""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator.comfyui.files import Files, OutsideError, Place, inside
from sora_proxy.simulator.comfyui.jobs import Job
from sora_proxy.simulator.comfyui.nodes import NodeFailed
from sora_proxy.simulator.comfyui.pictures import Picture, png_of


@dataclass(frozen=True, slots=True)
class Saving:
    """Where the files of one output node are written, and how they are named."""

    files: Files
    prefix: str
    kind: str  # the type of the folder

    @classmethod
    def of(cls, files: Files, class_type: str, prefix: str) -> "Saving":
        """Choose the folder and the names as the node class does. Raises NodeFailed if the prefix leads out of the
        folder."""
        if class_type == "PreviewImage":
            letters = random.choices(string.ascii_lowercase, k=5)  # noqa: S311
            return cls(files, f"ComfyUI_temp_{''.join(letters)}", "temp")
        try:
            path = inside(prefix)
        except OutsideError as error:
            message = (
                "**** ERROR: Saving image outside the output folder is not allowed.\n"
                f" full_output_folder: /opt/comfyui/{prefix}\n output_dir: /opt/comfyui/output"
            )
            raise NodeFailed("Exception", message) from error
        return cls(files, path, "output")

    def put(self, contents: list[bytes]) -> dict[str, Any]:
        """Write the files. Returns the data that the node shows to clients."""
        subfolder, _, name = self.prefix.rpartition("/")
        first = self.files.next_number(subfolder, name, self.kind)
        places = [
            Place(f"{name}_{number:05}_.png", subfolder, self.kind) for number in range(first, first + len(contents))
        ]
        for place, content in zip(places, contents, strict=True):
            self.files.put(place, content)
        return {"images": [place.described for place in places]}


def pngs_of(pictures: tuple[Picture, ...], job: Job) -> Callable[[], list[bytes]]:
    """Return a blocking function that makes the PNG files of images."""
    more = job.extra_data.get("extra_pnginfo") or {}
    return lambda: [png_of(picture, job.graph, more) for picture in pictures]
