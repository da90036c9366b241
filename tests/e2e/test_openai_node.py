"""The newest openai SDK for Node."""

from tests.e2e.node import run_node


def test_the_stream_helper_returns_the_image(url: str) -> None:
    run_node(
        r"""
const stream = client.chat.completions.stream({model: "sora-1.0", messages: [{role: "user", content: "a red fox"}]});
const completion = await stream.finalChatCompletion();
assert.match(completion.choices[0].message.content, /^!\[a red fox\]\(http:\S+\/images\/[0-9a-f]{32}\.png\)$/);
assert.equal(completion.choices[0].finish_reason, "stop");
""",
        url,
    )


def test_models_are_listed_and_an_unknown_model_raises_an_error(url: str) -> None:
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


def test_stored_completions_can_be_changed_listed_and_deleted(url: str) -> None:
    run_node(
        """
const messages = [{role: "developer", content: "a red fox"}];
const made = await client.chat.completions.create({model: "sora-1.0", messages, store: true, metadata: {a: "node"}});
assert.equal((await client.chat.completions.retrieve(made.id)).id, made.id);
await client.chat.completions.update(made.id, {metadata: {a: "changed"}});
const [listed, ids] = [client.chat.completions.list({metadata: {a: "changed"}, limit: 1}), []];
for await (const completion of listed) ids.push(completion.id);
assert.deepEqual(ids, [made.id]);
const said = await client.chat.completions.messages.list(made.id);
assert.deepEqual(said.data.map((message) => message.content), ["a red fox"]);
assert.equal((await client.chat.completions.delete(made.id)).deleted, true);
await assert.rejects(client.chat.completions.retrieve(made.id), OpenAI.NotFoundError);
""",
        url,
    )


def test_twenty_streams_at_once_all_contain_an_image(url: str) -> None:
    run_node(
        """
const one = async () => {
    let content = "";
    const messages = [{role: "user", content: "a red fox"}];
    const stream = await client.chat.completions.create({model: "sora-1.0", messages, stream: true});
    for await (const chunk of stream) content += chunk.choices[0].delta.content ?? "";
    return content;
};
for (const content of await Promise.all(Array.from({length: 20}, one))) assert.match(content, /^!\\[a red fox\\]/);
""",
        url,
    )
