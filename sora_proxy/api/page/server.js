// The server's API. The key is in this module's memory only.

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 10_000;  // milliseconds before a lost connection is opened again
const SILENCE = 60_000;  // milliseconds after which a stream without heartbeats is dead
const ENDINGS = new Set(["completed", "failed", "cancelled"]);

/** The server answered that it will not do this. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Server {
  #key = "";

  /** The models, for a key that the server accepts. */
  async enter(key) {
    if (!/^[\x21-\x7e]+$/.test(key)) throw new Refusal(401, "");  // no header can carry such a key
    this.#key = key;
    const answer = await this.#call("v1/models");
    return (await answer.json()).data;
  }

  /**
   * Order an image, or a change of the image of the order `previous`. Returns the response object. Until the server
   * has answered, the same order is sent again; its idempotency key makes sure that it is made once.
   */
  async order(fields, previous, onLost) {
    const body = { ...fields, background: true };
    if (previous) body.previous_response_id = responseId(previous);
    const headers = { "content-type": "application/json", "idempotency-key": randomName() };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    for (let pause = FIRST_PAUSE; ; pause = longer(pause)) {
      try {
        return await (await this.#call("v1/responses", request)).json();
      } catch (error) {
        if (error instanceof Refusal) throw error;
        onLost();
        await sleep(pause);
      }
    }
  }

  /** The prompt of an order. */
  async prompt(id) {
    const answer = await this.#call(`v1/responses/${responseId(id)}/input_items`);
    return (await answer.json()).data[0].content.map((part) => part.text ?? "").join("");
  }

  async cancel(id) {
    await this.#call(`v1/generation/${id}/cancel`, { method: "POST" });
  }

  /** The events of an order until it ends. After a lost connection, it yields an event `lost` and continues. */
  async *events(id) {
    let after = 0;
    for (let pause = FIRST_PAUSE; ; pause = longer(pause)) {
      try {
        for await (const event of this.#stream(`v1/generation/${id}/events?starting_after=${after}`)) {
          pause = FIRST_PAUSE;
          after = event.id ?? after;
          yield event;
          if (ENDINGS.has(event.kind)) return;
        }
      } catch (error) {
        if (error instanceof Refusal && error.status < 500) throw error;
      }
      yield { kind: "lost" };
      await sleep(pause);
    }
  }

  async *#stream(path) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE);
    try {
      const answer = await this.#call(path, { signal: silence.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE);
        const parts = (text + value).split("\n\n");
        text = parts.pop();
        yield* parts.map(parsed).filter((event) => event.kind);
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #call(path, options = {}) {
    const headers = { ...options.headers, authorization: `Bearer ${this.#key}` };
    const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({}));
    throw new Refusal(answer.status, body.error?.message ?? `HTTP ${answer.status}`);
  }
}

/** An event of a stream: its number in the log, its kind and its fields. A heartbeat has no kind. */
function parsed(text) {
  const event = {};
  for (const line of text.split("\n")) {
    if (line.startsWith("id: ")) event.id = Number(line.slice(4));
    else if (line.startsWith("event: ")) event.kind = line.slice(7);
    else if (line.startsWith("data: ")) event.fields = JSON.parse(line.slice(6));
  }
  return event;
}

/** The same order under the other prefix. */
const responseId = (id) => id.replace("chatcmpl-", "resp_");
export const generationId = (id) => id.replace("resp_", "chatcmpl-");

// crypto.randomUUID exists only on https and localhost.
const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
const longer = (pause) => Math.min(2 * pause, LONGEST_PAUSE);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
