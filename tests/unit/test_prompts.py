"""The prompt and the images of a conversation, in every form that clients send."""

import contextlib
from typing import Any

import pytest

from sora_proxy.api.http.answers import error_response
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.prompts import Prompt, prompt_of
from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, Message
from tests.cpu_time import grows_linearly

URI = "data:image/png;base64,iVBORw0KGgo+/AAAA=="
ADDRESS = "https://images.example.com/fox.png?a=b#c"


def of(*messages: tuple[str, Any] | dict[str, Any]) -> Prompt:
    return prompt_of(
        [
            Message.model_validate(each if isinstance(each, dict) else {"role": each[0], "content": each[1]})
            for each in messages
        ]
    )


def refusal(*messages: tuple[str, Any]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        of(*messages)
    assert error_response(caught.value).status == 400
    assert caught.value.param == "messages"
    return caught.value


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([("user", "a fox")], "a fox"),
        ([("user", "  a fox\n")], "a fox"),
        ([("user", "a wolf"), ("assistant", "![wolf](x)"), ("user", "a fox")], "a fox"),
        ([("user", "a fox"), ("assistant", "here it is")], "a fox"),
        ([("system", "be brief"), ("user", "a fox")], "a fox"),
        ([("developer", "a fox")], "a fox"),
        ([("system", "a fox"), ("assistant", None)], "a fox"),
        ([("developer", "a wolf"), ("system", "a fox"), ("tool", "")], "a fox"),
        ([("assistant", "a fox"), ("function", None)], "a fox"),
        ([("user", [{"type": "text", "text": "a"}, {"type": "input_text", "text": " fox "}])], "a\nfox"),
        ([("user", [{"type": "text", "text": ""}, {"type": "text", "text": "a fox"}])], "a fox"),
        ([("user", "data: [DONE]\n\ndata: {}\r\n\x1b[2J\x00")], "data: [DONE]\n\ndata: {}\r\n\x1b[2J\x00"),
        ([("user", "x" * MAX_PROMPT_LENGTH)], "x" * MAX_PROMPT_LENGTH),
    ],
)
def test_the_prompt_is_the_last_user_message_or_else_the_last_message_with_text(messages: Any, text: str) -> None:
    assert of(*messages) == Prompt(text)


TEXT = {"type": "text", "text": "a fox"}


@pytest.mark.parametrize(
    ("part", "image"),
    [
        ({"type": "image_url", "image_url": {"url": URI}}, URI),
        ({"type": "image_url", "image_url": {"url": ADDRESS, "detail": "high"}}, ADDRESS),
        ({"type": "image_url", "image_url": URI}, URI),
        ({"type": "input_image", "image_url": ADDRESS, "detail": "absurd"}, ADDRESS),
        ({"type": "file", "file": {"file_data": URI, "filename": "fox.png"}}, URI),
    ],
)
@pytest.mark.parametrize("text_first", [True, False])
def test_an_image_is_read_from_every_form_of_content_part(part: Any, image: str, text_first: bool) -> None:
    content = [TEXT, part] if text_first else [part, TEXT]
    assert of(("user", content)) == Prompt("a fox", (image,))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"{URI}\na fox", "a fox"),
        (f"a fox {URI}", "a fox"),
        (f"a red {URI} fox", "a red  fox"),
        (f'a fox "{URI}"', 'a fox ""'),
        (f"![old]({URI}) a fox", "![old]() a fox"),
        (f"Use {URI}. A fox", "Use . A fox"),
        (f"Like {URI}, but a fox", "Like , but a fox"),
        (f"狐狸{URI}。红色", "狐狸。红色"),
        ([{"type": "text", "text": f"{URI} a fox"}], "a fox"),
    ],
)
def test_a_data_uri_in_the_text_counts_as_an_image_not_as_prompt(content: Any, text: str) -> None:
    assert of(("user", content)) == Prompt(text, (URI,))


def test_images_of_earlier_messages_are_ignored() -> None:
    assert of(("user", [TEXT, {"type": "image_url", "image_url": URI}]), ("user", "a wolf")) == Prompt("a wolf")


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "  \n\t ",
        [],
        [{"type": "text", "text": " "}],
        URI,
        [{"type": "image_url", "image_url": {"url": URI}}],
        "x" * (MAX_PROMPT_LENGTH + 1),
        [{"type": "text", "text": "x" * MAX_PROMPT_LENGTH}] * 100,
        7,
        True,
        {"type": "text", "text": "a fox"},
        ["a fox"],
        [None],
        [7],
        [[]],
        [{}],
        [{"type": None}],
        [{"type": ["text"], "text": "a fox"}],
        [{"type": {}, "text": "a fox"}],
        [{"type": "text"}],
        [{"type": "text", "text": None}],
        [{"type": "text", "text": 7}],
        [{"type": "text", "text": ["a fox"]}],
        [{"type": "image_url"}],
        [{"type": "image_url", "image_url": {}}],
        [{"type": "image_url", "image_url": {"url": 7}}],
        [{"type": "image_url", "image_url": ["x"]}],
        [{"type": "input_image", "file_id": "file-1"}],
        [{"type": "file", "file": "x"}],
        [{"type": "file", "file": {"file_id": "file-1"}}],
        [{"type": "file"}],
        [{"type": "input_audio", "input_audio": {"data": "x"}}],
        [{"type": "video_url", "video_url": "x"}],
        [TEXT, {"type": "refusal", "refusal": "no"}],
    ],
    ids=lambda content: repr(content)[:60],
)
def test_invalid_message_content_is_refused(content: Any) -> None:
    assert refusal(("user", content)).code == "invalid_value"


@pytest.mark.parametrize(
    ("content", "images"),
    [
        (f"a fox {URI} {URI}A", (URI, f"{URI}A")),
        ([TEXT, {"type": "image_url", "image_url": URI}, {"type": "image_url", "image_url": ADDRESS}], (URI, ADDRESS)),
        ([{"type": "image_url", "image_url": ADDRESS}, {"type": "text", "text": f"a fox {URI}"}], (ADDRESS, URI)),
    ],
)
def test_several_images_are_read_in_the_order_in_which_they_occur(content: Any, images: tuple[str, ...]) -> None:
    assert of(("user", content)).images == images


def test_a_conversation_without_any_text_is_refused() -> None:
    refusal(("assistant", None), ("tool", ""), ("system", "  "))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "data:image/",
        f"{URI} ",
        "data:image/data:image/",
        "data:",
        '"' * 11,
        "data:image/png;base64,\n",
        "data:image/ ,",
    ],
)
def test_the_time_to_read_incomplete_data_uris_is_proportional_to_their_length(piece: str) -> None:
    """An earlier version applied a regular expression to the whole text, which took minutes."""

    def ask(size: int) -> None:
        with contextlib.suppress(ClientError):  # a piece of text may be a valid prompt
            of(("user", (piece * (size // len(piece) + 1))[:size]))

    assert grows_linearly(ask)


def test_the_time_to_read_data_uris_is_proportional_to_their_number() -> None:
    def ask(size: int) -> None:
        assert len(of(("user", f"a fox {URI} " * (size // 500))).images) == size // 500

    assert grows_linearly(ask)
