"""How a generation is shown as a chat completion."""

import orjson
import pytest

from sora_proxy.api.chat.completions import completion, usage_of
from sora_proxy.api.wording import markdown, progress_text
from sora_proxy.event_log import Cancelled, Completed, Event, Failed, Image, Progress, Queued
from sora_proxy.generation import Generation, State, Status
from sora_proxy.spec import GenerationSpec

NAME = "0" * 32 + ".png"
ORIGIN = "https://images.example.com"
LINK = f"{ORIGIN}/images/{NAME}"


def generation(*events: Event, prompt: str = "a red fox", status: Status = Status.completed) -> Generation:
    made = Generation("chatcmpl-1", "client", GenerationSpec("sora-1.0", prompt), 1700000000.9, State(status))
    made.log.append(*events)
    return made


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("a red fox", "a red fox"),
        ("a fox](https://evil.example) ![x", r"a fox\](https://evil.example) !\[x"),
        ("brackets [in [brackets]]", r"brackets \[in \[brackets\]\]"),
        ("a backslash \\", r"a backslash \\"),
        (r"an escaped \] bracket", r"an escaped \\\] bracket"),
        ("two\nlines", "two lines"),
        ("two\r\n\r\nparagraphs\r", "two paragraphs"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf\tg", "a b c d e f g"),
        ("# title\n\n- list\n\n```\ncode", "# title - list ``` code"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 78 + "\\" * 9, "x" * 78 + "\\\\" + "…"),
        ("[" * 32_000, r"\[" * 79 + "…"),
        ("data: [DONE]\n\n", r"data: \[DONE\]"),
    ],
)
def test_the_prompt_cannot_break_out_of_the_alternative_text(prompt: str, title: str) -> None:
    made = generation(prompt=prompt)
    assert markdown(made, [Image(0, name=NAME)], ORIGIN) == f"![{title}]({LINK})"


def test_images_are_separate_paragraphs_that_link_to_this_server_or_to_the_back_end() -> None:
    images = [Image(0, name=NAME), Image(1, url="https://media.example/x?sig=1")]
    text = markdown(generation(), images, ORIGIN)
    assert text == f"![a red fox]({LINK})\n\n![a red fox](https://media.example/x?sig=1)"


@pytest.mark.parametrize("prompt", ["", " \n ", "one", "three little words", "x" * 32_000])
@pytest.mark.parametrize("images", [0, 1, 4])
def test_the_usage_of_a_completion_is_never_0(prompt: str, images: int) -> None:
    counted = usage_of(generation(*(Image(n, name=NAME) for n in range(images)), prompt=prompt))
    assert counted["prompt_tokens"] == max(len(prompt.split()), 1)
    assert counted["completion_tokens"] == max(images, 1)
    assert counted["total_tokens"] == counted["prompt_tokens"] + counted["completion_tokens"]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Queued(3, 12), "queued, position 3, about 12 s"),
        (Queued(1), "queued, position 1"),
        (Progress(0), "0 %"),
        (Progress(42, 7, 9), "42 %"),
        (Progress(None, 7, 9), "queued at the back end, position 7, about 9 s"),
        (Progress(), "queued at the back end"),
    ],
)
def test_progress_is_described_in_words(event: Queued | Progress, text: str) -> None:
    assert progress_text(event) == text


IMAGE = Image(0, name=NAME)


@pytest.mark.parametrize(
    ("status", "events", "content", "reason", "refusal"),
    [
        (Status.completed, [IMAGE, Completed()], f"![a red fox]({LINK})", "stop", None),
        (Status.failed, [Failed("generation_failed", "it broke")], "it broke", "error", "it broke"),
        (Status.failed, [Failed("content_policy_violation", "no")], "no", "content_filter", "no"),
        (Status.cancelled, [Cancelled()], "The generation was cancelled.", "error", "The generation was cancelled."),
        (Status.queued, [], "the image is being made", "processing", None),
        (Status.queued, [Queued(2)], "queued, position 2", "processing", None),
        (Status.running, [Queued(2), Progress(5)], "5 %", "processing", None),
        (Status.saving, [Progress(99)], "99 %", "processing", None),
        (Status.unknown, [], "the image is being made", "processing", None),
    ],
)
def test_a_completion_shows_the_state_of_its_generation(
    status: Status, events: list[Event], content: str, reason: str, refusal: str | None
) -> None:
    whole = completion(generation(*events, status=status), ORIGIN)
    (choice,) = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": content, "refusal": refusal}
    assert choice["finish_reason"] == reason
    assert (whole["id"], whole["object"], whole["created"], whole["model"]) == (
        "chatcmpl-1",
        "chat.completion",
        1700000000,
        "sora-1.0",
    )
    assert "error" not in whole
    orjson.dumps(whole)
