"""The orders that a server receives under each profile, which stands for OpenAI's Images API or a similar API."""

import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images.dialects import DIALECTS
from sora_proxy.upstream.openai_images.orders import Input, Order
from sora_proxy.upstream.openai_images.profiles import GPT_IMAGE_2_SIZES, PROFILES, SEEDREAM_SIZES, Wire, profile_of
from sora_proxy.upstream.sizes import SizeRule
from tests.submission import report

WHITE, BLACK, MASK = (InputImage(Path(f"{name}.png"), "") for name in ("white", "black", "mask"))
INPUTS = {image: Input(image.file.name.encode(), "image/png") for image in (WHITE, BLACK, MASK)}
URI = "data:image/png;base64,d2hpdGUucG5n"
URI_2 = "data:image/png;base64,YmxhY2sucG5n"


def order(profile: str, *images: InputImage, mask: InputImage | None = None, **fields: Any) -> Order:
    size, model = fields.pop("size", (1024, 1536)), fields.pop("model", "theirs")
    prompt = fields.pop("prompt", "a fox")
    parameters, n, previews = fields.pop("parameters", {}), fields.pop("n", 1), fields.pop("previews", 0)
    spec = GenerationSpec("ours", prompt, n=n, width=size[0], height=size[1], previews=previews)
    account = Account("id", "token")
    submission = Submission(spec, account, model, n, "attempt", parameters, images, mask, Path, report)
    return DIALECTS[PROFILES[profile].wire].order_of(submission, PROFILES[profile], INPUTS)


def fields_of(sent: Order) -> dict[str, Any]:
    """The fields of a JSON body, or the texts and the file names of a form."""
    if isinstance(sent.body, bytes):
        fields: dict[str, Any] = orjson.loads(sent.body)
        return fields
    return {headers["name"]: headers.get("filename", value) for headers, _, value in sent.body._fields}


TEXT = {"model": "theirs", "prompt": "a fox"}
CHAT = {"model": "theirs", "messages": [{"role": "user", "content": "a fox"}], "stream": False}
PLAIN: dict[str, dict[str, Any]] = {
    "generic": TEXT | {"size": "1024x1536"},
    "openai": TEXT | {"size": "1024x1536"},
    "azure": {"prompt": "a fox", "size": "1024x1536"},
    "xai": TEXT | {"aspect_ratio": "2:3", "response_format": "b64_json"},
    "seedream": TEXT
    | {
        "size": "1024x1536",
        "response_format": "b64_json",
        "watermark": False,
        "sequential_image_generation": "disabled",
    },
    "siliconflow": TEXT | {"image_size": "1024x1536"},
    "zhipu": TEXT | {"size": "1024x1536"},
    "localai": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "stable-diffusion.cpp": TEXT
    | {"size": "1024x1536", "prompt": 'a fox <sd_cpp_extra_args>{"seed":-1}</sd_cpp_extra_args>'},
    "litellm": TEXT | {"size": "1024x1536"},
    "sglang": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "vllm-omni": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "ollama": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "museq": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "openrouter": CHAT | {"modalities": ["image"], "image_config": {"aspect_ratio": "2:3"}},
    "chat": CHAT | {"modalities": ["image", "text"]},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "a fox"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "2:3"}},
    },
}
PATHS = {
    "azure": "/deployments/theirs/images/generations",
    "openrouter": "/chat/completions",
    "chat": "/chat/completions",
    "gemini": "/models/theirs:generateContent",
}


@pytest.mark.parametrize("profile", PROFILES)
def test_an_order_has_exactly_the_fields_of_its_profile(profile: str) -> None:
    sent = order(profile)
    assert fields_of(sent) == PLAIN[profile]
    assert sent.path == PATHS.get(profile, "/images/generations")


EDITS: dict[str, dict[str, Any]] = {
    "xai": {"images": [{"type": "image_url", "url": URI}, {"type": "image_url", "url": URI_2}]},
    "seedream": {"image": [URI, URI_2]},
    "siliconflow": {"image": URI, "image2": URI_2},
}


@pytest.mark.parametrize(
    "profile",
    [name for name, each in PROFILES.items() if each.abilities.max_references > 1 and each.wire is Wire.images],
)
def test_several_reference_images_are_sent_in_the_way_that_each_profile_requires(profile: str) -> None:
    sent = order(profile, WHITE, BLACK)
    by_route = profile not in ("seedream", "siliconflow")
    assert sent.path.endswith("/images/edits" if by_route else "/images/generations")
    if profile in EDITS:
        assert fields_of(sent) == PLAIN[profile] | EDITS[profile]
    else:
        assert not isinstance(sent.body, bytes)
        files = [(each["name"], value) for each, _, value in sent.body._fields if "filename" in each]
        assert files == [("image[]", b"white.png"), ("image[]", b"black.png")]


@pytest.mark.parametrize("profile", ["openrouter", "chat"])
def test_reference_images_in_a_chat_are_content_parts_after_the_prompt(profile: str) -> None:
    (message,) = fields_of(order(profile, WHITE, BLACK))["messages"]
    images = [{"type": "image_url", "image_url": {"url": uri}} for uri in (URI, URI_2)]
    assert message == {"role": "user", "content": [{"type": "text", "text": "a fox"}, *images]}


def test_reference_images_for_gemini_are_parts_with_their_media_types() -> None:
    (content,) = fields_of(order("gemini", WHITE, BLACK))["contents"]
    data = [{"inlineData": {"mimeType": "image/png", "data": each}} for each in ("d2hpdGUucG5n", "YmxhY2sucG5n")]
    assert content["parts"] == [{"text": "a fox"}, *data]


@pytest.mark.parametrize(
    ("model", "size", "config"),
    [
        ("gemini-2.5-flash-image", (4096, 4096), {"aspectRatio": "1:1"}),
        ("gemini-3.1-flash-lite-image", (4096, 4096), {"aspectRatio": "1:1"}),
        ("gemini-3-pro-image", (1024, 1024), {"aspectRatio": "1:1"}),
        ("gemini-3-pro-image", (2560, 1440), {"aspectRatio": "16:9", "imageSize": "2K"}),
        ("gemini-3-pro-image", (3072, 5504), {"aspectRatio": "9:16", "imageSize": "4K"}),
        ("gemini-3-pro-image", (3000, 1000), {"aspectRatio": "21:9", "imageSize": "2K"}),
    ],
)
def test_gemini_gets_the_nearest_shape_and_for_models_with_several_sizes_also_a_size(
    model: str, size: tuple[int, int], config: dict[str, str]
) -> None:
    sent = order("gemini", model=model, size=size)
    assert fields_of(sent)["generationConfig"]["imageConfig"] == config
    assert sent.path == f"/models/{model}:generateContent"


def test_a_reference_image_and_a_mask_are_sent_as_form_files_with_their_media_types() -> None:
    sent = order("openai", WHITE, mask=MASK)
    assert not isinstance(sent.body, bytes)
    files = [(each, headers) for each, headers, _ in sent.body._fields if "filename" in each]
    assert [(each["name"], each["filename"], headers["Content-Type"]) for each, headers in files] == [
        ("image", "image.png", "image/png"),
        ("mask", "image.png", "image/png"),
    ]
    assert fields_of(order("museq", WHITE, mask=MASK))["mask"] == "image.png"


def test_museq_gets_a_reference_image_without_a_mask_in_a_generation_request() -> None:
    sent = order("museq", WHITE)
    assert (sent.path, fields_of(sent)) == ("/images/generations", PLAIN["museq"] | {"image": URI})


@pytest.mark.parametrize(
    ("profile", "n", "counted"),
    [("openai", 3, {"n": 3}), ("siliconflow", 2, {"batch_size": 2}), ("openai", 1, {})],
)
def test_the_number_of_images_is_sent_under_the_servers_field_name(
    profile: str, n: int, counted: dict[str, int]
) -> None:
    assert fields_of(order(profile, n=n)) == PLAIN[profile] | counted


def test_parameters_are_sent_under_the_servers_field_names() -> None:
    assert fields_of(order("siliconflow", parameters={"steps": 9, "seed": 0})) == PLAIN["siliconflow"] | {
        "num_inference_steps": 9,
        "seed": 0,
    }


@pytest.mark.parametrize(("n", "streamed"), [(1, True), (2, False)])
def test_previews_are_requested_only_for_an_order_of_one_image(n: int, streamed: bool) -> None:
    sent = fields_of(order("openai", n=n, previews=2))
    assert sent.get("stream", False) is streamed
    assert sent.get("partial_images") == (2 if streamed else None)
    assert "stream" not in fields_of(order("generic", previews=2))


@pytest.mark.parametrize(
    ("profile", "model", "size", "ordered"),
    [
        ("seedream", "doubao-seedream-4-5", (1024, 1024), (2048, 2048)),
        ("seedream", "doubao-seedream-4-5", (1920, 1920), (1920, 1920)),
        ("seedream", "doubao-seedream-4-5", (2560, 1440), (2560, 1472)),
        ("seedream", "doubao-seedream-4-5", (1024, 1536), (1728, 2560)),
        ("seedream", "doubao-seedream-4-5", (4096, 4096), (4096, 4096)),
        ("seedream", "doubao-seedream-3-0-t2i", (1024, 1024), (1024, 1024)),
        ("openai", "gpt-image-2", (1024, 1024), (1024, 1024)),
        ("openai", "gpt-image-2.5-flare", (512, 512), (816, 816)),
        ("openai", "gpt-image-2", (8192, 4096), (3840, 1920)),
        ("openai", "gpt-image-2", (3840, 3840), (2880, 2880)),
        ("openai", "gpt-image-2", (1000, 1000), (1008, 1008)),
        ("openai", "gpt-image-2", (4000, 500), (2464, 832)),
        ("openai", "gpt-image-1-mini", (1000, 1000), (1024, 1024)),
        ("museq", "any", (32, 32), (64, 64)),
        ("museq", "any", (4096, 1024), (2048, 512)),
        ("stable-diffusion.cpp", "sd-cpp-local", (100, 100), (128, 128)),
        ("generic", "any", (100, 101), (100, 101)),
    ],
)
def test_a_size_that_a_model_cannot_make_becomes_the_nearest_possible_size(
    profile: str, model: str, size: tuple[int, int], ordered: tuple[int, int]
) -> None:
    assert PROFILES[profile].capabilities.of(model).size_for(size) == ordered


@pytest.mark.parametrize(
    "rule", [GPT_IMAGE_2_SIZES, SEEDREAM_SIZES, SizeRule(64, max_side=4096), SizeRule(min_side=64)]
)
def test_every_size_is_adjusted_to_satisfy_the_size_rule_of_the_model(rule: SizeRule) -> None:
    sides = (1, 7, 64, 100, 333, 512, 1000, 1024, 1536, 2047, 3840, 4096, 10000, 16384)
    for size in itertools.product(sides, sides):
        width, height = made = rule.nearest(size)
        assert width % rule.step == height % rule.step == 0, (size, made)
        assert rule.min_side <= min(made), (size, made)
        assert max(made) <= rule.max_side, (size, made)
        assert max(made) <= min(made) * rule.max_ratio, (size, made)
        assert rule.min_pixels <= width * height <= rule.max_pixels, (size, made)
        assert rule.nearest(made) == made, (size, made)


def test_parameters_for_stable_diffusion_cpp_are_sent_in_the_prompt() -> None:
    sent = fields_of(order("stable-diffusion.cpp", parameters={"seed": 5, "negative_prompt": END}))
    assert sent["prompt"].startswith(f"a fox {TAG}{{")
    assert sent["prompt"].count(END) == 1
    settings = sent["prompt"].removeprefix(f"a fox {TAG}").removesuffix(END)
    assert orjson.loads(settings) == {"seed": 5, "negative_prompt": END}
    assert sent.keys() == PLAIN["stable-diffusion.cpp"].keys()


TAG, END = "<sd_cpp_extra_args>", "</sd_cpp_extra_args>"


@pytest.mark.parametrize(
    "prompt",
    [
        f'a {TAG}{{"width":8}}{END}fox',
        f"a fox {TAG}unfinished",
        f"a <sd_cpp_{TAG}{END}extra_args>{{}}{END}fox",
        f"a {TAG.upper()}\n{END.upper()}fox",
        f"a {END}fox",
        f"a <sd_cpp_extra_args{END}{END}>fox{END}",
    ],
)
def test_a_prompt_cannot_change_the_settings_of_stable_diffusion_cpp(prompt: str) -> None:
    sent = fields_of(order("stable-diffusion.cpp", prompt=prompt))["prompt"]
    words = sent.removesuffix(f'{TAG}{{"seed":-1}}{END}')
    assert words != sent
    assert "sd_cpp_extra_args>" not in words.lower()


def test_a_negative_prompt_for_localai_is_appended_to_the_prompt() -> None:
    sent = fields_of(order("localai", parameters={"negative_prompt": "snow"}))
    assert sent == PLAIN["localai"] | {"prompt": "a fox|snow"}


@pytest.mark.parametrize(
    ("url", "in_path"),
    [
        ("https://mine.openai.azure.com/openai", True),
        ("https://mine.openai.azure.com/openai/v1", False),
        ("https://mine.services.ai.azure.com/openai/v1", False),
    ],
)
def test_the_address_decides_whether_azure_gets_the_deployment_in_the_path(url: str, in_path: bool) -> None:
    profile = profile_of("name", url, "azure")
    assert (profile.deployment_in_path, bool(profile.query)) == (in_path, in_path)
    assert profile.key_header == "api-key"


@pytest.mark.parametrize(
    ("url", "profile"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai", "azure"),
        ("https://ark.cn-beijing.volces.com/api/v3", "seedream"),
        ("https://api.x.ai/v1", "xai"),
        ("https://api.siliconflow.cn/v1", "siliconflow"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://generativelanguage.googleapis.com/v1beta", "gemini"),
        ("https://notapi.openai.com.example.com/v1", "generic"),
        ("https://evilapi.x.ai.example/v1", "generic"),
        ("http://localhost:8080/v1", "generic"),
    ],
)
def test_a_server_is_recognised_by_its_host_unless_a_profile_is_chosen(url: str, profile: str) -> None:
    assert profile_of("name", url, None) is PROFILES[profile]
    assert profile_of("name", url, "museq") is PROFILES["museq"]


def test_an_unknown_profile_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        profile_of("name", "http://localhost", "other")
