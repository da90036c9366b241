"""Self-hosted: the profiles of servers and gateways that people run themselves.

The profiles of museq 0.60.2, stable-diffusion.cpp of August 2026 and LiteLLM 1.105.7 are based on running servers; all
other profiles are based on documents and source code.
"""

from collections.abc import Mapping

from sora_proxy.simulator.images import refusals
from sora_proxy.simulator.images.profile import Answers, Edits, Fields, Files, Fill, Keys, Profile
from sora_proxy.simulator.images.refusals import Errors, Reason, Wording
from sora_proxy.simulator.images.sizes import Sizes
from sora_proxy.simulator.images.wordings import OPENAI

FORM = Files(Edits.form)
NO_KEY = Keys(needed=False)
IDLE_SECONDS = 5.0  # after this time, museq, stable-diffusion.cpp and LiteLLM close an idle connection

_GENERIC = Profile(
    Errors(refusals.openai_error, OPENAI),
    ("any-image-model",),
    keys=NO_KEY,
    fields=Fields(any_model=True, sizes=Sizes(names={"auto": (1024, 1024)})),
    files=FORM,
)

_LOCALAI = Profile(
    Errors(refusals.status_error, OPENAI),
    ("stablediffusion", "flux.1-schnell"),
    keys=NO_KEY,
    fields=Fields(sizes=Sizes(default=(512, 512), forgives=True), response_formats=("url", "b64_json")),
    files=FORM,
    answers=Answers(
        row={"embedding": None, "index": 0},
        whole={"created": Fill.now, "id": Fill.id},
        addresses="/generated-images/{name}.png",
        addresses_need_key=True,
    ),
    one_at_a_time=True,
)

_SD_CPP = Profile(
    Errors(
        refusals.text_error,
        {reason: Wording(each.status, each.message) for reason, each in OPENAI.items()}
        | {
            Reason.no_route: Wording(404),
            Reason.empty_body: Wording(400, "empty body"),
            Reason.bad_body: Wording(500, "[json.exception.parse_error.101] syntax error", "server_error"),
            Reason.not_a_form: Wording(400, "Content-Type must be multipart/form-data"),
            Reason.no_prompt: Wording(400, "prompt required"),
            Reason.empty_prompt: Wording(400, "prompt required"),
            Reason.bad_settings: Wording(400, "invalid sd_cpp_extra_args"),
            Reason.bad_type: Wording(
                500, "[json.exception.type_error.302] type must be {expected}, but is string", "server_error"
            ),
            Reason.bad_choice: Wording(400, "invalid {name}, must be one of [{expected}]"),
            Reason.no_image: Wording(400, "at least one image[] required"),
            Reason.failed: Wording(500, "generation failed", "server_error"),
        },
        close=True,
    ),
    ("sd-cpp-local",),
    keys=Keys(()),
    fields=Fields(
        any_model=True,
        settings_in_prompt=True,
        max_count=8,
        cuts_count=True,
        sizes=Sizes(default=(512, 512), sides=(64, 4096), step=64, rounds_up=True, forgives=True),
        response_formats=(),
        output_formats=("png", "jpeg", "webp"),
        edit_output_formats=("png", "jpeg"),
    ),
    files=Files(Edits.form, checked=False),
    answers=Answers(
        whole={"created": Fill.now, "output_format": Fill.output_format},
        model_row={"object": "model", "owned_by": "local"},
        model_list={},
    ),
    one_at_a_time=True,
    idle_seconds=IDLE_SECONDS,
)

_LITELLM = Profile(
    Errors(
        refusals.litellm_error,
        {reason: Wording(each.status, each.message) for reason, each in OPENAI.items()}
        | {
            Reason.no_route: Wording(404, "Not Found"),
            Reason.no_key: Wording(401, "Authentication Error, No api key passed in.", kind="auth_error", param="None"),
            Reason.wrong_key: Wording(400, "No connected db.", kind="no_db_connection"),
            Reason.bad_body: Wording(400, "Invalid JSON payload: unexpected end of data", param="request_body"),
            Reason.unknown_model: Wording(
                400, "400: {{'error': '/image/generations: Invalid model name passed in model={value}.'}}"
            ),
            Reason.unknown_field: Wording(
                400, "litellm.UnsupportedParamsError: Setting `{name}` is not supported by openai, {value}."
            ),
            Reason.no_prompt: Wording(
                500,
                "Router.aimage_generation() missing 1 required positional argument: 'prompt'",
                kind="internal_server_error",
            ),
            Reason.no_image: Wording(
                500, "aimage_edit() missing 1 required positional argument: 'image'", kind="internal_server_error"
            ),
            Reason.failed: Wording(
                500, "litellm.InternalServerError: OpenAIException - internal error", kind="internal_server_error"
            ),
        },
        names_fields=False,
    ),
    ("pil-test", "sdcpp", "dead", "gpt-image-1.5"),
    keys=Keys(("authorization", "x-api-key", "api-key")),
    fields=Fields(
        refused=frozenset({"response_format"}),
        min_prompt=0,
        sizes=Sizes(names={"auto": (1024, 1024)}),
        response_formats=(),
    ),
    files=FORM,
    answers=Answers(
        row={"revised_prompt": None, "url": None, "provider_specific_fields": None},
        whole={
            "created": Fill.now,
            "background": None,
            "output_format": None,
            "quality": None,
            "size": None,
            "usage": {
                "total_tokens": 0,
                "input_tokens": 0,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "output_tokens": 0,
            },
        },
        headers={"x-content-type-options": "nosniff"},
        request_id="x-litellm-call-id",
        model_row={"object": "model", "created": 1677610602, "owned_by": "openai", "mode": "image_generation"},
    ),
    pages={"/health/liveliness": "I'm alive!"},
    attempts=3,
    behind={"pil-test": "museq", "sdcpp": "stable-diffusion.cpp", "dead": None, "gpt-image-1.5": "openai"},
    idle_seconds=IDLE_SECONDS,
)

# FastAPI answers with status 422 if a field is invalid.
_FASTAPI = {
    reason: Wording(422, each.message) if each.status == 400 else Wording(each.status, each.message)
    for reason, each in OPENAI.items()
}

_SGLANG = Profile(
    Errors(refusals.detail_error, _FASTAPI | {Reason.bad_choice: Wording(400, "{name} must be one of: {expected}")}),
    ("Qwen/Qwen-Image",),
    keys=NO_KEY,
    fields=Fields(
        any_model=True,
        sizes=Sizes(names={"auto": (1024, 1024)}),
        response_formats=("b64_json",),
        edit_response_formats=("b64_json", "url"),
    ),
    files=FORM,
    answers=Answers(
        row={"revised_prompt": Fill.prompt},
        whole={"id": Fill.id, "created": Fill.now},
        addresses="/v1/images/{name}/content",
        addresses_relative=True,
        model_list=None,
    ),
    pages={"/v1/models": {"model_path": "Qwen/Qwen-Image"}},  # not a list like OpenAI's; the real fields are unknown
)

_VLLM_OMNI = Profile(
    Errors(refusals.detail_error, _FASTAPI | {Reason.unknown_model: Wording(404, "The model {value} does not exist.")}),
    ("Qwen/Qwen-Image",),
    keys=NO_KEY,
    fields=Fields(sizes=Sizes(names={"auto": (1024, 1024)}), response_formats=("b64_json",)),
    files=FORM,
    answers=Answers(model_row={"object": "model", "created": 1_700_000_000, "owned_by": "vllm"}),
)

_OLLAMA = Profile(
    Errors(
        refusals.openai_error,
        OPENAI | {Reason.unknown_model: Wording(404, "model '{value}' not found", kind="not_found_error")},
    ),
    ("x/z-image-turbo",),
    keys=Keys(()),
    fields=Fields(needs_model=True, max_count=1, response_formats=("b64_json",)),
    answers=Answers(model_row={"object": "model", "created": 1_700_000_000, "owned_by": "library"}),
    one_at_a_time=True,
)


_MODEL_REQUIRED = Wording(400, "request is missing a `model` field (required for gateway routing)", "model_required")

_MUSEQ = Profile(
    Errors(
        refusals.short_error,
        OPENAI
        | {
            reason: Wording(422, each.message, "invalid_request")
            for reason, each in OPENAI.items()
            if each.status == 400
        }
        | {
            Reason.no_route: _MODEL_REQUIRED,
            Reason.empty_body: _MODEL_REQUIRED,
            Reason.bad_body: _MODEL_REQUIRED,
            Reason.no_model: _MODEL_REQUIRED,
            Reason.unknown_model: Wording(404, "model '{value}' is not in the catalog", "model_not_found"),
            Reason.no_prompt: Wording(422, "body.prompt: Field required", "invalid_request"),
            Reason.empty_prompt: Wording(
                422, "body.prompt: String should have at least 1 character", "invalid_request"
            ),
            Reason.bad_count: Wording(422, "body.n: Input should be {expected}", "invalid_request"),
            Reason.bad_size: Wording(
                422, "body.size: Value error, size {value} out of supported range (64-2048 per side)", "invalid_request"
            ),
            Reason.bad_choice: Wording(422, "body.{name}: Input should be one of {expected}", "invalid_request"),
            Reason.bad_image: Wording(400, "image decode failed: '{value}'", "invalid_parameter"),
            Reason.failed: Wording(500, "internal server error; see server logs", "internal_error", "server_error"),
        },
        {
            Reason.bad_count: Wording(400, "n must be in [1, 10]", "invalid_parameter"),
            Reason.bad_size: Wording(400, "size {value} is not supported", "invalid_parameter"),
            Reason.no_image: Wording(422, "body.image: Field required", "invalid_request"),
            Reason.no_mask: Wording(422, "body.mask: Field required", "invalid_request"),
        },
    ),
    ("pil-test",),
    keys=Keys(()),
    fields=Fields(needs_model=True, max_prompt=4000, sizes=Sizes(default=(512, 512), sides=(64, 2048))),
    files=Files(Edits.form, names=("image",), inline=("image",), max_images=1, needs_mask=True, variations=True),
    answers=Answers(
        row={"revised_prompt": Fill.prompt},
        data_uris=True,
        model_row={
            "memory_gb": 0.2,
            "device": "cpu",
            "supports_img2img": True,
            "supports_inpainting": True,
            "supports_variations": True,
            "default_size": "256x256",
            "description": "Images of the simulator",
            "license": "none",
            "hf_repo": "local/pil-test",
            "modality": "image/generation",
            "object": "model",
            "created": 0,
            "owned_by": "local",
            "loaded": False,
            "last_loaded_at": None,
            "unservable_reason": None,
        },
    ),
    pages={"/health": {"status": "ok", "modalities": ["image/generation"], "models": ["pil-test"]}},
    one_at_a_time=True,
    idle_seconds=IDLE_SECONDS,
)

SELF_HOSTED: Mapping[str, Profile] = {
    "generic": _GENERIC,
    "localai": _LOCALAI,
    "stable-diffusion.cpp": _SD_CPP,
    "litellm": _LITELLM,
    "sglang": _SGLANG,
    "vllm-omni": _VLLM_OMNI,
    "ollama": _OLLAMA,
    "museq": _MUSEQ,
}
