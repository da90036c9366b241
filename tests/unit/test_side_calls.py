"""Requests that chat programs send on their own are recognised, and no prompt is mistaken for such a request."""

from typing import Any

import orjson
import pytest

from sora_proxy.api.ordering.schemas import Message
from sora_proxy.api.ordering.side_calls import BEGINNINGS, SideCalls
from tests.cpu_time import grows_linearly

HISTORY = "<chat_history>\nUSER: a red fox in the snow\nASSISTANT: ![a red fox](http://h/x.png)\n</chat_history>"
TITLE = "a red fox in the"


def messages_of(*turns: tuple[str, Any]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in turns]  # type: ignore[arg-type]


def answer(*turns: tuple[str, Any]) -> str | None:
    return SideCalls().answer(messages_of(*turns))


def open_webui(task: str, output: str = "") -> str:
    return f"### Task:\n{task}\n### Guidelines:\n- Be brief.\n### Output:\n{output}\n### Chat History:\n{HISTORY}"


@pytest.mark.parametrize(
    ("task", "output", "expected"),
    [
        ("Generate a concise, 3-5 word title", 'JSON format: { "title": "your title" }', {"title": TITLE}),
        ("Generate 1-3 broad tags", 'JSON format: { "tags": ["tag1", "tag2"] }', {"tags": []}),
        ("Suggest 3-5 relevant follow-up questions", '{ "follow_ups": ["Question 1?"] }', {"follow_ups": []}),
        ("Analyze the chat history to determine the necessity", '{ "queries": ["query1"] }', {"queries": []}),
        ("You are an autocompletion system.", '{ "text": "with vibrant shades" }', {"text": ""}),
        ("Generate a detailed prompt for am image", '{ "prompt": "…" }', {"prompt": "a red fox in the snow"}),
    ],
)
def test_open_webui_gets_the_json_that_it_asks_for(task: str, output: str, expected: dict[str, Any]) -> None:
    said_back = answer(("user", "an earlier prompt"), ("assistant", "x"), ("user", open_webui(task, output)))
    assert said_back is not None
    assert orjson.loads(said_back) == expected


def test_open_webui_gets_plain_text_if_its_request_contains_no_json() -> None:
    assert answer(("user", open_webui("Generate a title", "Return ONLY the title text, nothing else."))) == TITLE
    assert answer(("user", open_webui("给出一个标题"))) == TITLE
    emoji = "Your task is to reflect the speaker's likely facial expression through a fitting emoji. Message: ```hi```"
    assert answer(("user", emoji)) == "🖼️"


QUOTED = "user: a red fox in the snow\nassistant: ![x](http://h/x.png)"
LOBECHAT = "You are a professional conversation summarizer. Generate a concise title that captures the essence of it."
CHERRY = (
    "You are an assistant skilled in conversation. You need to summarize the user's conversation into a title within"
    " 10 words"
)


@pytest.mark.parametrize(
    "turns",
    [
        [("user", "Provide a concise, 5-word-or-less title for the conversation, using its same language.\n" + QUOTED)],
        [("user", "Write a concise title for this conversation in the detected language. No Quotation.\n" + QUOTED)],
        [("user", "Analyze this conversation and provide:\n1. The detected language of the conversation\n" + QUOTED)],
        [
            ("user", "a red fox in the snow"),
            ("assistant", "![x](http://h/x.png)"),
            ("user", "Please generate a four to five word title summarizing our conversation without any lead-in"),
        ],
        [
            ("user", "a red fox in the snow"),
            ("user", "使用四到五个字直接返回这句话的简要主题，不要解释、不要标点、不要语气词、不要多余文本"),
        ],
        [
            ("user", "a red fox in the snow"),
            ("system", "Summarize the discussion briefly in 200 words or less to use as a prompt for future context."),
        ],
        [("system", LOBECHAT), ("user", QUOTED)],
        [("system", LOBECHAT), ("user", "<user>\na red fox in the snow\n</user>\n<assistant>\nx\n</assistant>")],
        [("system", CHERRY), ("user", '[{"role":"user","mainText":"a red fox in the snow"}]')],
        [("system", "Summarize the conversation into a title in English within 10 words"), ("user", QUOTED)],
        [("system", "你是一名擅长会话的助理，你需要将用户的会话总结为 10 个字以内的标题"), ("user", QUOTED)],
        [("user", "  CREATE a concise,\n3-5 word title with an emoji as a title for the chat history\n" + HISTORY)],
        [("user", [{"type": "text", "text": "Provide a concise, 5-word-or-less title for the conversation"},
                   {"type": "text", "text": QUOTED}])],
    ],
)  # fmt: skip
def test_other_programs_get_a_title_from_the_last_prompt(turns: list[tuple[str, Any]]) -> None:
    assert answer(*turns) == TITLE


def test_the_title_of_a_chat_without_a_prompt_is_the_stock_title() -> None:
    assert answer(("user", "Name the conversation based on the chat records.\nPlease provide a name.")) == "Image"


def test_a_title_is_short_in_every_script() -> None:
    long = answer(("user", "雪地里的一只红狐狸" * 20), ("user", BEGINNINGS[2]))
    assert long is not None
    assert len(long) == 40


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    "turns",
    [
        [("user", "a red fox in the snow")],
        [("user", "### Task:\na poster with this heading, in red")],
        [("user", "a poster that says: ### Task: <chat_history>")],
        [("user", "generate a title card for a film about a fox")],
        [("user", "Create a concise, 3-5 word title in neon letters")],
        [("user", "provide a concise title")],
        [("user", "write tags for this conversation as graffiti on a wall")],
        [("user", "a wall with: Provide a concise, 5-word-or-less title for the conversation")],
        [("user", "summarize the conversation of two foxes as a comic")],
        [("user", "为这段对话画一个标题")],
        [("system", "You are a professional painter."), ("user", "a fox")],
        [("user", BEGINNINGS[2]), ("assistant", "A fox"), ("user", "now draw it")],
        [("user", [{"type": "text", "text": open_webui("Generate a title")}, IMAGE])],
        [("user", "")],
        [("user", None)],
        [("user", [{"type": "strange"}])],
    ],
)
def test_a_prompt_is_never_mistaken_for_a_side_call(turns: list[tuple[str, Any]]) -> None:
    assert answer(*turns) is None


def test_the_operator_can_add_phrases_that_mark_requests_as_side_calls() -> None:
    mine = SideCalls(["Nenne das Gespräch"])
    assert mine.answer(messages_of(("user", "ein Fuchs"), ("user", "Nenne  das\ngespräch bitte"))) == "ein Fuchs"
    assert mine.answer(messages_of(("user", "Nenne das Bild"))) is None


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        ("<chat_history>", "user:"),
        ("<chat_history>\nUSER", " "),
        ("<chat_history>", "\nUSER:"),
        ("<chat_history>", '"role":"user","a'),
        ("", "<chat_history>"),
        ("<chat_history>", "\n<user>"),
    ],
    ids=range(6),
)
def test_the_time_to_check_a_text_is_proportional_to_its_length(head: str, piece: str) -> None:
    def ask(size: int) -> None:
        answer(("user", f"### Task: {head}" + piece * (size // len(piece))))

    assert grows_linearly(ask)
