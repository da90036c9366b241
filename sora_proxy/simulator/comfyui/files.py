"""Files: keeps the folders of the simulated ComfyUI in memory."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

MAX_STORED_BYTES = 512 * 2**20
TYPES = ("output", "input", "temp")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a file. `type` is the name of a folder, and `subfolder` has no slash at either end."""

    name: str
    subfolder: str = ""
    type: str = "output"

    @property
    def described(self) -> dict[str, Any]:
        """The place as answers describe it."""
        return {"filename": self.name, "subfolder": self.subfolder, "type": self.type}


class OutsideError(Exception):
    """A path that leads out of its folder."""


class Files:
    """Files by place. When they have more than `MAX_STORED_BYTES` together, the oldest files are forgotten."""

    def __init__(self) -> None:
        """Start with empty folders."""
        self._files: OrderedDict[Place, bytes] = OrderedDict()
        self._bytes = 0

    def put(self, place: Place, content: bytes) -> None:
        """Write a file."""
        self._drop(place)
        self._files[place] = content
        self._bytes += len(content)
        while self._bytes > MAX_STORED_BYTES and len(self._files) > 1:
            self._drop(next(iter(self._files)))

    def get(self, place: Place) -> bytes | None:
        """Read a file; None if the file does not exist."""
        return self._files.get(place)

    def input_named(self, path: str) -> bytes | None:
        """Read an input file by its path; None if the file does not exist."""
        subfolder, _, name = path.rpartition("/")
        return self.get(Place(name, subfolder, "input"))

    def digest_of_input(self, path: str) -> str:
        """Return a digest of the content of an input file."""
        return hashlib.sha256(self.input_named(path) or b"").hexdigest()

    def input_names(self) -> list[str]:
        """List the paths of the input files."""
        places = [place for place in self._files if place.type == "input"]
        return sorted(f"{place.subfolder}/{place.name}".lstrip("/") for place in places)

    def next_number(self, subfolder: str, prefix: str, kind: str) -> int:
        """Return the number for the next file with this prefix."""
        numbered = re.compile(re.escape(prefix) + r"_(\d+)_?\.png")
        found = [
            numbered.fullmatch(place.name)
            for place in self._files
            if (place.subfolder, place.type) == (subfolder, kind)
        ]
        return max((int(match[1]) for match in found if match), default=0) + 1

    def forget(self, *types: str) -> None:
        """Delete all files of these folders."""
        for place in [place for place in self._files if place.type in types]:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        self._bytes -= len(self._files.pop(place, b""))


def inside(subfolder: str) -> str:
    """Return the path of a subfolder without `.`, `..` and empty parts. Raises OutsideError if it leads outside."""
    parts: list[str] = []
    for part in subfolder.split("/"):
        if part == "..":
            if not parts:
                raise OutsideError(subfolder)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if subfolder.startswith("/"):
        raise OutsideError(subfolder)
    return "/".join(parts)
