"""Profiles: describe how the servers with OpenAI's Images API, or with a related API, differ from one another.

Each fact comes from the provider's documents or source, or from a running server; `docs/openai-images.md` says which
profiles were tested with running servers. A server without its own profile gets the generic one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from yarl import URL

from sora_proxy.errors import ConfigurationError
from sora_proxy.upstream import Abilities, Capabilities
from sora_proxy.upstream.sizes import SizeRule

Ratio = tuple[int, int]


class Wire(Enum):
    """The API that a server speaks."""

    images = auto()  # OpenAI's Images API
    chat = auto()  # OpenAI's chat completions, with images in the answers
    gemini = auto()  # Google's generateContent


class Edits(Enum):
    """How an order with reference images is sent."""

    none = auto()
    form = auto()  # to its own route, with the images as files
    json = auto()  # to its own route, with the images as data URIs in objects
    inline = auto()  # to the route of all orders, with the images as data URIs


class Sizes(Enum):
    """How an order chooses the size of the image."""

    none = auto()  # an order can't choose the size
    pixels = auto()  # in the field `size`, such as 1024x1024
    image_size = auto()  # in the field `image_size`, such as 1024x1024
    ratio = auto()  # as a ratio such as 3:2, in the field that the wire has for it


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server."""

    abilities: Abilities  # the abilities of models that `models` does not contain
    hosts: tuple[str, ...] = ()  # the ends of host names by which this kind of server is recognized
    models: Mapping[str, Abilities] = field(default_factory=dict)  # abilities by prefix of the model's name
    wire: Wire = Wire.images
    models_path: str | None = "/models"  # the path of the list of models; None: there is no list
    probe_path: str | None = None  # the path of a free call that needs the key; None: `models_path`
    key_header: str = "authorization"
    deployment_in_path: bool = False  # the model is in the path, not in the body, unless the base URL ends in v1
    query: str = ""  # the default query string of each address
    edits: Edits = Edits.form
    edits_need_mask: bool = False  # an order with reference images but no mask is sent as with `inline`
    images_field: str = "image[]"  # the field for reference images
    sizes: Sizes = Sizes.pixels
    ratios: tuple[Ratio, ...] = ()
    asks_for_base64: bool = False  # whether orders have a `response_format`, which some servers need and others refuse
    count_field: str | None = "n"  # the field for the number of images; None: one image in each call
    settings_tag: str | None = None  # the tag in a prompt around settings for which the API has no field
    negative_after: str | None = None  # the text between the prompt and a negative prompt in the same field
    names: Mapping[str, str] = field(default_factory=dict)  # the server's own names for parameters
    fixed_fields: Mapping[str, Any] = field(default_factory=dict)  # fields that every order contains, with their values
    refused_codes: frozenset[str] = frozenset()  # codes that prove that no work has begun, whatever the status is
    max_concurrent: int | None = None

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of a server without a list of models."""
        return Capabilities(others=self.abilities, families=self.models)


ALL = ("seed", "steps", "guidance_scale", "strength", "negative_prompt", "style", "quality", "background")
MUSEQS = ("seed", "steps", "strength", "negative_prompt")
OPENAIS = ("quality", "background", "moderation", "input_fidelity")
GPT_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
GPT_IMAGE_2_SIZES = SizeRule(16, min_pixels=655_360, max_pixels=8_294_400, max_side=3840, max_ratio=3.0)
GPT_IMAGE = Abilities(GPT_SIZES, 10, 16, masks=True, parameters=OPENAIS, single_previews=True)
DALL_E_3 = Abilities(
    ((1024, 1024), (1792, 1024), (1024, 1792)), max_images=10, parameters=("quality", "style"), single_calls=True
)
DALL_E_2 = Abilities(((1024, 1024), (512, 512), (256, 256)), max_images=10, max_references=1, masks=True)
OPENAI_MODELS = {
    "gpt-image-2": replace(GPT_IMAGE, sizes=(), size_rule=GPT_IMAGE_2_SIZES),
    "dall-e-3": DALL_E_3,
    "dall-e-2": DALL_E_2,
}
SEEDREAM_3 = Abilities(max_images=10, parameters=("seed", "guidance_scale"), single_calls=True)
SEEDREAM_SIZES = SizeRule(64, min_pixels=3_686_400, grows_to=2048 * 2048)
SEEDREAM = replace(SEEDREAM_3, max_references=10, size_rule=SEEDREAM_SIZES)
# These ratios are from "Gemini API: image generation" and OpenRouter's "Image Generation".
GEMINI_RATIOS = ((1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9))
CHAT = Abilities(max_images=10, max_references=16, single_calls=True)

GENERIC = "generic"
PROFILES: Mapping[str, Profile] = {
    GENERIC: Profile(Abilities(max_images=10, max_references=16, masks=True, parameters=ALL)),
    "openai": Profile(GPT_IMAGE, ("api.openai.com",), models=OPENAI_MODELS),
    "azure": Profile(
        GPT_IMAGE,
        ("openai.azure.com", "cognitiveservices.azure.com"),
        models=OPENAI_MODELS,
        models_path=None,
        key_header="api-key",
        deployment_in_path=True,
        query="api-version=2025-04-01-preview",
    ),
    "xai": Profile(
        Abilities(max_images=10, max_references=3),
        ("api.x.ai",),
        edits=Edits.json,
        images_field="images",
        sizes=Sizes.ratio,
        ratios=((1, 1), (16, 9), (9, 16), (4, 3), (3, 4), (3, 2), (2, 3), (2, 1), (1, 2)),
        asks_for_base64=True,
    ),
    "seedream": Profile(
        SEEDREAM,
        ("volces.com", "bytepluses.com"),
        models={"doubao-seedream-3": SEEDREAM_3, "seedream-3": SEEDREAM_3},
        models_path=None,
        edits=Edits.inline,
        images_field="image",
        asks_for_base64=True,
        count_field=None,
        fixed_fields={"watermark": False, "sequential_image_generation": "disabled"},
    ),
    "siliconflow": Profile(
        Abilities(max_images=4, max_references=3, parameters=("seed", "steps", "guidance_scale", "negative_prompt")),
        ("siliconflow.cn", "siliconflow.com"),
        edits=Edits.inline,
        images_field="image",
        sizes=Sizes.image_size,
        count_field="batch_size",
        names={"steps": "num_inference_steps"},
    ),
    "zhipu": Profile(
        Abilities(max_images=10, parameters=("quality",), single_calls=True),
        ("bigmodel.cn", "z.ai"),
        models_path=None,
        edits=Edits.none,
        count_field=None,
    ),
    "localai": Profile(
        Abilities(max_images=10, max_references=1, parameters=("steps", "quality", "negative_prompt")),
        negative_after="|",
        asks_for_base64=True,
        names={"steps": "step"},
        max_concurrent=1,
    ),
    "stable-diffusion.cpp": Profile(
        Abilities((), 8, 16, masks=True, parameters=("seed", "negative_prompt"), size_rule=SizeRule(64, max_side=4096)),
        settings_tag="sd_cpp_extra_args",
        max_concurrent=1,
    ),
    "litellm": Profile(replace(GPT_IMAGE, single_previews=False), models={"dall-e-3": DALL_E_3, "dall-e-2": DALL_E_2}),
    "sglang": Profile(
        Abilities(max_images=4, max_references=4, parameters=("seed", "steps", "guidance_scale", "negative_prompt")),
        models_path=None,
        names={"steps": "num_inference_steps"},
        asks_for_base64=True,
    ),
    "vllm-omni": Profile(
        Abilities(max_images=10, max_references=4, parameters=("seed", "steps", "guidance_scale", "negative_prompt")),
        names={"steps": "num_inference_steps"},
        asks_for_base64=True,
    ),
    "ollama": Profile(
        Abilities(max_images=10, single_calls=True),
        edits=Edits.none,
        count_field=None,
        asks_for_base64=True,
        max_concurrent=1,
    ),
    "museq": Profile(
        Abilities((), 10, 1, masks=True, parameters=MUSEQS, size_rule=SizeRule(min_side=64, max_side=2048)),
        edits_need_mask=True,
        images_field="image",
        asks_for_base64=True,
        refused_codes=frozenset({"queue_full", "queue_timeout", "model_unservable", "model_load_failed"}),
        max_concurrent=1,
    ),
    "openrouter": Profile(
        CHAT,
        ("openrouter.ai",),
        wire=Wire.chat,
        models_path="/models?output_modalities=image",
        probe_path="/key",  # the list of models needs no key, so it can't test one
        sizes=Sizes.ratio,
        ratios=GEMINI_RATIOS,
        fixed_fields={"modalities": ["image"]},  # models that make only images refuse requests for text
    ),
    "chat": Profile(CHAT, wire=Wire.chat, sizes=Sizes.none, fixed_fields={"modalities": ["image", "text"]}),
    "gemini": Profile(
        replace(CHAT, max_references=14),
        ("generativelanguage.googleapis.com",),
        wire=Wire.gemini,
        models_path="/models?pageSize=1000",
        key_header="x-goog-api-key",
        sizes=Sizes.ratio,
        ratios=GEMINI_RATIOS,
        refused_codes=frozenset({"unavailable"}),  # the provider's document on billing: "you won't be charged"
    ),
}


def profile_of(name: str, base_url: str, chosen: str | None) -> Profile:
    """The profile that the operator chose for a back end, else that of its host, else the generic one.

    With Azure, the path contains the name of the deployment; but if the address is of the newer kind, which ends in v1,
    the body contains the name. Raises ConfigurationError.
    """
    if chosen is not None and chosen not in PROFILES:
        raise ConfigurationError([f"BACKENDS: {name}: 'profile' must be one of {', '.join(PROFILES)}"])
    url = URL(base_url)
    host = f".{url.host}"
    known = (key for key, each in PROFILES.items() if any(host.endswith(f".{end}") for end in each.hosts))
    profile = PROFILES[chosen or next(known, GENERIC)]
    if profile.deployment_in_path and url.name == "v1":
        return replace(profile, deployment_in_path=False, query="")
    return profile
