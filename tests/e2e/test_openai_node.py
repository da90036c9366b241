"""The newest openai SDK for Node."""

from tests.e2e.node import run_node


def test_a_stream_by_the_helper(url: str) -> None:
    run_node(
        r"""
const stream = client.chat.completions.stream({model: "sora-1.0", messages: [{role: "user", content: "a red fox"}]});
const completion = await stream.finalChatCompletion();
assert.match(completion.choices[0].message.content, /^!\[a red fox\]\(http:\S+\/images\/[0-9a-f]{32}\.png\)$/);
assert.equal(completion.choices[0].finish_reason, "stop");
""",
        url,
    )


def test_models_and_errors(url: str) -> None:
    run_node(
        """
const models = await client.models.list();
assert.equal(models.data[0].id, "sora-1.0");
const messages = [{role: "user", content: "a red fox"}];
await assert.rejects(client.chat.completions.create({model: "gpt-9", messages}), (error) => {
    assert(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
});
""",
        url,
    )
