"""An order as each kind of server with OpenAI's Images API, or a relative of it, gets it."""

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
from sora_proxy.upstream.openai_images.profiles import PROFILES, Wire, profile_of
from tests.submission import report

WHITE, BLACK, MASK = (InputImage(Path(f"{name}.png"), "") for name in ("white", "black", "mask"))
INPUTS = {image: Input(image.file.name.encode(), "image/png") for image in (WHITE, BLACK, MASK)}
URI = "data:image/png;base64,d2hpdGUucG5n"
URI_2 = "data:image/png;base64,YmxhY2sucG5n"


def order(profile: str, *images: InputImage, mask: InputImage | None = None, **fields: Any) -> Order:
    size, model = fields.pop("size", (1024, 1536)), fields.pop("model", "theirs")
    parameters, n, previews = fields.pop("parameters", {}), fields.pop("n", 1), fields.pop("previews", 0)
    spec = GenerationSpec("ours", "a fox", n=n, width=size[0], height=size[1], previews=previews)
    account = Account("id", "token")
    submission = Submission(spec, account, model, n, "attempt", parameters, images, mask, Path, report)
    return DIALECTS[PROFILES[profile].wire].order_of(submission, PROFILES[profile], INPUTS)


def fields_of(sent: Order) -> dict[str, Any]:
    """The fields of JSON, or the texts and the names of the files of a form."""
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
        "size": "1600x2368",
        "response_format": "b64_json",
        "watermark": False,
        "sequential_image_generation": "disabled",
    },
    "siliconflow": TEXT | {"image_size": "1024x1536"},
    "zhipu": TEXT | {"size": "1024x1536"},
    "localai": TEXT | {"size": "1024x1536", "response_format": "b64_json"},
    "stable-diffusion.cpp": TEXT | {"size": "1024x1536"},
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
def test_an_order_has_the_fields_of_its_server_and_no_others(profile: str) -> None:
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
def test_several_references_go_where_the_server_wants_them(profile: str) -> None:
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
def test_references_in_a_chat_are_parts_after_the_prompt(profile: str) -> None:
    (message,) = fields_of(order(profile, WHITE, BLACK))["messages"]
    images = [{"type": "image_url", "image_url": {"url": uri}} for uri in (URI, URI_2)]
    assert message == {"role": "user", "content": [{"type": "text", "text": "a fox"}, *images]}


def test_references_for_gemini_are_parts_with_the_types_of_their_bytes() -> None:
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
def test_gemini_gets_the_nearest_shape_and_a_size_only_where_the_model_has_several(
    model: str, size: tuple[int, int], config: dict[str, str]
) -> None:
    sent = order("gemini", model=model, size=size)
    assert fields_of(sent)["generationConfig"]["imageConfig"] == config
    assert sent.path == f"/models/{model}:generateContent"


def test_one_reference_and_a_mask_are_files_with_the_types_of_their_bytes() -> None:
    sent = order("openai", WHITE, mask=MASK)
    assert not isinstance(sent.body, bytes)
    files = [(each, headers) for each, headers, _ in sent.body._fields if "filename" in each]
    assert [(each["name"], each["filename"], headers["Content-Type"]) for each, headers in files] == [
        ("image", "image.png", "image/png"),
        ("mask", "image.png", "image/png"),
    ]
    assert fields_of(order("museq", WHITE, mask=MASK))["mask"] == "image.png"


def test_a_server_whose_edits_need_a_mask_gets_an_image_without_one_with_the_order() -> None:
    sent = order("museq", WHITE)
    assert (sent.path, fields_of(sent)) == ("/images/generations", PLAIN["museq"] | {"image": URI})


@pytest.mark.parametrize(
    ("profile", "n", "counted"),
    [("openai", 3, {"n": 3}), ("siliconflow", 2, {"batch_size": 2}), ("openai", 1, {})],
)
def test_the_number_of_images_has_the_servers_name(profile: str, n: int, counted: dict[str, int]) -> None:
    assert fields_of(order(profile, n=n)) == PLAIN[profile] | counted


def test_parameters_have_the_servers_names() -> None:
    assert fields_of(order("siliconflow", parameters={"steps": 9, "seed": 0})) == PLAIN["siliconflow"] | {
        "num_inference_steps": 9,
        "seed": 0,
    }


@pytest.mark.parametrize(("n", "streamed"), [(1, True), (2, False)])
def test_previews_are_streamed_for_one_image(n: int, streamed: bool) -> None:
    sent = fields_of(order("openai", n=n, previews=2))
    assert sent.get("stream", False) is streamed
    assert sent.get("partial_images") == (2 if streamed else None)
    assert "stream" not in fields_of(order("generic", previews=2))


@pytest.mark.parametrize(
    ("size", "ordered"),
    [
        ((1024, 1024), "1920x1920"),
        ((1920, 1920), "1920x1920"),
        ((2048, 1152), "2560x1472"),
        ((4096, 4096), "4096x4096"),
    ],
)
def test_an_order_for_too_few_pixels_is_made_larger_in_its_shape(size: tuple[int, int], ordered: str) -> None:
    assert fields_of(order("seedream", size=size))["size"] == ordered


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


def test_an_unknown_profile_is_the_operators_fault() -> None:
    with pytest.raises(ConfigurationError):
        profile_of("name", "http://localhost", "other")
