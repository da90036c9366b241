"""Why a server refuses a call, in what words, and in what form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any


class Reason(Enum):
    """What is wrong with a call, or with its server."""

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
    bad_type = auto()  # a text where a number belongs
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
    """How a server refuses: its message may hold {name}, {value} and {expected}; without one the body is empty."""

    status: int
    message: str = ""
    code: str | int | None = None
    kind: str | None = "invalid_request_error"
    param: str | None = None  # named instead of the field


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal as it is sent."""

    status: int
    message: str
    code: str | int | None = None
    kind: str | None = None
    param: str | None = None
    details: tuple[Any, ...] = ()


class Refused(Exception):
    """A call that is answered with an error: `name` is a field, `value` what it held, `expected` what would do."""

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
        """Hold what the message needs; `changes` are made to the profile's wording."""
        super().__init__(reason.name)
        self.reason = reason
        self.name, self.value, self.expected = name, str(value)[:1000], expected
        self.changes = dict(changes or {})
        self.headers = dict(headers or {})
        self.details: tuple[Any, ...] = ()


Form = Callable[[Said], Any]


def openai_error(said: Said) -> Any:
    """Give the error object of OpenAI."""
    return {"error": {"message": said.message, "type": said.kind, "param": said.param, "code": said.code}}


def short_error(said: Said) -> Any:
    """Give an error object without the name of a field."""
    return {"error": {"code": said.code, "message": said.message, "type": said.kind}}


def coded_error(said: Said) -> Any:
    """Give an error object of a code and a message."""
    return {"error": {"code": said.code, "message": said.message}}


def text_error(said: Said) -> Any:
    """Give a text, or a code and a text beside it."""
    return {"error": said.message} if said.code is None else {"error": said.code, "message": said.message}


def status_and_text_error(said: Said) -> Any:
    """Give the status as a text and a text: xAI's form."""
    return {"code": str(said.code or said.status), "error": said.message}


def status_error(said: Said) -> Any:
    """Give an error object whose code is the status, as a number."""
    return {"error": {"code": said.status, "message": said.message, "type": said.kind or ""}}


def litellm_error(said: Said) -> Any:
    """Give OpenAI's error object with the status, as a text, for a code; but a detail for a route that is not there."""
    if said.status == 404:
        return {"detail": said.message}
    return openai_error(Said(said.status, said.message, str(said.status), said.kind, said.param))


def bare_error(said: Said) -> Any:
    """Give a code, a message and no data beside one another: SiliconFlow's form."""
    return {"code": said.code, "message": said.message, "data": None}


def detail_error(said: Said) -> Any:
    """Give the two forms of FastAPI: a list for fields that do not validate, else a text."""
    if said.status == 422:
        return {"detail": [{"type": "value_error", "loc": ["body", said.param], "msg": said.message, "input": None}]}
    return {"detail": said.message}


def google_error(said: Said) -> Any:
    """Give the error object of Google's APIs."""
    error: dict[str, Any] = {"code": said.status, "message": said.message, "status": said.kind}
    return {"error": error | ({"details": list(said.details)} if said.details else {})}


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of one kind of server: their form, and its words for each reason, those for forms apart."""

    form: Form
    wordings: Mapping[Reason, Wording]
    of_forms: Mapping[Reason, Wording] = field(default_factory=dict)
    close: bool = False  # the connection
    names_fields: bool = True

    def said(self, refused: Refused, *, in_form: bool) -> Said:
        """Put a refusal into words."""
        wording = self.wordings[refused.reason]
        if in_form:
            wording = self.of_forms.get(refused.reason, wording)
        wording = replace(wording, **refused.changes)
        message = wording.message.format(name=refused.name, value=refused.value, expected=refused.expected)
        param = wording.param or (refused.name if self.names_fields else None)
        return Said(wording.status, message, wording.code, wording.kind, param, refused.details)
