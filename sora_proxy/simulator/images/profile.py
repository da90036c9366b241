"""Profiles: describes in which ways servers with OpenAI's Images API can differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sora_proxy.simulator.images.refusals import Errors
from sora_proxy.simulator.images.sizes import Sizes


class Wire(Enum):
    """The API through which a server takes orders and answers them."""

    images = auto()  # /images/generations
    chat = auto()  # /chat/completions, with images in their own field
    markdown = auto()  # /chat/completions, with images in the text
    gemini = auto()  # :generateContent


class Edits(Enum):
    """How the route for edits takes images."""

    none = auto()  # the route does not exist
    form = auto()
    json = auto()


class Fill(Enum):
    """The values that the template of an answer leaves open until an order is answered."""

    now = auto()  # seconds since 1970
    id = auto()
    prompt = auto()
    model = auto()
    size = auto()
    quality = auto()
    background = auto()
    output_format = auto()
    usage = auto()  # in OpenAI's format


@dataclass(frozen=True, slots=True)
class Keys:
    """The headers that may contain the key. If `needed` is false, clients must send a key only if the simulator's
    options set one."""

    headers: tuple[str, ...] = ("authorization",)
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Fields:
    """How the fields of an order are checked. A field whose tuple of choices is empty is ignored."""

    known: frozenset[str] | None = None  # fields not in this set are refused; None: unknown fields are ignored
    refused: frozenset[str] = frozenset()
    needs_model: bool = False
    any_model: bool = False
    min_prompt: int = 1  # characters
    max_prompt: int = 32_000  # characters
    settings_in_prompt: bool = False  # whether a tag in the prompt contains settings, as with stable-diffusion.cpp
    count: str | None = "n"
    max_count: int = 10
    cuts_count: bool = False  # whether a count outside the limits is cut to the nearest limit, rather than refused
    sizes: Sizes = field(default_factory=Sizes)
    families: Mapping[str, Sizes] = field(default_factory=dict)  # the sizes of other models, by prefix of the name
    response_formats: tuple[str, ...] = ("b64_json", "url")  # the first is the default
    edit_response_formats: tuple[str, ...] | None = None  # for edits; None: the same as for generations
    output_formats: tuple[str, ...] = ()
    edit_output_formats: tuple[str, ...] = ()
    max_partial_images: int = 0  # 0: `stream` is ignored


@dataclass(frozen=True, slots=True)
class Files:
    """How an order can contain images."""

    edits: Edits = Edits.none
    names: tuple[str, ...] = ("image", "image[]")  # the names of the parts of a form, or of the fields of JSON
    inline: tuple[str, ...] = ()  # fields of `/images/generations` that accept addresses or data URIs of images
    max_images: int = 16
    needs_mask: bool = False
    checked: bool = True  # whether files that are not images are refused; otherwise they are ignored
    untyped: bool = True  # whether parts declared as application/octet-stream are accepted
    variations: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """The content of an answer. In the templates, members of Fill stand for values that depend on the order."""

    rows: str = "data"
    row: Mapping[str, Any] = field(default_factory=dict)  # the fields of each image besides its base64 or address
    whole: Mapping[str, Any] = field(default_factory=lambda: {"created": Fill.now})
    data_uris: bool = False  # whether answers contain data URIs instead of addresses
    addresses: str = "/files/{name}.png"  # the paths of images
    addresses_need_key: bool = False
    addresses_relative: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None  # the header with the id of the request
    model_row: Mapping[str, Any] = field(default_factory=lambda: {"object": "model"})
    model_list: Mapping[str, Any] | None = field(default_factory=lambda: {"object": "list"})  # None: there is no list


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server."""

    errors: Errors
    models: tuple[str, ...]  # the models that make images
    other_models: tuple[str, ...] = ()  # listed models that do not make images
    wire: Wire = Wire.images
    base: str = "/v1"  # the prefix of all paths of the API
    deployment_in_path: bool = False
    query: tuple[str, ...] = ()  # query parameters that every request must have
    keys: Keys = Keys()
    fields: Fields = Fields()
    files: Files = Files()
    answers: Answers = Answers()
    pages: Mapping[str, Any] = field(default_factory=dict)  # other documents, by path
    one_at_a_time: bool = False
    attempts: int = 1  # how many times a gateway sends an order to the server behind it if every attempt fails
    behind: Mapping[str, str | None] = field(default_factory=dict)  # profiles behind a gateway by model; None: down
    idle_seconds: float = 75.0  # until an idle connection is closed
