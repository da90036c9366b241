"""Servers that return the image in a chat answer, or in an answer of Google's Gemini."""

import base64
from typing import Any

from aiohttp import web

from tests.contract.openai_server import OpenAIServer
from tests.contract.received import File, Received


class ChatServer(OpenAIServer):
    """OpenRouter, whose answers have images as data URIs in a separate list."""

    model, options = "google/gemini-2.5-flash-image", {"profile": "openrouter"}
    order_paths = ("/chat/completions",)
    shows_previews, single_calls = False, True
    key_works = True

    def routes(self, app: web.Application) -> None:
        super().routes(app)
        app.router.add_get("/key", self._key)

    async def _key(self, _request: web.Request) -> web.Response:
        error = {"error": {"code": 401, "message": "User not found."}}
        return web.json_response({"data": {}}) if self.key_works else web.json_response(error, status=401)

    async def _models(self, request: web.Request) -> web.Response:
        made = {self.model: ["image", "text"], "black-forest-labs/flux.2-pro": ["image"], "openai/gpt-5": ["text"]}
        rows = [{"id": name, "architecture": {"output_modalities": each}} for name, each in made.items()]
        listed = request.query.get("output_modalities") == "image"  # without this parameter, models are missing
        return web.json_response({"data": rows if listed else []}, status=self.models_status)

    def prompt_in(self, body: dict[str, Any]) -> str:
        content = body["messages"][0]["content"]
        return str(content if isinstance(content, str) else content[0]["text"])

    def refusal(self) -> web.Response:
        error = {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "a fox"}}
        return web.json_response({"error": error}, status=403)

    def with_images(self, images: list[str]) -> dict[str, Any]:
        parts = [image_part(f"data:image/gif;base64,{image}") for image in images]
        return in_chat({"content": "Here it is.", "images": parts})

    async def _read(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        content = body["messages"][0]["content"]
        parts = content[1:] if isinstance(content, list) else []
        self.received = Received([_file(part["image_url"]["url"]) for part in parts])
        return body


class GeminiServer(OpenAIServer):
    """Google's Gemini API."""

    model, options = "gemini-3-pro-image", {"profile": "gemini"}
    order_paths = ("/models/{call:[^/]+:generateContent}",)
    key_header = "x-goog-api-key"
    shows_previews, single_calls = False, True

    async def _models(self, request: web.Request) -> web.Response:
        assert request.query["pageSize"] == "1000"
        methods = {self.model: ["generateContent"], "gemini-3-pro": ["generateContent"], "imagen-4.0": ["predict"]}
        rows = [{"name": f"models/{name}", "supportedGenerationMethods": each} for name, each in methods.items()]
        return web.json_response({"models": rows}, status=self.models_status)

    def prompt_in(self, body: dict[str, Any]) -> str:
        return str(body["contents"][0]["parts"][0]["text"])

    def refusal(self) -> web.Response:
        return web.json_response({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})

    def with_images(self, images: list[str]) -> dict[str, Any]:
        return by_gemini([inline_part(image) for image in images])

    async def _read(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        inline = [part["inlineData"] for part in body["contents"][0]["parts"][1:]]
        self.received = Received([(each["mimeType"], base64.b64decode(each["data"])) for each in inline])
        return body


def image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def inline_part(image: str, **fields: Any) -> dict[str, Any]:
    """A part whose declared type differs from the type of its bytes."""
    return {"inlineData": {"mimeType": "image/png", "data": image}} | fields


def in_chat(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An answer of chat completions."""
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": "stop"}
    return {"id": "gen-1", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1290}} | fields


def by_gemini(parts: list[dict[str, Any]], reason: str = "STOP") -> dict[str, Any]:
    """An answer of generateContent."""
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 1290, "totalTokenCount": 1297}
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage}


def _file(data_uri: str) -> File:
    kind, _, data = data_uri.removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)
