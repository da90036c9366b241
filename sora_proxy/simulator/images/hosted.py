"""Hosted: the profiles of hosted services. None of these profiles was compared with the service itself.

Sources: the providers' documents, the source code of public clients, and public reports. Where the sources say nothing,
a service is assumed to behave like OpenAI's API.
"""

from collections.abc import Mapping

from sora_proxy.simulator.images import refusals
from sora_proxy.simulator.images.profile import Answers, Edits, Fields, Files, Fill, Keys, Profile, Wire
from sora_proxy.simulator.images.refusals import Errors, Reason, Wording
from sora_proxy.simulator.images.sizes import Sizes
from sora_proxy.simulator.images.wordings import OPENAI

IMAGES_FORM = Files(Edits.form, untyped=False)
GPT_SIZES = {"1024x1024": (1024, 1024), "1536x1024": (1536, 1024), "1024x1536": (1024, 1536), "auto": (1024, 1024)}
GPT_IMAGE_2 = Sizes(names={"auto": (1024, 1024)}, sides=(16, 3840), step=16, pixels=(655_360, 8_294_400), max_ratio=3.0)
GPT_FIELDS = frozenset(
    {
        "prompt",
        "model",
        "n",
        "size",
        "quality",
        "output_format",
        "output_compression",
        "background",
        "moderation",
        "stream",
        "partial_images",
        "user",
        "safety_identifier",
        "input_fidelity",
    }
)
GPT_IMAGES = Fields(
    known=GPT_FIELDS,
    sizes=Sizes(names=GPT_SIZES, only_names=True),
    families={"gpt-image-2": GPT_IMAGE_2},
    response_formats=("b64_json",),
    output_formats=("png", "webp", "jpeg"),
    edit_output_formats=("png", "webp", "jpeg"),
    max_partial_images=3,
)
GPT_ANSWER = {
    "created": Fill.now,
    "background": Fill.background,
    "output_format": Fill.output_format,
    "quality": Fill.quality,
    "size": Fill.size,
    "usage": Fill.usage,
}
LIMITS = {
    "x-ratelimit-limit-requests": "5",
    "x-ratelimit-remaining-requests": "4",
    "x-ratelimit-reset-requests": "12s",
}
RATIOS = {
    "1:1": (1024, 1024),
    "16:9": (1360, 768),
    "9:16": (768, 1360),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "2:1": (1440, 720),
    "1:2": (720, 1440),
}

_OPENAI = Profile(
    Errors(refusals.openai_error, OPENAI),
    ("gpt-image-1.5", "gpt-image-1-mini", "gpt-image-2"),
    other_models=("gpt-5", "whisper-1"),
    fields=GPT_IMAGES,
    files=IMAGES_FORM,
    answers=Answers(
        whole=GPT_ANSWER,
        headers={"openai-processing-ms": "8000", "openai-version": "2020-10-01", **LIMITS},
        request_id="x-request-id",
        model_row={"object": "model", "created": 1_700_000_000, "owned_by": "system"},
    ),
)

_AZURE = Profile(
    Errors(
        refusals.openai_error,
        OPENAI
        | {
            Reason.no_route: Wording(404, "Resource not found", "404", None),
            Reason.no_key: Wording(401, "Access denied due to a missing subscription key.", "401", None),
            Reason.wrong_key: Wording(401, "Access denied due to an invalid subscription key.", "401", None),
            Reason.unknown_model: Wording(
                404, "The API deployment for this resource does not exist.", "DeploymentNotFound", None
            ),
        },
    ),
    ("gpt-image-1.5", "gpt-image-2"),
    base="/openai",
    deployment_in_path=True,
    query=("api-version",),
    keys=Keys(("api-key",)),
    fields=Fields(
        known=GPT_FIELDS - {"model"},
        sizes=GPT_IMAGES.sizes,
        families=GPT_IMAGES.families,
        response_formats=GPT_IMAGES.response_formats,
        output_formats=("png", "jpeg"),
        edit_output_formats=("png", "jpeg"),
        max_partial_images=3,
    ),
    files=IMAGES_FORM,
    answers=Answers(whole=GPT_ANSWER, request_id="apim-request-id", model_list=None),
)

_XAI = Profile(
    Errors(
        refusals.status_and_text_error,
        OPENAI
        | {
            Reason.unknown_field: Wording(400, "Argument not supported: {name}"),
            Reason.wrong_key: Wording(400, "Incorrect API key provided: {value}."),
        },
    ),
    ("grok-imagine-image",),
    other_models=("grok-4",),
    fields=Fields(
        refused=frozenset({"size", "quality", "style"}),
        sizes=Sizes("aspect_ratio", names=RATIOS, only_names=True),
        response_formats=("url", "b64_json"),
    ),
    files=Files(Edits.json, names=("image", "images"), max_images=3),
    answers=Answers(
        row={"revised_prompt": ""},
        whole={"usage": {"cost_in_usd_ticks": 200_000_000}},
        model_row={"object": "model", "created": 1_700_000_000, "owned_by": "xai"},
    ),
)

_SEEDREAM = Profile(
    Errors(
        refusals.openai_error,
        OPENAI
        | {
            Reason.no_key: Wording(401, "The API key is missing.", "AuthenticationError", "Unauthorized"),
            Reason.wrong_key: Wording(401, "The API key is not valid.", "AuthenticationError", "Unauthorized"),
            Reason.bad_size: Wording(
                400, "The parameter `size` is not valid: {value}.", "InvalidParameter", "BadRequest"
            ),
            Reason.unknown_model: Wording(
                404, "The model {value} does not exist.", "InvalidEndpointOrModel.NotFound", "NotFound"
            ),
            Reason.moderated: Wording(
                400, "The text may contain sensitive information.", "InputTextSensitiveContentDetected", "BadRequest"
            ),
        },
    ),
    ("doubao-seedream-4-5-251128", "doubao-seedream-3-0-t2i-250415"),
    base="/api/v3",
    fields=Fields(
        needs_model=True,
        count=None,
        sizes=Sizes(
            default=(2048, 2048),
            names={"2K": (2048, 2048), "4K": (4096, 4096)},
            sides=(64, 8192),
            pixels=(3_686_400, 16_777_216),
            max_ratio=16.0,
        ),
        families={"doubao-seedream-3": Sizes(sides=(512, 2048))},
        response_formats=("url", "b64_json"),
    ),
    files=Files(inline=("image",), max_images=14),
    answers=Answers(
        row={"size": Fill.size},
        whole={
            "model": Fill.model,
            "created": Fill.now,
            "usage": {"generated_images": 1, "output_tokens": 4096, "total_tokens": 4096},
        },
        model_list=None,
    ),
)

_SILICONFLOW = Profile(
    Errors(
        refusals.bare_error,
        {reason: Wording(each.status, each.message, 20012) for reason, each in OPENAI.items()}
        | {Reason.rate_limited: Wording(429, "Request was rejected due to rate limiting.", 50603)},
    ),
    ("Qwen/Qwen-Image", "Kwai-Kolors/Kolors"),
    other_models=("Qwen/Qwen3-8B",),
    fields=Fields(
        needs_model=True, count="batch_size", max_count=4, sizes=Sizes("image_size"), response_formats=("url",)
    ),
    files=Files(inline=("image", "image2", "image3"), max_images=3),
    answers=Answers(
        rows="images",
        whole={"timings": {"inference": 1.5}, "seed": 42},
        request_id="x-siliconcloud-trace-id",
        model_row={"object": "model", "created": 0, "owned_by": ""},
    ),
)

_ZHIPU = Profile(
    Errors(
        refusals.coded_error,
        {reason: Wording(each.status, each.message, "1214") for reason, each in OPENAI.items()}
        | {
            Reason.no_key: Wording(401, "Authentication failed.", "1001"),
            Reason.wrong_key: Wording(401, "Authentication failed.", "1002"),
            Reason.unknown_model: Wording(400, "The model does not exist.", "1211"),
            Reason.moderated: Wording(400, "The input may contain unsafe or sensitive content.", "1301"),
            Reason.rate_limited: Wording(429, "The rate of requests is too high.", "1302"),
            Reason.no_credit: Wording(429, "The account is in arrears.", "1113"),
        },
    ),
    ("cogview-4", "glm-image"),
    base="/api/paas/v4",
    fields=Fields(needs_model=True, count=None, response_formats=("url",)),
    answers=Answers(model_list=None),
)

_OPENROUTER = Profile(
    Errors(refusals.status_error, OPENAI),
    ("google/gemini-2.5-flash-image",),
    other_models=("openai/gpt-5",),
    wire=Wire.chat,
    base="/api/v1",
    pages={"/api/v1/key": {"data": {"label": "sk-or-v1-...", "limit": None, "usage": 0}}},
    fields=Fields(needs_model=True),
    answers=Answers(model_row={"architecture": {"output_modalities": ["image", "text"]}}, model_list={}),
)

_MARKDOWN = Profile(
    Errors(refusals.openai_error, OPENAI),
    ("gpt-4o-image",),
    wire=Wire.markdown,
    fields=Fields(needs_model=True),
)


def _googles(reason: Reason, each: Wording) -> Wording:
    status = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    word = status.get(each.status, "INTERNAL" if each.status >= 500 else "INVALID_ARGUMENT")
    special = {Reason.no_key: (403, "PERMISSION_DENIED"), Reason.wrong_key: (400, "INVALID_ARGUMENT")}
    code, word = special.get(reason, (each.status, word))
    return Wording(code, each.message, kind=word)


_GEMINI = Profile(
    Errors(refusals.google_error, {reason: _googles(reason, each) for reason, each in OPENAI.items()}),
    ("gemini-2.5-flash-image", "gemini-3-pro-image"),
    other_models=("gemini-2.5-flash",),
    wire=Wire.gemini,
    base="/v1beta",
    keys=Keys(("x-goog-api-key",)),
    fields=Fields(count="candidateCount", max_count=1, sizes=Sizes("aspectRatio", names=RATIOS, only_names=True)),
)

HOSTED: Mapping[str, Profile] = {
    "openai": _OPENAI,
    "azure": _AZURE,
    "xai": _XAI,
    "seedream": _SEEDREAM,
    "siliconflow": _SILICONFLOW,
    "zhipu": _ZHIPU,
    "openrouter": _OPENROUTER,
    "markdown": _MARKDOWN,
    "gemini": _GEMINI,
}
