"""Chat requests: only fields in use are checked, and no request causes an unexpected error."""

from typing import Any

import orjson
import pytest

from sora_proxy.api.chat.requests import ChatRequest, parse_chat_request
from sora_proxy.api.http.answers import error_response
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import MAX_MESSAGES

MESSAGES = [{"role": "user", "content": "a fox"}]


def body(**fields: Any) -> bytes:
    return orjson.dumps({"model": "sora-1.0", "messages": MESSAGES} | fields)


def parse(**fields: Any) -> ChatRequest:
    return parse_chat_request(body(**fields))


def refusal(content: bytes) -> ClientError:
    with pytest.raises(ClientError) as caught:
        parse_chat_request(content)
    assert error_response(caught.value).status == 400
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    orjson.dumps([str(caught.value), caught.value.param])
    return caught.value


def test_a_minimal_request_has_the_documented_defaults() -> None:
    chat = parse()
    assert (chat.n, chat.stream, chat.background, chat.size, chat.dimensions) == (1, False, False, "auto", None)
    assert chat.stream_options.include_usage is False
    assert [(message.role, message.content) for message in chat.messages] == [("user", "a fox")]


def test_null_means_the_default() -> None:
    options = {"n": None, "stream": None, "background": None, "size": None, "stream_options": None}
    assert parse(**options) == parse()
    assert parse(stream_options={"include_usage": None}) == parse()


@pytest.mark.parametrize("n", [1, 2, 2**64 - 1])
def test_n_may_be_any_positive_integer(n: int) -> None:
    assert parse(n=n).n == n


@pytest.mark.parametrize("n", [0, -1, True, False, "1", 1.5, 1.0, [], [1], {}])
def test_an_invalid_n_is_refused_with_its_name_in_the_error(n: Any) -> None:
    fault = refusal(body(n=n))
    assert (fault.param, fault.code) == ("n", "invalid_value")


@pytest.mark.parametrize(
    "n", ["9" * 30, "9" * 5000, "-" + "9" * 5000, "1e2", "1e999", "1E-400", "NaN", "Infinity", "-Infinity", "01", "0x1"]
)
def test_huge_and_malformed_numbers_are_refused(n: str) -> None:
    refusal(b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "x"}], "n": %s}' % n.encode())


@pytest.mark.parametrize(
    ("size", "dimensions"),
    [
        ("auto", None),
        ("720x480", (720, 480)),
        ("480x480", (480, 480)),
        ("1792x1024", (1792, 1024)),
        ("64x2048", (64, 2048)),
        ("480×720", (480, 720)),
        ("480*720", (480, 720)),
    ],
)
def test_sizes_are_read_as_width_and_height(size: str, dimensions: tuple[int, int] | None) -> None:
    assert parse(size=size).dimensions == dimensions


@pytest.mark.parametrize(
    "size",
    ["", "big", "720", "720x", "x480", "720X480", "720 x 480", "720x480\n", "63x480", "720x2049", "0x0", "-720x480",
     "720x480x3", "99999x99999", "٧٢٠x٤٨٠", "7" * 10_000, "720.0x480", "1e2x1e2", "\ud7ff"],
)  # fmt: skip
def test_an_invalid_size_is_refused_with_its_name_in_the_error(size: str) -> None:
    with pytest.raises(ClientError) as caught:
        _ = parse(size=size).dimensions
    assert caught.value.param == "size"
    assert error_response(caught.value).status == 400


ABSURD = {
    "max_tokens": 0,
    "max_completion_tokens": -1,
    "frequency_penalty": -2,
    "presence_penalty": "high",
    "temperature": 99,
    "top_p": None,
    "logit_bias": {"50256": -100},
    "logprobs": "yes",
    "top_logprobs": -5,
    "tools": "garbage",
    "tool_choice": {"type": "none"},
    "functions": 7,
    "function_call": [],
    "response_format": {"type": "json_object"},
    "stop": ["a"] * 100,
    "user": {"not": "a string"},
    "modalities": ["audio"],
    "audio": {},
    "prediction": None,
    "parallel_tool_calls": "x",
    "reasoning_effort": "xx",
    "service_tier": 0,
    "verbosity": [],
    "web_search_options": 1,
    "moderation": {},
    "api_base": "http://evil.example",
    "callback_url": "http://169.254.169.254/",
    "proxy": "http://127.0.0.1",
    "__class__": "x",
    "model_config": {},
    "dimensions": [1, 2],
    "": "",
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_unused_field_may_have_any_value(name: str) -> None:
    assert parse(**{name: ABSURD[name]}) == parse()


def test_all_unused_fields_may_be_set_at_once() -> None:
    assert parse(**ABSURD) == parse()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": "a fox"}, "messages"),
        ({"messages": MESSAGES * (MAX_MESSAGES + 1)}, "messages"),
        ({"messages": ["a fox"]}, "messages[0]"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [*MESSAGES, {"role": "king", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": 7}]}, "messages[0].role"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"background": "yes"}, "background"),
        ({"background": 1}, "background"),
        ({"size": 720}, "size"),
        ({"store": "perhaps"}, "store"),
        ({"metadata": 7}, "metadata"),
        ({"metadata": {"k": 7}}, "metadata"),
        ({"metadata": {"k": None}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"size": [720, 480]}, "size"),
    ],
)
def test_the_error_about_a_bad_field_contains_its_path(fields: dict[str, Any], param: str) -> None:
    fault = refusal(body(**fields))
    assert fault.param == param
    assert param in str(fault)


def test_the_error_about_a_missing_field_contains_its_name() -> None:
    fault = refusal(b'{"model": "sora-1.0"}')
    assert (fault.param, fault.code) == ("messages", "missing_required_parameter")


def test_a_request_may_have_the_maximum_number_of_messages() -> None:
    assert len(parse(messages=MESSAGES * MAX_MESSAGES).messages) == MAX_MESSAGES


@pytest.mark.parametrize("content", ["a fox", None, 7, [], {}, [[[]]], [{"type": "text"}], True])
def test_reading_a_request_does_not_check_the_content_of_messages(content: Any) -> None:
    assert parse(messages=[{"role": "user", "content": content}]).messages[0].content == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"NaN",
        b"{",
        b"{}garbage",
        b"{}{}",
        b"{'model': 'x'}",
        b'{"model": "x",}',
        b'{"model": undefined}',
        b'{"model": "a\nb"}',
        b'{"model": "\xff"}',
        b'{"model": "\xed\xa0\x80"}',
        b'{"model": "\\ud800"}',
        b'{"model": "\\udc00\\ud800"}',
        b'{"model": "\\x00"}',
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body().decode().encode("utf-32"),
        body()[:-1],
        b"\x00" + body(),
        body() + b"\x00",
        b"model=sora-1.0&messages=x",
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--x--',
        b"\x1f\x8b\x08\x00",
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b'{"model": "sora-1.0", "messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"model": "sora-1.0", "n": ' + b"9" * 1_000_000 + b"}",
        b'{"model": "sora-1.0", "n": 1e' + b"9" * 1000 + b"}",
    ],
    ids=lambda content: repr(content[:30]),
)
def test_a_body_that_is_not_a_json_object_is_refused(content: bytes) -> None:
    assert refusal(content).code == "invalid_json"


def test_nesting_below_the_limit_of_the_parser_is_accepted() -> None:
    deep = b"[" * 900 + b'"x"' + b"]" * 900
    assert parse_chat_request(body()[:-1] + b', "tools": %b}' % deep) == parse()
    chat = parse_chat_request(b'{"model": "m", "messages": [{"role": "user", "content": %b}]}' % deep)
    assert isinstance(chat.messages[0].content, list)
    refusal(b'{"model": "m", "messages": %b}' % deep)


def test_the_last_value_of_a_repeated_field_is_used() -> None:
    assert parse_chat_request(body()[:-1] + b', "n": 2, "n": 3}').n == 3


def test_a_message_may_contain_control_characters_and_text_in_any_script() -> None:
    text = "\x00\x1b\x7f\u2028\u202e𝄞 狐狸 الثعلب"
    assert parse(messages=[{"role": "user", "content": text}]).messages[0].content == text
