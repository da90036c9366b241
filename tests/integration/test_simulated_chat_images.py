"""Simulated servers whose images are in chat answers, or in Gemini's contents."""

import base64
import hashlib
from typing import Any

import pytest

from sora_proxy.simulator.images.catalogue import PROFILES
from tests.simulated_images import KEY, Answer, headers_of, looked_at, png, simulated

RED = png("red")


def chat(profile: str, **fields: Any) -> dict[str, Any]:
    content = [
        {"type": "text", "text": "a red fox"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(RED).decode()}"}},
    ]
    return {"model": PROFILES[profile].models[0], "messages": [{"role": "user", "content": content}], **fields}


def choices_of(answer: Answer, *, stream: bool) -> list[Any]:
    return [choice for event in answer.events for choice in event["choices"]] if stream else answer.json["choices"]


def image_in(text: str) -> bytes:
    return base64.b64decode(text.partition("base64,")[2].rstrip(")"), validate=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_openrouter_puts_images_next_to_the_text(stream: bool) -> None:
    async with simulated("openrouter") as server:
        url, body = f"{server.url}/chat/completions", chat("openrouter", stream=stream, modalities=["image", "text"])
        answer = await server.call("POST", url, json=body)
        choices = (
            [choice for event in answer.events for choice in event["choices"]] if stream else answer.json["choices"]
        )
        said = [choice["delta" if stream else "message"] for choice in choices]
        (image,) = [image for each in said for image in each.get("images", [])]
        assert image["type"] == "image_url"
        assert looked_at(image_in(image["image_url"]["url"])) == ("PNG", (1024, 1024))
        assert choices[-1]["finish_reason"] == "stop"
        assert (answer.body.startswith(b":"), answer.body.endswith(b"[DONE]\n\n")) == (stream, stream)
        (noted,) = (await server.stats())["requests"]
        assert [file["sha256"] for file in noted["files"]] == [hashlib.sha256(RED).hexdigest()]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_markdown_profile_puts_images_into_the_text(stream: bool) -> None:
    async with simulated("markdown") as server:
        url = f"{server.url}/chat/completions"
        answer = await server.call("POST", url, json=chat("markdown", stream=stream))
        choices = (
            [choice for event in answer.events for choice in event["choices"]] if stream else answer.json["choices"]
        )
        content = "".join(choice["delta" if stream else "message"].get("content", "") for choice in choices)
        assert "![image](data:image/png;base64," in content
        assert looked_at(image_in(content)) == ("PNG", (1024, 1024))
        await server.fault("link")
        linked = (await server.call("POST", url, json=chat("markdown"))).json["choices"][0]["message"]["content"]
        address = linked.partition("](")[2].rstrip(")")
        assert looked_at((await server.call("GET", address)).body)[0] == "PNG"
        await server.fault("words", text="No.")
        refused = (await server.call("POST", url, json=chat("markdown"))).json["choices"][0]["message"]
        assert refused == {"role": "assistant", "content": "No."}


def content(**config: Any) -> dict[str, Any]:
    parts = [{"text": "a fox"}, {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(RED).decode()}}]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


async def test_gemini_puts_the_image_into_a_part() -> None:
    async with simulated("gemini", key=KEY) as server:
        url, headers = f"{server.url}/models/gemini-2.5-flash-image:generateContent", headers_of("gemini")
        answer = await server.call("POST", url, json=content(imageConfig={"aspectRatio": "16:9"}), headers=headers)
        (candidate,) = answer.json["candidates"]
        (part,) = candidate["content"]["parts"]
        assert (candidate["finishReason"], part["inlineData"]["mimeType"]) == ("STOP", "image/png")
        assert looked_at(base64.b64decode(part["inlineData"]["data"])) == ("PNG", (1360, 768))
        many = await server.call("POST", url, json=content(candidateCount=2), headers=headers)
        assert (many.status, many.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        listed = await server.call("GET", f"{server.url}/models", headers=headers)
        assert listed.json["models"][0]["name"] == "models/gemini-2.5-flash-image"


async def test_the_gemini_profile_refuses_with_its_own_codes() -> None:
    async with simulated("gemini") as server:
        url, headers = f"{server.url}/models/gemini-2.5-flash-image:generateContent", headers_of("gemini")
        await server.fault("finish_reason", reason="NO_IMAGE")
        await server.fault("block_reason")
        await server.fault("rate_limited", seconds=3.3)
        await server.fault("wrong_type", type="image/jpeg")
        answers = [await server.call("POST", url, json=content(), headers=headers) for _ in range(4)]
        assert answers[0].json["candidates"][0]["finishReason"] == "NO_IMAGE"
        assert answers[1].json["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
        error = answers[2].json["error"]
        assert (answers[2].status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert error["details"][0]["retryDelay"] == "3.3s"
        part = answers[3].json["candidates"][0]["content"]["parts"][0]["inlineData"]
        assert part["mimeType"] == "image/jpeg"
        assert looked_at(base64.b64decode(part["data"]))[0] == "PNG"
