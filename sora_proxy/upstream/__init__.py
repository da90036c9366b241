"""Which services make the images? The protocol that every back end implements, and the types that it uses.

Each back end is a module or a folder here, and has a line in `registry.py`. `docs/backends.md` lists the modules of
this folder that back ends may use. Back ends raise the `Fault`s of `errors.py`. A back end chooses the fault by the
status and the structure of an answer. It reads the text only if the server describes a limit nowhere else.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

from sora_proxy.errors import RateLimited
from sora_proxy.event_log import Preview, Progress
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.sizes import ANY, Size, SizeRule

ANY_SIZE = (1024, 1024)


class TaskState(Enum):
    running = auto()  # also for a task in the back end's own queue, and for an unrecognized state
    succeeded = auto()
    refused = auto()  # the order violated the back end's rules
    failed = auto()


@dataclass(frozen=True, slots=True)
class Abilities:
    """The abilities of a model."""

    sizes: tuple[Size, ...] = ()  # the default size comes first; empty: every size that `size_rule` allows
    max_images: int = 1  # per order
    max_references: int = 0
    masks: bool = False  # whether an order with reference images may have a mask
    parameters: tuple[str, ...] = ()  # the names of the `spec.PARAMETERS` that the model accepts
    single_calls: bool = False  # whether a synchronous back end makes only one image per call
    single_previews: bool = False  # whether a call that requests previews makes only one image
    size_rule: SizeRule = ANY
    usual_size: Size = ANY_SIZE  # for an order without a size, if `sizes` is empty
    takes_size: bool = True  # whether an order can choose the size
    edits: "Abilities | None" = None  # the abilities for orders with a reference image, if these differ
    shutdown_date: str | None = None  # the day on which the model is or was shut down, if known

    def for_order(self, spec: GenerationSpec) -> "Abilities":
        """The abilities for an order. Those for orders with a reference image may be different."""
        return self.edits if spec.images and self.edits else self

    def size_for(self, wanted: Size | None) -> Size:
        """The supported size nearest to the requested one: the shape counts first, then the number of pixels."""
        if not self.sizes:
            return self.size_rule.nearest(wanted or self.usual_size)
        return min(self.sizes, key=lambda size: _distance(size, wanted)) if wanted else self.sizes[0]

    def can_make(self, spec: GenerationSpec) -> bool:
        """Whether the model supports the number of images, the reference images and the mask of an order."""
        can = self.for_order(spec)
        possible = spec.n <= can.max_images and len(spec.images) <= can.max_references
        return possible and (can.masks or spec.mask is None)

    def ignored(self, spec: GenerationSpec) -> tuple[str, ...]:
        """The names of the order's parameters that the model ignores, with `size` if an order can't choose the size."""
        can = self.for_order(spec)
        unknown = tuple(name for name in spec.parameters if name not in can.parameters)
        return unknown if can.takes_size else (*unknown, "size")

    def splits(self, spec: GenerationSpec) -> bool:
        """Whether an order for several images is sent as one call per image."""
        return spec.n > 1 and (self.single_calls or (self.single_previews and spec.previews > 0))


def any_of(several: Sequence[Abilities]) -> Abilities:
    """The combined abilities of servers or back ends that offer the same model: what at least one of them can do.

    Abilities that can't be combined, such as the size rule, are those of the first server or back end.
    """
    dates = [each.shutdown_date for each in several]
    edits = [each.edits or each for each in several if each.max_references]
    return replace(
        several[0],
        sizes=tuple(dict.fromkeys(size for each in several for size in each.sizes)),
        max_images=max(each.max_images for each in several),
        max_references=max(each.max_references for each in several),
        masks=any(each.masks for each in several),
        parameters=tuple(dict.fromkeys(name for each in several for name in each.parameters)),
        edits=any_of(edits) if any(each.edits for each in several) else None,
        shutdown_date=None if None in dates else max(date for date in dates if date),
    )


def _distance(size: Size, other: Size) -> tuple[float, float]:
    shape = (size[0] / size[1]) / (other[0] / other[1])
    pixels = (size[0] * size[1]) / (other[0] * other[1])
    return round(abs(math.log(shape)), 2), abs(math.log(pixels))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The models of a back end, and their abilities. Models have the back end's own names; the default model is first.

    The family of a model is the longest prefix of its name in `families`. A model that is not in `models` has the
    abilities of its family, and a model without a family has the abilities in `others`. `images_model` is used when a
    client asks for one of OpenAI's image models by name; None: the first model.
    """

    models: Mapping[str, Abilities] = field(default_factory=dict)
    images_model: str | None = None
    others: Abilities = Abilities()
    families: Mapping[str, Abilities] = field(default_factory=dict)

    def of(self, model: str) -> Abilities:
        """The abilities of a model. `model` is its name at the back end, which may begin with a provider's name."""
        if model in self.models:
            return self.models[model]
        begins = [begin for begin in self.families if model.rpartition("/")[2].startswith(begin)]
        return self.families[max(begins, key=len)] if begins else self.others

    def together_with(self, other: "Capabilities") -> "Capabilities":
        """The combined capabilities of two servers of one back end."""
        models = dict(self.models)
        for name, abilities in other.models.items():
            models[name] = any_of([models[name], abilities]) if name in models else abilities
        return replace(self, models=models)


class Identity(Enum):
    """How an order can be found if the answer to its submit was lost. Whether it may be sent again depends on this."""

    named = auto()  # by an id that this server chose, and that the back end uses for the task
    listed = auto()  # in the list of the account's newest tasks; only one of an account's orders is submitted at a time
    blind = auto()  # the order can't be found
    synchronous = auto()  # the order can't be found either: the request itself is the job, and there is no task


# The media types of input images by file extension. The extension follows from the first bytes of an image. The module
# `mimetypes` is not used, because it does not know WebP on a bare system.
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


@dataclass(frozen=True, slots=True)
class InputImage:
    """A reference image or a mask, with its file and its id from `upload`."""

    file: Path
    upload_id: str

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.file.suffix]


@dataclass(frozen=True, slots=True)
class Submission:
    """An order as it is sent, or one of the single calls that it is split into. `model` is the back end's own name of
    the model, and `n` the number of images to make.

    `attempt_id` is a UUID from this server, which becomes the task's id at an `Identity.named` back end. `parameters`
    contains those of the client's parameters that the model accepts. Two functions are for synchronous back ends:
    `new_file` returns a path for one result that arrives as bytes, and `report` shows progress to the client.
    """

    spec: GenerationSpec
    account: Account
    model: str
    n: int
    attempt_id: str
    parameters: Mapping[str, Any]
    images: Sequence[InputImage]
    mask: InputImage | None
    new_file: Callable[[], Path]
    report: Callable[[Progress | Preview], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Made:
    """The results of a synchronous back end. `usage` is what the back end counted for these results, as `usage.py`
    returns it. `limit` is set if the answer's headers report a rate limit that delays the account's next order.
    """

    assets: tuple[Asset, ...]
    usage: dict[str, Any] | None = None
    limit: RateLimited | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one upstream task, as one answer reports it. Fields that the back end did not report are None.

    `ended` is set when the back end reports the end of the task without being asked. The task is then polled at once.
    """

    task_id: str
    state: TaskState
    progress: float | None = None  # 0..1
    position: int | None = None  # in the back end's own queue
    seconds: int | None = None  # the back end's estimate of the wait in its queue
    assets: tuple[Asset, ...] = ()
    preview: Preview | None = None  # the newest preview
    reason: str | None = None  # why the task failed, as a message to clients
    ended: asyncio.Event | None = field(default=None, compare=False)
    # The prompt and the number of images identify the task if its id was lost.
    prompt: str | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The time limits of calls in seconds. Each one covers the whole call, however slowly the other side sends."""

    submit: float = 30.0
    poll: float = 20.0
    upload: float = 60.0
    download: float = 120.0


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """The options of a back end. `name` is shown to operators and clients, and `base_url` contains no credentials.

    `links_results` is explained at `Upstream`. `extra_headers` are sent with all calls to the back end; the headers of
    an account take precedence. `more` contains the options of this kind of back end.
    """

    name: str
    base_url: str
    deadlines: Deadlines = Deadlines()
    links_results: bool = True
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)
    result_allow: tuple[str, ...] = ()  # hosts that results may come from even though the hosts are not public
    workflows_dir: Path | None = None  # the folder of ComfyUI workflows
    instance: str = ""  # sent with each call, so that this server recognizes a call that leads back to itself


class Upstream(Protocol):
    """A back end, as the rest of the server sees it."""

    name: str
    base_url: str
    capabilities: Capabilities  # the capabilities that are known without a call
    identity: Identity
    names_tasks: bool | None  # whether the back end's lists contain prompts; None before the first list
    max_concurrent: int | None  # how many tasks a key may have at once by default; None: no limit
    polls_are_complete: bool  # whether a successful poll shows every existing task
    links_results: bool  # whether clients get the back end's own addresses of images by default

    async def ask_capabilities(self, account: Account) -> Capabilities:
        """Ask the back end for its current capabilities. Raises Fault."""

    async def may_have_changed(self) -> bool:
        """Whether the capabilities may have changed since they were last asked for. Makes no call."""

    async def upload(self, image: Path, account: Account) -> str:
        """Upload a reference image or a mask. Returns the back end's id of the image, for an order of the same account.

        A back end that gets images with the order itself returns an empty string.
        """

    async def submit(self, submission: Submission) -> str | Made:
        """Send an order. Returns the id of the upstream task, or the results of a synchronous back end.

        Raises SubmissionUnknown if the order may have been registered in spite of the error, or another Fault if it was
        certainly not registered.
        """

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:
        """The states of these tasks of one account. `deep`: old tasks are found too, with several calls.

        Tasks that the back end does not know are left out. Raises Fault if a call failed; the states of all the tasks
        are then unknown.
        """

    async def recent(self, account: Account) -> list[Snapshot]:
        """The account's newest tasks, newest first. Called only if `identity` is `Identity.listed`."""

    async def cancel(self, task_id: str, account: Account) -> bool:
        """Ask the back end to stop a task or a synchronous request. Returns whether the back end can do that at all."""

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        """Fetch a result into a file. `account` is the account that made the result.

        Raises ResultRefused for an address that must not be fetched, or another Fault if the call failed.
        """

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        """Check that the address of a result may be shown to clients. Raises ResultRefused.

        `account` is the account that made the result; None: its key was removed.
        """

    async def probe(self, account: Account) -> None:
        """Test with a free call whether the account works. Raises a Fault if it does not."""

    async def close(self) -> None:
        """Close all connections."""
