"""Workflows: reads the workflows from which the graphs of orders are built. Each workflow has two files: NAME.json, as
ComfyUI exports it, and NAME.map.json.

A file in the operator's folder replaces the package's file of the same name. Faults are found when a file is read, and
described for the operator.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from sora_proxy.foreign.bounded_json import TooManyValues, read_json
from sora_proxy.upstream.comfyui.checking import faults_of, graph_in, output_of
from sora_proxy.upstream.comfyui.mapping import DEFAULT_MAX_IMAGES, MapFile, Slot, read_map
from sora_proxy.upstream.sizes import Size

PACKAGED = Path(__file__).parent / "workflows"
GRAPH, MAP = ".json", ".map.json"
MAX_FILE_BYTES = 4 * 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors write this at the beginning of a UTF-8 file
MAX_SEED = 2**64 - 1  # the maximum of ComfyUI's own samplers
MAX_SIDE = 4096  # pixels
MAX_NAME = 100  # characters
FOLDER = "WORKFLOWS_DIR"  # stands in for a workflow's name if the folder itself has a fault

T = TypeVar("T")
Graph = dict[str, Any]
Stamp = tuple[int, int]  # the time of a file's last change in nanoseconds, and its size


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph, and the slots for the fields of an order. `graph` must not be changed.

    `checkpoints` contains the names and patterns in the map, and `available` the server's checkpoints that match them.
    `max_seed`, `max_side` and `size_step` are the limits of the server's nodes, see `graphs.fitted`.
    """

    name: str
    graph: Mapping[str, Any]
    slots: Mapping[str, tuple[Slot, ...]]
    output: str  # the id of the node whose images are the result
    checkpoints: tuple[str, ...] = ()
    with_reference: str | None = None
    with_mask: str | None = None
    max_images: int = 1
    sizes: tuple[Size, ...] = ()
    size_step: int = 8
    max_side: int = MAX_SIDE
    max_seed: int = MAX_SEED
    available: tuple[str, ...] = ()


class WorkflowFolder:
    """The workflows of the package, and of the operator's folder if there is one."""

    def __init__(self, folder: Path | None) -> None:
        self.workflows: Mapping[str, Workflow] = MappingProxyType({})
        self.faults: Mapping[str, str] = MappingProxyType({})  # by workflow
        self._folder = folder
        self._lock = threading.Lock()  # several threads may call `read`
        # The document of each file, or the ValueError that explains why the file can't be read.
        self._contents: dict[Path, tuple[Stamp, Any]] = {}

    def read(self) -> bool:
        """Read the files that changed, and return whether any file changed. This method blocks."""
        with self._lock:
            return self._read()

    def _read(self) -> bool:
        files, faults = _files(PACKAGED), {}
        own: dict[str, Path] = {}
        try:
            own = _files(self._folder) if self._folder else {}
        except OSError as error:
            faults[FOLDER] = f"{self._folder} can't be read: {error.strerror}"
        files |= own
        stamps = {path: _stamp(path) for path in files.values()}
        known = {path: stamp for path, (stamp, _) in self._contents.items()}
        if stamps == known and self.faults.get(FOLDER) == faults.get(FOLDER):
            return False
        self._contents = {
            path: self._contents[path] if known.get(path) == stamp else (stamp, _document(path))
            for path, stamp in stamps.items()
        }
        documents = {name: self._contents[path][1] for name, path in files.items()}
        self.workflows, wrong = _workflows(documents, own)
        self.faults = MappingProxyType(faults | wrong)
        return True


def _files(folder: Path) -> dict[str, Path]:
    """The files by name. Raises OSError if the folder exists and can't be read."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return {}
    return {path.name: path for path in paths if path.suffix == GRAPH and not path.name.startswith(".")}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:  # the file was removed, or is a broken link
        return 0, -1
    return status.st_mtime_ns, status.st_size


def _document(path: Path) -> Any:
    """The document of a file, or a ValueError that explains why the file can't be read."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            return ValueError(f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
        text.decode()
        return read_json(text.removeprefix(BYTE_ORDER_MARK))
    except OSError as error:
        return ValueError(f"can't be read: {error.strerror}")
    except UnicodeDecodeError:
        return ValueError("is not saved as UTF-8")
    except TooManyValues:
        return ValueError("contains too many values")
    except ValueError as error:  # orjson's message has the position, but no part of the file
        return ValueError(f"is not valid JSON ({error})")


def _workflows(documents: Mapping[str, Any], own: Collection[str]) -> tuple[Mapping[str, Workflow], dict[str, str]]:
    """The usable workflows, the default one first, and the faults of all others. `own` contains the names of the
    operator's files.

    Workflows that need no reference image come before those that do. In both groups, the operator's workflows come
    before those of the package.
    """
    found: dict[str, Workflow] = {}
    faults: dict[str, str] = {}
    off: set[str] = set()
    for name in sorted({name.removesuffix(GRAPH).removesuffix(".map") for name in documents}):
        try:
            mapping = _read(name + MAP, documents, read_map)
            if mapping.enabled:
                found[name] = _workflow(name, _read(name + GRAPH, documents, graph_in), mapping)
            else:
                off.add(name)
        except ValueError as error:
            faults[name] = str(error)
    known = found.keys() | faults.keys() | off
    faults |= {name: fault for name, workflow in found.items() if (fault := _wrong_names(workflow, found, known))}

    def place(workflow: Workflow) -> tuple[bool, bool]:
        is_packaged = workflow.name + GRAPH not in own and workflow.name + MAP not in own
        return "image" in workflow.slots, is_packaged

    usable = sorted((workflow for name, workflow in found.items() if name not in faults), key=place)
    return MappingProxyType({workflow.name: workflow for workflow in usable}), faults


def _read(file: str, documents: Mapping[str, Any], read: Callable[[Any], T]) -> T:
    """The content of a file. Raises a ValueError that contains the file's name."""
    if file not in documents:
        raise ValueError(f"{file} is missing")
    document = documents[file]
    try:
        if isinstance(document, ValueError):
            raise document
        return read(document)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _workflow(name: str, graph: Graph, mapping: MapFile) -> Workflow:
    """Create a workflow. Raises a ValueError that lists all faults of the workflow."""
    if not name.isprintable() or len(name) > MAX_NAME:
        raise ValueError(f"the name of a workflow must have at most {MAX_NAME} printable characters")
    try:
        output = output_of(graph, mapping)
    except ValueError as error:
        output, faults = "", [str(error)]
    else:
        faults = []
    if faults := [*faults_of(graph, mapping), *faults]:
        raise ValueError(f"{name}{MAP}: {'; '.join(faults)}")
    return Workflow(
        name=name,
        graph=MappingProxyType(graph),
        slots=MappingProxyType(mapping.slots),
        output=output,
        checkpoints=mapping.checkpoints,
        with_reference=mapping.with_reference,
        with_mask=mapping.with_mask,
        max_images=(mapping.max_images or DEFAULT_MAX_IMAGES) if mapping.count else 1,
        sizes=mapping.sizes,
        size_step=mapping.size_step,
    )


def _wrong_names(workflow: Workflow, found: Mapping[str, Workflow], known: Collection[str]) -> str | None:
    """The fault in a map's references to other workflows. A reference to a disabled or faulty workflow is not a fault:
    orders with a reference image or a mask then stay with the referring workflow, if its own map has slots for them."""
    for field, name, needed in (
        ("with_reference", workflow.with_reference, "image"),
        ("with_mask", workflow.with_mask, "mask"),
    ):
        if name is None:
            continue
        if name not in known:
            return f"{workflow.name}{MAP}: {field}: the workflow {name!r} does not exist"
        if name in found and needed not in found[name].slots:
            return f"{workflow.name}{MAP}: {field}: the workflow {name!r} has no {needed!r} in its map"
    return None
