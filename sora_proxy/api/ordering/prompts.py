"""Finds the prompt and the images of a conversation, in all the forms in which clients send them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, Message
from sora_proxy.orders.conversations import MessageText

DATA_URI = "data:image/"
MAX_STORED_LENGTH = 2 * MAX_PROMPT_LENGTH  # the limit on a stored conversation, in characters
# A data URI inside a text ends at the first character that it can't contain.
DATA_URI_END = re.compile(r"[^A-Za-z0-9+/=:;,._-]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. `images` are data URIs or http(s) addresses, in sequence."""

    text: str
    images: tuple[str, ...] = ()


def prompt_of(messages: list[Message]) -> Prompt:
    """The prompt of a conversation: its last user message; if there is none, the last message that has text.

    Raises ClientError.
    """
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    last = last or next((message for message in reversed(messages) if _text(message)), messages[-1])
    texts, images = _split(last)
    text = "\n".join(part for part in (piece.strip() for piece in texts) if part)
    if not text:
        raise ClientError("The last user message must contain text, which is used as the prompt.", param="messages")
    if len(text) > MAX_PROMPT_LENGTH:
        raise ClientError(f"The prompt is longer than {MAX_PROMPT_LENGTH} characters.", param="messages")
    return Prompt(text, tuple(images))


def texts_of(messages: list[Message]) -> list[MessageText]:
    """The texts of a conversation, to be stored. If the conversation is too long, only its last texts are returned."""
    texts: list[MessageText] = []
    left = MAX_STORED_LENGTH
    for message in reversed(messages):
        text = text_of(message)[:MAX_PROMPT_LENGTH]
        left -= len(text)
        if left < 0:
            break
        texts.append(MessageText(message.role, text))
    return texts[::-1]


def text_of(message: Message) -> str:
    """A message's text, or an empty string if it can't be read: messages other than the prompt may have parts of any
    kind."""
    try:
        return _text(message)
    except ClientError:
        return ""


def shows_image(message: Message) -> bool:
    """Whether a message contains an image."""
    try:
        return bool(_split(message)[1])
    except ClientError:
        return False


def _text(message: Message) -> str:
    return "\n".join(_split(message)[0]).strip()


def _split(message: Message) -> tuple[list[str], list[str]]:
    """The texts and the images of one message."""
    texts: list[str] = []
    images: list[str] = []
    for kind, value in _pieces(message.content):
        if kind == "image":
            images.append(value)
            continue
        text, found = _cut_data_uris(value)
        texts.append(text)
        images.extend(found)
    return texts, images


def _pieces(content: Any) -> Iterator[tuple[str, str]]:
    if content is None:
        return
    if isinstance(content, str):
        yield "text", content
        return
    if not isinstance(content, list):
        raise ClientError("A message's content must be a string or a list of parts.", param="messages")
    for part in content:
        yield _piece(part)


def _piece(part: Any) -> tuple[str, str]:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text" | "input_text" | "output_text":
            value = part.get("text")
        case "image_url" | "input_image":
            value, kind = part.get("image_url"), "image"
            value = value.get("url") if isinstance(value, dict) else value
        case "file":
            file = part.get("file")
            value, kind = file.get("file_data") if isinstance(file, dict) else None, "image"
        case _:
            raise ClientError("A part of a message has an unsupported type.", param="messages")
    if not isinstance(value, str):
        raise ClientError(
            "A message part lacks the content of its type, such as the field 'text' or 'image_url'.", param="messages"
        )
    return kind, value


def _cut_data_uris(text: str) -> tuple[str, list[str]]:
    """Separate a text from the data URIs in it. Older clients send their images as data URIs in a text."""
    words, uris, at = [], [], 0
    while (start := text.find(DATA_URI, at)) >= 0:
        end = DATA_URI_END.search(text, start)
        words.append(text[at:start])
        # Punctuation that ends a sentence is not part of the data URI.
        uris.append(text[start : end.start() if end else len(text)].rstrip(".,:;"))
        at = start + len(uris[-1])
    return "".join([*words, text[at:]]), uris
