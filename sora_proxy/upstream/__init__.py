"""Whom do we ask? The protocol that every back end speaks, and its words.

A back end is a module here, or a folder, and a line in `registry.py`. `docs/backends.md` says what it may use of this
folder. It raises the `Fault`s of `errors.py`, chosen by status and structure of an answer, never by words in a text.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

from sora_proxy.errors import RateLimited
from sora_proxy.events import Preview, Progress
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.sizes import ANY, Size, SizeRule

ANY_SIZE = (1024, 1024)


class TaskState(Enum):
    running = auto()  # also: waiting in the upstream's own queue, and every word that we do not know
    succeeded = auto()
    refused = auto()  # the order was against the upstream's rules
    failed = auto()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do."""

    sizes: tuple[Size, ...] = ()  # the usual one first; none: any size by the rule
    max_images: int = 1  # of one order
    max_references: int = 0
    masks: bool = False  # whether an order may have a mask beside its reference images
    parameters: tuple[str, ...] = ()  # the names of the `spec.PARAMETERS` that it takes
    single_calls: bool = False  # of a synchronous back end: a call makes one image
    single_previews: bool = False  # the same, if the call shows previews
    size_rule: SizeRule = ANY
    usual_size: Size = ANY_SIZE  # of an order without a size, for a model that takes any
    takes_size: bool = True  # whether an order can choose it
    edits: "Abilities | None" = None  # of orders with a reference image, where they differ from the others
    shutdown_date: str | None = None  # when it closes or closed, where that is known

    def for_order(self, spec: GenerationSpec) -> "Abilities":
        """Those that matter for an order: with a reference image, they may be others."""
        return self.edits if spec.images and self.edits else self

    def size_for(self, wanted: Size | None) -> Size:
        """The size nearest to the requested one: by its shape, then by its pixels."""
        if not self.sizes:
            return self.size_rule.nearest(wanted or self.usual_size)
        return min(self.sizes, key=lambda size: _distance(size, wanted)) if wanted else self.sizes[0]

    def can_make(self, spec: GenerationSpec) -> bool:
        """Whether an order can be made as it is: everything that changes its meaning is possible."""
        can = self.for_order(spec)
        possible = spec.n <= can.max_images and len(spec.images) <= can.max_references
        return possible and (can.masks or spec.mask is None)

    def ignored(self, spec: GenerationSpec) -> tuple[str, ...]:
        """What the model does not take of an order, by the names of parameters, or `size`."""
        can = self.for_order(spec)
        unknown = tuple(name for name in spec.parameters if name not in can.parameters)
        return unknown if can.takes_size else (*unknown, "size")

    def splits(self, spec: GenerationSpec) -> bool:
        """Whether an order is sent as single calls, one for each image."""
        return spec.n > 1 and (self.single_calls or (self.single_previews and spec.previews > 0))


def any_of(several: Sequence[Abilities]) -> Abilities:
    """What at least one of several servers, or back ends, can do with the same model. How sizes are chosen is up to the
    first one."""
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
    """The models of a back end by its own names, the usual one first, and what each can do.

    A model that the operator named and the back end did not can do what its family can, by the longest beginning of its
    name in `families`, else what `others` can. `images_model` is the one that OpenAI's names of image models stand for;
    None: the first.
    """

    models: Mapping[str, Abilities] = field(default_factory=dict)
    images_model: str | None = None
    others: Abilities = Abilities()
    families: Mapping[str, Abilities] = field(default_factory=dict)

    def of(self, model: str) -> Abilities:
        """What a model can do, by its own name, which may have the maker's before it."""
        if model in self.models:
            return self.models[model]
        begins = [begin for begin in self.families if model.rpartition("/")[2].startswith(begin)]
        return self.families[max(begins, key=len)] if begins else self.others

    def together_with(self, other: "Capabilities") -> "Capabilities":
        """Those of two servers of one back end."""
        models = dict(self.models)
        for name, abilities in other.models.items():
            models[name] = any_of([models[name], abilities]) if name in models else abilities
        return replace(self, models=models)


class Identity(Enum):
    """How an order whose answer was lost can be found again. That decides whether it may be sent again."""

    named = auto()  # the back end takes our id: it is asked for that id
    listed = auto()  # the newest tasks of the account are searched; one order of unknown outcome at a time
    blind = auto()  # it can't be found
    synchronous = auto()  # the request is the job: there is no task, and what is lost can't be found


# Of input images by their endings, which their bytes gave them. `mimetypes` knows no WebP on a bare system.
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


@dataclass(frozen=True, slots=True)
class InputImage:
    """A reference image or a mask: its file, and what `upload` returned for it."""

    file: Path
    upload_id: str

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.file.suffix]


@dataclass(frozen=True, slots=True)
class Submission:
    """One order as it is sent, or one of its single calls. `model` is the back end's own name of it, `n` the number of
    images.

    `attempt_id` is a UUID of ours: that of a named back end's task. `parameters` are those of the client that the model
    takes. `new_file` gives the place for one result that comes as bytes, and `report` shows the client how far it is;
    both are for synchronous back ends.
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
    """What a synchronous back end made. `usage` is what it counted for that, as `usage.py` writes it.

    `limit` is what the answer's headers told of the account: that it can't take another order for a while.
    """

    assets: tuple[Asset, ...]
    usage: dict[str, Any] | None = None
    limit: RateLimited | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One upstream task as it was told just now. What the back end did not tell is None.

    `ended` is set when the back end reports by itself that the task has ended, and the task is then polled at once.
    """

    task_id: str
    state: TaskState
    progress: float | None = None  # 0..1
    position: int | None = None  # in the upstream's own queue
    seconds: int | None = None  # that it expects the task to wait there
    assets: tuple[Asset, ...] = ()
    preview: Preview | None = None  # the newest
    reason: str | None = None  # why it failed, in words for clients
    ended: asyncio.Event | None = field(default=None, compare=False)
    # What tells whose task it is, after its id got lost.
    prompt: str | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for a whole call, however slowly the other side sends."""

    submit: float = 30.0
    poll: float = 20.0
    upload: float = 60.0
    download: float = 120.0


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What every back end is made with. `name` is what operators and clients read, `base_url` has no credentials.

    `links_results` is explained at `Upstream`. `extra_headers` are for all calls to it; those of an account win.
    `more` are the options of its kind.
    """

    name: str
    base_url: str
    deadlines: Deadlines = Deadlines()
    links_results: bool = True
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)
    result_allow: tuple[str, ...] = ()  # hosts where results may lie although they are not public
    workflows_dir: Path | None = None  # of ComfyUI
    instance: str = ""  # the mark of this server in its calls, by which it recognises those that lead back to itself


class Upstream(Protocol):
    """A back end that makes images by jobs."""

    name: str
    base_url: str
    capabilities: Capabilities  # as far as they are known without asking
    identity: Identity
    names_tasks: bool | None  # whether its lists have the prompts of tasks; None before one was seen
    max_concurrent: int | None  # the tasks of one key at once, unless the operator chose otherwise; None: no limit
    polls_are_complete: bool  # whether a task that a good poll does not show does not exist
    links_results: bool  # whether clients get its own addresses of images, unless the operator chose otherwise

    async def ask_capabilities(self, account: Account) -> Capabilities:
        """What it can do now, which may be less or more than it was. Raises Fault."""

    async def may_have_changed(self) -> bool:
        """Whether it may be able to do something else than it last answered, as far as that shows without a call."""

    async def upload(self, image: Path, account: Account) -> str:
        """Upload a reference image or a mask; returns the back end's id of it, for an order of the same account.

        A back end that gets images with the order itself returns an empty text.
        """

    async def submit(self, submission: Submission) -> str | Made:
        """Place an order. Returns the upstream task's id, or from a synchronous back end what it made.

        Raises SubmissionUnknown if the order may have been registered nevertheless, another Fault if it was not.
        """

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:
        """The state of these tasks of one account, in one call; `deep` allows more calls, to find older ones.

        Tasks that the back end does not know are left out. Raises Fault if the call failed, whatever became of tasks.
        """

    async def recent(self, account: Account) -> list[Snapshot]:
        """The account's newest tasks, newest first. Only a listed back end is asked."""

    async def cancel(self, task_id: str, account: Account) -> bool:
        """Ask the back end to end a task, or the request of a synchronous one; returns whether it can do that."""

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        """Write a result's bytes to a file. `account` is the one that the result was made with.

        Raises ResultRefused for an address that must not be fetched, another Fault if this failed.
        """

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        """Check that clients may be given the address of a result. Raises ResultRefused.

        `account` is the one that the result was made with; None: its key was removed.
        """

    async def probe(self, account: Account) -> None:
        """A free call that tests whether the account works. Raises the Fault that it shows."""

    async def close(self) -> None:
        """Let go of every connection."""
