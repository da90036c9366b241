"""Chat completions with the newest openai SDK for Python, with strict validation of the answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from openai import AsyncOpenAI, AzureOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import StartProgram

IMAGE = re.compile(r"!\[a red fox\]\(http://\S+/images/[0-9a-f]{32}\.png\)")
FOX: list[ChatCompletionMessageParam] = [{"role": "user", "content": "a red fox"}]


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key=CLIENT_KEY, _strict_response_validation=True) as client:
        yield client


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[AsyncOpenAI]:
    # The client is made in a thread, because its constructor blocks while it reads the CA bundle.
    client = await asyncio.to_thread(AsyncOpenAI, base_url=url, api_key=CLIENT_KEY, _strict_response_validation=True)
    async with client:
        yield client


def test_a_completion_contains_the_images_and_the_usage(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="sora-1.0", messages=FOX, n=2, extra_body={"size": "480x480"})

    assert completion.choices[0].finish_reason == "stop"
    assert len(IMAGE.findall(completion.choices[0].message.content or "")) == 2
    assert completion.usage is not None
    assert completion.usage.total_tokens > 0
    assert (completion.model_extra or {})["backend"] == "simulator"
    assert (completion._request_id or "").startswith("req_")


def test_a_stream_shows_progress_and_usage(start_program: StartProgram) -> None:
    # The task is polled 50 times, and at least one poll must see its progress.
    with (
        start_program(API_AUTH_TOKEN=CLIENT_KEY, POLL_INTERVAL="0.1", SIMULATOR_SECONDS="5") as program,
        OpenAI(base_url=f"{program.url}/v1", api_key=CLIENT_KEY, _strict_response_validation=True) as client,
    ):
        stream = client.chat.completions.create(
            model="sora-1.0",
            messages=FOX,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]

    assert deltas[0].role == "assistant"
    assert any("%" in getattr(delta, "reasoning_content", "") for delta in deltas)
    assert IMAGE.fullmatch("".join(delta.content or "" for delta in deltas))
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None


def test_a_stream_is_resumed_after_any_chunk(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="sora-1.0", messages=FOX, stream=True)
    uncut = [chunk.model_dump() for chunk in stream]
    for position, chunk in enumerate(uncut, 1):
        resumed = client.get(
            f"/chat/completions/{chunk['id']}",
            cast_to=ChatCompletionChunk,
            stream=True,
            stream_cls=Stream[ChatCompletionChunk],
            options={"params": {"stream": "true", "starting_after": chunk["sequence_number"]}},
        )
        assert [rest.model_dump() for rest in resumed] == uncut[position:]


def test_the_stream_helper_returns_the_final_completion(client: OpenAI) -> None:
    with client.chat.completions.stream(model="sora-1.0", messages=FOX) as stream:
        completion = stream.get_final_completion()

    assert completion.choices[0].message.content is not None
    assert IMAGE.fullmatch(completion.choices[0].message.content)


def test_a_raw_response_has_the_ids_and_the_back_end_in_its_headers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="sora-1.0", messages=FOX)

    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.headers["x-generation-id"] == raw.parse().id
    assert raw.headers["x-sora-proxy-backend"] == "simulator"


def test_a_background_completion_can_be_retrieved(url: str) -> None:
    # Validation is not strict, because OpenAI has no finish reason "processing". Only clients that ask for a background
    # completion get this reason.
    with OpenAI(base_url=url, api_key=CLIENT_KEY) as client:
        completion = client.chat.completions.create(
            model="sora-1.0",
            messages=FOX,
            extra_body={"background": True},
        )
        reasons: list[str] = [completion.choices[0].finish_reason]
        while reasons[-1] == "processing":
            completion = client.chat.completions.retrieve(completion.id)
            reasons.append(completion.choices[0].finish_reason)
        assert (reasons[0], reasons[-1]) == ("processing", "stop")
        assert IMAGE.fullmatch(completion.choices[0].message.content or "")


def test_a_message_with_an_image_is_accepted(client: OpenAI) -> None:
    gif = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
    completion = client.chat.completions.create(
        model="sora-1.0",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a red fox"},
                    {"type": "image_url", "image_url": {"url": gif}},
                ],
            }
        ],
    )

    assert IMAGE.fullmatch(completion.choices[0].message.content or "")


def test_models_can_be_listed_and_retrieved(client: OpenAI) -> None:
    assert client.models.list().data[0].id == "sora-1.0"
    assert client.models.retrieve("sora-1.0").object == "model"


def test_refused_requests_raise_the_matching_errors(client: OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError) as unknown_model:
        client.chat.completions.create(model="gpt-9", messages=FOX)
    assert (unknown_model.value.code, unknown_model.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as bad_size:
        client.chat.completions.create(model="sora-1.0", messages=FOX, extra_body={"size": "huge"})
    assert bad_size.value.param == "size"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve("chatcmpl-none")
    with OpenAI(base_url=url, api_key="wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


async def test_twenty_asynchronous_streams_at_once_all_contain_an_image(async_client: AsyncOpenAI) -> None:
    async def one() -> str:
        stream = await async_client.chat.completions.create(model="sora-1.0", messages=FOX, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    for content in await asyncio.gather(*(one() for _ in range(20))):
        assert IMAGE.fullmatch(content)


async def test_an_asynchronous_completion_contains_the_image(async_client: AsyncOpenAI) -> None:
    completion = await async_client.chat.completions.create(model="sora-1.0", messages=FOX)

    assert IMAGE.fullmatch(completion.choices[0].message.content or "")


def test_stored_completions_can_be_changed_listed_and_deleted(client: OpenAI) -> None:
    made = client.chat.completions.create(
        model="sora-1.0",
        messages=[{"role": "developer", "content": "a red fox"}],
        store=True,
        metadata={"album": "e2e"},
    )
    assert made.metadata == {"album": "e2e"}

    changed = client.chat.completions.update(made.id, metadata={"album": "other"})
    assert changed.id == made.id
    listed = client.chat.completions.list(metadata={"album": "other"}, limit=1, order="desc")
    assert [completion.id for completion in listed] == [made.id]
    assert client.chat.completions.list(limit=0, after="after").data == []
    # The raw answer is read, because the SDK's strict validation rejects the role "user", which OpenAI also sends.
    raw = client.chat.completions.messages.with_raw_response.list(made.id)
    assert [message["content"] for message in raw.http_response.json()["data"]] == ["a red fox"]
    assert client.chat.completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_the_azure_client_gets_an_image(url: str) -> None:
    with AzureOpenAI(
        azure_endpoint=url.removesuffix("/v1"),
        azure_deployment="sora-1.0",
        api_key=CLIENT_KEY,
        api_version="2025-01-01-preview",
        _strict_response_validation=True,
    ) as client:
        completion = client.chat.completions.create(model="sora-1.0", messages=FOX)
    assert IMAGE.fullmatch(completion.choices[0].message.content or "")


def test_every_parameter_that_the_sdk_knows_is_accepted(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="sora-1.0",
        messages=[{"role": "developer", "content": "a red fox", "name": "name"}],
        audio={"format": "wav", "voice": "string"},
        frequency_penalty=-2,
        function_call="none",
        functions=[{"name": "name", "description": "description", "parameters": {"foo": "bar"}}],
        logit_bias={"foo": 0},
        logprobs=True,
        max_completion_tokens=0,
        max_tokens=0,
        metadata={"foo": "string"},
        modalities=["text"],
        n=1,
        parallel_tool_calls=True,
        prediction={"content": "string", "type": "content"},
        presence_penalty=-2,
        prompt_cache_key="prompt-cache-key-1234",
        prompt_cache_retention="in_memory",
        reasoning_effort="none",
        response_format={"type": "text"},
        safety_identifier="safety-identifier-1234",
        seed=-9007199254740991,
        service_tier="auto",
        stop="\n",
        store=True,
        temperature=1,
        tool_choice="none",
        tools=[{"function": {"name": "name", "parameters": {"foo": "bar"}, "strict": True}, "type": "function"}],
        top_logprobs=0,
        top_p=1,
        user="user-1234",
        verbosity="low",
        web_search_options={"search_context_size": "low"},
    )

    assert IMAGE.fullmatch(completion.choices[0].message.content or "")
