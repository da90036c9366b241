"""Side calls: requests that chat programs make for themselves, such as a request for the title of a conversation.

An image would be useless and would cost money, so this server answers side calls itself. They are recognized by their
first words, which are typical of each program; all other texts are prompts. No step reads a text more than once, so
even long texts take little time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import orjson

from sora_proxy.api.ordering.prompts import shows_image, text_of
from sora_proxy.api.ordering.schemas import Message

BEGINNINGS = (
    # Open WebUI; in newer versions all side calls begin with TASK
    "Create a concise, 3-5 word title with an emoji as a title for",
    "Your task is to reflect the speaker's likely facial expression through a fitting emoji",
    # LibreChat
    "Provide a concise, 5-word-or-less title for the conversation",
    "Write a concise title for this conversation in the detected language",
    "Analyze this conversation and provide: 1. The detected language",
    "Please generate a concise title (max 40 characters) for a conversation that starts with",
    # NextChat: the title, then the summary for later context
    "Please generate a four to five word title summarizing our conversation",
    "使用四到五个字直接返回这句话的简要主题",
    "Summarize the discussion briefly in 200 words or less to use as a prompt for future context",
    "简要总结一下对话内容，用作后续的上下文提示 prompt",
    # LobeChat and Cherry Studio
    "You are a professional conversation summarizer. Generate a concise title",
    "You are an assistant skilled at conversations. You need to summarize the user's conversation into a title",
    "You are an assistant skilled in conversation. You need to summarize the user's conversation into a title",
    "Summarize the conversation into a title in",
    "你是一名擅长会话的助理，你需要将用户的会话总结为",
    # Chatbox
    "Name the conversation based on the chat records",
)
TASK, HISTORY = "### task:", "<chat_history>"  # every task of Open WebUI contains both texts
MAX_BEGINNING_LENGTH = 400
EMOJI, ANY_EMOJI = "your task is to reflect the speaker's", "🖼️"

# A quoted conversation: `USER: …` on a line, `<user>` before a line, or JSON.
QUOTED_PROMPT = re.compile(
    r'^[ \t]*(?:USER|Human)[ \t]*:[ \t]*(\S.*)$|^<user>\n(.+)$|"role":"user","\w+":"([^"\\]+)',
    re.IGNORECASE | re.MULTILINE,
)
TITLE_WORDS, TITLE_LENGTH = 5, 40
UNTITLED = "Image"


class SideCalls:
    """Recognizes and answers side calls. `more` are the beginnings of further side calls, as configured by the
    operator."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._beginnings = tuple(_plain(beginning) for beginning in (*BEGINNINGS, *more))

    def answer(self, messages: Sequence[Message]) -> str | None:
        """The answer to a side call; None if the messages are an order."""
        last = messages[-1]
        if shows_image(last):
            return None
        text = text_of(last)
        if self._is_side_call(text):
            return _answer(text, [*_prompts([text]), *_user_prompts(messages[:-1])])
        instruction = text_of(messages[0]) if messages[0].role in ("system", "developer") else ""
        if instruction and self._is_side_call(instruction):
            return _answer(instruction, [*_prompts([text, instruction]), *_user_prompts(messages)])
        return None

    def _is_side_call(self, text: str) -> bool:
        beginning = _plain(text)
        return beginning.startswith(self._beginnings) or (beginning.startswith(TASK) and HISTORY in text)


def _answer(instruction: str, prompts: Sequence[str]) -> str:
    """The answer in the format that the instruction demands: JSON if the instruction contains a known key, else plain
    text."""
    prompt = prompts[0] if prompts else ""
    wanted = instruction.rpartition(HISTORY)[0] or instruction
    title = _title(prompt)
    values = {"follow_ups": [], "tags": [], "queries": [], "title": title, "prompt": prompt, "text": ""}
    for key, value in values.items():
        if f'"{key}"' in wanted:
            return orjson.dumps({key: value}).decode()
    return ANY_EMOJI if _plain(instruction).startswith(EMOJI) else title


def _prompts(texts: Iterable[str]) -> Iterator[str]:
    """The last prompt quoted in each text."""
    for text in texts:
        found = [next(filter(None, groups)) for groups in QUOTED_PROMPT.findall(text.rpartition(HISTORY)[2])]
        yield from found[-1:]


def _user_prompts(messages: Sequence[Message]) -> Iterator[str]:
    """The texts of the user, the latest first."""
    yield from (text for message in reversed(messages) if message.role == "user" and (text := text_of(message)))


def _title(prompt: str) -> str:
    """The first words of a prompt, as a title."""
    words = " ".join(prompt[:1000].split()[:TITLE_WORDS])
    return (words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…") or UNTITLED


def _plain(text: str) -> str:
    """The first characters of a text in lower case, with single spaces."""
    return " ".join(text[:MAX_BEGINNING_LENGTH].split()).lower()
