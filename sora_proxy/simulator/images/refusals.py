"""Refusals: the reasons why servers refuse calls, and how each server words and formats its errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any


class Reason(Enum):
    """The reason for which a server answers a call with an error."""

    no_route = auto()
    no_key = auto()
    wrong_key = auto()
    empty_body = auto()
    bad_body = auto()  # not JSON, or not an object
    not_a_form = auto()
    no_model = auto()
    unknown_model = auto()
    unknown_field = auto()
    no_prompt = auto()
    empty_prompt = auto()
    long_prompt = auto()
    bad_settings = auto()  # in the prompt
    bad_type = auto()  # a text instead of a number
    bad_count = auto()
    bad_size = auto()
    bad_choice = auto()
    stream_of_many = auto()
    no_image = auto()
    no_mask = auto()
    bad_image = auto()
    untyped_file = auto()
    repeated_file = auto()
    many_images = auto()
    moderated = auto()
    rate_limited = auto()
    no_credit = auto()
    unverified = auto()
    blocked = auto()
    wrong_country = auto()
    failed = auto()


@dataclass(frozen=True, slots=True)
class Wording:
    """How a server words an error. The message may contain {name}, {value} and {expected}. If the message is empty, the
    answer has no body."""

    status: int
    message: str = ""
    code: str | int | None = None
    kind: str | None = "invalid_request_error"
    param: str | None = None  # the `param` of the error; None: the name of the field


@dataclass(frozen=True, slots=True)
class SentError:
    """The fields of an error as it is sent."""

    status: int
    message: str
    code: str | int | None = None
    kind: str | None = None
    param: str | None = None
    details: tuple[Any, ...] = ()


class Refused(Exception):
    """A call that is answered with an error. `name` is the field at fault, `value` its value, and `expected` says which
    values are valid."""

    def __init__(
        self,
        reason: Reason,
        name: str | None = None,
        value: Any = None,
        expected: str = "",
        *,
        changes: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store the parts of the message; `changes` replace fields of the profile's wording."""
        super().__init__(reason.name)
        self.reason = reason
        self.name, self.value, self.expected = name, str(value)[:1000], expected
        self.changes = dict(changes or {})
        self.headers = dict(headers or {})
        self.details: tuple[Any, ...] = ()


Form = Callable[[SentError], Any]


def openai_error(sent: SentError) -> Any:
    """Return an error object as OpenAI formats it."""
    return {"error": {"message": sent.message, "type": sent.kind, "param": sent.param, "code": sent.code}}


def short_error(sent: SentError) -> Any:
    """Return an error object without the name of a field."""
    return {"error": {"code": sent.code, "message": sent.message, "type": sent.kind}}


def coded_error(sent: SentError) -> Any:
    """Return an error object with a code and a message."""
    return {"error": {"code": sent.code, "message": sent.message}}


def text_error(sent: SentError) -> Any:
    """Return the message as `error`; if there is a code, the code as `error` and the message as `message`."""
    return {"error": sent.message} if sent.code is None else {"error": sent.code, "message": sent.message}


def status_and_text_error(sent: SentError) -> Any:
    """Return an error as xAI formats it: the code, or else the status, as a string, and a message."""
    return {"code": str(sent.code or sent.status), "error": sent.message}


def status_error(sent: SentError) -> Any:
    """Return an error object whose code is the status as a number."""
    return {"error": {"code": sent.status, "message": sent.message, "type": sent.kind or ""}}


def litellm_error(sent: SentError) -> Any:
    """Return OpenAI's error object with the status as its code; for an unknown route, an object with a `detail`."""
    if sent.status == 404:
        return {"detail": sent.message}
    return openai_error(SentError(sent.status, sent.message, str(sent.status), sent.kind, sent.param))


def bare_error(sent: SentError) -> Any:
    """Return an error as SiliconFlow formats it: a code, a message and empty data."""
    return {"code": sent.code, "message": sent.message, "data": None}


def detail_error(sent: SentError) -> Any:
    """Return an error as FastAPI formats it: a list of details for status 422, otherwise a text."""
    if sent.status == 422:
        return {"detail": [{"type": "value_error", "loc": ["body", sent.param], "msg": sent.message, "input": None}]}
    return {"detail": sent.message}


def google_error(sent: SentError) -> Any:
    """Return an error object as Google's APIs format it."""
    error: dict[str, Any] = {"code": sent.status, "message": sent.message, "status": sent.kind}
    return {"error": error | ({"details": list(sent.details)} if sent.details else {})}


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of one kind of server: the function that formats them, and the wording for each reason. `of_forms`
    contains other wordings for requests whose body is a multipart form."""

    form: Form
    wordings: Mapping[Reason, Wording]
    of_forms: Mapping[Reason, Wording] = field(default_factory=dict)
    close: bool = False  # whether the connection is closed after an error
    names_fields: bool = True

    def worded(self, refused: Refused, *, in_form: bool) -> SentError:
        """Put a refusal into words."""
        wording = self.wordings[refused.reason]
        if in_form:
            wording = self.of_forms.get(refused.reason, wording)
        wording = replace(wording, **refused.changes)
        message = wording.message.format(name=refused.name, value=refused.value, expected=refused.expected)
        param = wording.param or (refused.name if self.names_fields else None)
        return SentError(wording.status, message, wording.code, wording.kind, param, refused.details)
