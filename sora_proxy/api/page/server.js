// Calls the server's API. The client key is kept only in the memory of this module.

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 10_000;  // milliseconds to wait before connecting again
const SILENCE = 60_000;  // milliseconds without any data, including heartbeats, after which a stream counts as dead
const ENDINGS = new Set(["completed", "failed", "cancelled"]);

/** The server answered with an error. `status` is the HTTP status. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Server {
  #key = "";

  /** Use this client key from now on. Returns the server's models. Throws a Refusal if the key is not accepted. */
  async enter(key) {
    if (!/^[\x21-\x7e]+$/.test(key)) throw new Refusal(401, "");  // a header can't contain such a key
    this.#key = key;
    const answer = await this.#call("v1/models");
    return (await answer.json()).data;
  }

  /**
   * Order an image, or a change to the image of the order `previous`. Returns the response object. The order is sent
   * again until the server answers; because of its idempotency key, the server carries it out only once.
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

  /** Yield the events of an order until it ends. If the connection is lost, yield an event `lost`, then reconnect. */
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

/** The id of an order has one prefix in the Responses API, and another one in all other APIs. */
const responseId = (id) => id.replace("chatcmpl-", "resp_");
export const generationId = (id) => id.replace("resp_", "chatcmpl-");

// crypto.randomUUID exists only on pages that were loaded over HTTPS or from localhost.
const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
const longer = (pause) => Math.min(2 * pause, LONGEST_PAUSE);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
