"""The fields of answers for operators, for the document of the API. A test compares these fields with real answers."""

from typing import Any, Literal

from pydantic import Field

from sora_proxy.api.reference.answer_schemas import Answer, ErrorDetail, List, MadeBy
from sora_proxy.generation import Phase

TIME = "seconds since 1970"


class Session(Answer):
    token: str = Field(description="Send it as `Authorization: Bearer TOKEN`.")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds until the session ends.")


class SessionsEnded(Answer):
    ended: Literal[True]


class KeyAnswer(Answer):
    """An upstream key: its configuration and its state. `tasks` and the fields after it are missing if the key's back
    end is not in use."""

    id: str = Field(description="A fingerprint that was made when the key was added and never changes.")
    backend: str | None = Field(
        description="The name of the key's back end; null if there are several back ends and the key names none."
    )
    key: str = Field(description="The last four characters of the token.")
    name: str
    weight: float
    max_rpm: int
    max_concurrent: int | None
    proxy: str | None = Field(description="The names of its own egresses, separated by commas and without passwords.")
    enabled: bool
    notes: str | None
    base_url: str | None
    headers: dict[str, str] = Field(description="The names of the key's headers; every value is `…`.")
    models: list[str]
    region: str | None
    origin: str = Field(description="The source of the key, such as `file`, `environment` or `admin`.")
    created_at: float = Field(description=f"In {TIME}.")
    expires_at: float | None = Field(
        description=f"The time at which the token expires, in {TIME}, if the token contains it."
    )
    state: Literal["ready", "busy", "resting", "quarantined", "disabled"]
    why: str | None = Field(description="The reason for the state.")
    until: float | None = Field(None, description=f"The end of the state, in {TIME}; null if it is unknown.")
    since: float | None = Field(None, description=f"When the state began, in {TIME}.")
    by: str | None = Field(None, description="The id of the generation that caused the state.")
    tasks: int | None = Field(None, description="The number of the key's tasks at present.")
    limit: int | None = Field(None, description="The configured or learned maximum number of tasks at once.")
    resting_models: dict[str, float | None] | None = Field(
        None,
        description=f"The models for which the key can't be used now, each with the end of its cooldown, in {TIME}.",
    )
    way_out: str | None = Field(None, description="The name of the egress in use.")


class KeyList(List):
    data: list[KeyAnswer]


class KeyDeleted(Answer):
    id: str
    deleted: Literal[True]


class KeyTest(Answer):
    id: str
    works: bool
    code: str | None = Field(None, description="If the key does not work, one of the codes of `ErrorDetail`.")
    reason: str | None = None


class KeyOutcome(Answer):
    """The outcome of a bulk action for one key. `works`, `code` and `reason` are present only after the action
    `test`."""

    id: str
    done: bool
    works: bool | None = None
    code: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


class BatchOutcome(Answer):
    results: list[KeyOutcome]


class ImportedLine(Answer):
    line: int = Field(description="The number of the line, from 1.")
    result: Literal["added", "exists", "invalid"]
    id: str | None
    name: str | None
    reason: str | None


class ImportOutcome(Answer):
    dry_run: bool
    lines: list[ImportedLine]


class BackendAnswer(Answer):
    """A back end: its configuration and its state."""

    name: str
    kind: str
    base_url: str
    models: dict[str, str] | list[str] | None = Field(
        description="The configured models; null if all models of the back end are used."
    )
    options: dict[str, Any]
    enabled: bool
    origin: str = Field(description="The source of the back end, such as `environment` or `admin`.")
    created_at: float = Field(description=f"In {TIME}.")
    state: Literal["ready", "unreachable", "no_key", "draining", "disabled"]
    why: str | None = Field(description="The current fault, if there is one.")
    served_models: list[str]
    keys: int
    unfinished: int = Field(description="The number of orders that were sent and have not ended.")
    waiting: int = Field(description="The number of orders that are waiting for one of the back end's keys.")
    why_not_listed: str | None = Field(
        None, description="The reason why the back end did not list its models when this request asked for them."
    )


class BackendList(Answer):
    object: Literal["list"]
    data: list[BackendAnswer]


class BackendDeleted(Answer):
    name: str
    deleted: Literal[True]


class UsageDay(Answer):
    """The orders of one key on one day, and the images made."""

    key_id: str
    day: str = Field(description="A UTC day, such as `2026-01-31`.")
    sent: int
    accepted: int
    refused: int
    completed: int
    failed: int
    pictures: int


class UsageList(Answer):
    object: Literal["list"]
    data: list[UsageDay]


class WaitingClient(Answer):
    client: str = Field(description="The fingerprint of the client key.")
    name: str | None
    orders: int


class ImagesToday(Answer):
    images_today: int = Field(description="The number of images ordered on the current UTC day.")
    max_images_per_day: int | None


class QueueOfBackend(ImagesToday):
    backend: str
    waiting: list[WaitingClient]
    expected_wait: int | None = Field(description="In seconds; null if it is unknown.")


class Queue(Answer):
    """The fields before `backends` describe the preferred back end, and `backends` describes each back end."""

    backend: str | None
    waiting: list[WaitingClient]
    expected_wait: int | None
    images_today: int | None = None
    max_images_per_day: int | None = None
    backends: list[QueueOfBackend]
    in_all: ImagesToday


class UnfinishedGeneration(MadeBy):
    id: str
    status: Phase
    key: str | None = Field(description="The id of the upstream key.")
    client: str = Field(description="The fingerprint of the client key.")
    model: str
    created_at: float = Field(description=f"In {TIME}.")
    attempts: int
    prompt: str | None = Field(None, description="Only with `VERBOSE_LOGGING`.")


class UnfinishedGenerationList(List):
    data: list[UnfinishedGeneration]


class Option(Answer):
    value: Any
    source: Literal["admin", "environment", "default"]


class Options(Answer):
    settings: dict[str, Option]


class AuditEntry(Answer):
    """`changes` contains the old and the new value of each changed field, without secrets."""

    id: int
    at: float = Field(description=f"In {TIME}.")
    who: str
    address: str | None
    action: str
    target: str
    changes: dict[str, tuple[Any, Any]]


class AuditList(Answer):
    object: Literal["list"]
    first_id: int | None
    last_id: int | None
    has_more: bool
    data: list[AuditEntry]
