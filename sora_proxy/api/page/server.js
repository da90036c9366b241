// Calls the server's API. The client key is kept only in the memory of this module.

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 10_000;  // milliseconds to wait before connecting again
const SILENCE = 60_000;  // milliseconds without any data, including heartbeats, after which a stream counts as dead
const MAX_STREAMS = 2;  // a browser opens six connections to a server for all its tabs, and other calls need some of them
const SHARE = 2000;  // milliseconds after which a stream makes room for one that is waiting
const ENDINGS = new Set(["completed", "failed", "cancelled"]);
const PASSING = new Set(["server_stopping", "overloaded"]);  // errors of a server that is shutting down

/** The server refused a request. `status` is the HTTP status. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** It is unknown whether the server got a request: the network failed, or a proxy answered instead of the server. */
export class Lost extends Error {}

/** Lets a few streams run at the same time. Those that wait get their turn in the order in which they came. */
class Slots {
  #free = MAX_STREAMS;
  #waiting = [];

  get wanted() {
    return this.#waiting.length > 0;
  }

  async take() {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => this.#waiting.push(resolve));
  }

  give() {
    if (this.wanted) this.#waiting.shift()();
    else this.#free += 1;
  }
}

export class Server {
  #key = "";
  #slots = new Slots();

  /** Use this client key from now on. Returns the server's models. Throws a Refusal if the key is not accepted. */
  async enter(key) {
    if (!/^[\x20-\x7e]+$/.test(key)) throw new Refusal(401, "");  // a header can't contain such a key
    this.#key = key;
    return (await this.#json("v1/models")).data;
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
    return patiently(() => this.#json("v1/responses", request), onLost);
  }

  /** The prompt of an order. */
  async prompt(id, onLost) {
    const items = await patiently(() => this.#json(`v1/responses/${responseId(id)}/input_items`), onLost);
    return items.data[0].content.map((part) => part.text ?? "").join("");
  }

  async cancel(id) {
    await this.#call(`v1/generation/${id}/cancel`, { method: "POST" });
  }

  /** Yield the events of an order until it ends. If the connection is lost, yield an event `lost`, then reconnect. */
  async *events(id) {
    let after = 0, pause = FIRST_PAUSE;
    for (;;) {
      await this.#slots.take();
      const stop = new AbortController();
      let expected = false;  // whether the stream ends for a known reason, with an order that continues
      const share = setInterval(() => {
        if (this.#slots.wanted) {
          expected = true;
          stop.abort();
        }
      }, SHARE);
      try {
        for await (const event of this.#stream(`v1/generation/${id}/events?starting_after=${after}`, stop)) {
          if (event.id) [after, pause] = [event.id, FIRST_PAUSE];
          else expected = true;  // the last event of a stream whose order continues has no number
          yield event;
          if (ENDINGS.has(event.kind)) return;
        }
      } catch (error) {
        if (error instanceof Refusal) throw error;
      } finally {
        clearInterval(share);
        this.#slots.give();
      }
      if (expected && stop.signal.aborted) continue;
      if (!expected) yield { kind: "lost" };
      await sleep(pause);
      pause = longer(pause);
    }
  }

  /** Yield the events of one answer, until it ends, `stop` is aborted, or the connection is silent for too long. */
  async *#stream(path, stop) {
    let timer = setTimeout(() => stop.abort(), SILENCE);
    try {
      const answer = await this.#call(path, { signal: stop.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => stop.abort(), SILENCE);
        const parts = (text + value).split("\n\n");
        text = parts.pop();
        yield* parts.map(parsed).filter((event) => event.kind);
      }
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  async #json(path, options) {
    const answer = await this.#call(path, options);
    return answer.json().catch(() => {
      throw new Lost();
    });
  }

  async #call(path, options = {}) {
    const headers = { ...options.headers, authorization: `Bearer ${this.#key}` };
    const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" }).catch(() => {
      throw new Lost();
    });
    if (answer.ok) return answer;
    const error = (await answer.json().catch(() => null))?.error;
    if (answer.status >= 500 && (!error || PASSING.has(error.code))) throw new Lost();
    throw new Refusal(answer.status, error?.message ?? `HTTP ${answer.status}`);
  }
}

/** Make a call again and again until it is not lost. */
async function patiently(call, onLost) {
  for (let pause = FIRST_PAUSE; ; pause = longer(pause)) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    onLost();
    await sleep(pause);
  }
}

/** An event of a stream: its number in the log, its kind and its fields. A heartbeat has no kind. */
function parsed(text) {
  const lines = text.split("\n");
  const value = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  try {
    return { id: Number(value("id") ?? 0), kind: value("event"), fields: JSON.parse(value("data") ?? "{}") };
  } catch {
    return {};  // not an event of this server
  }
}

/** The id of an order has one prefix in the Responses API, and another one in all other APIs. */
const responseId = (id) => id.replace("chatcmpl-", "resp_");
export const generationId = (id) => id.replace("resp_", "chatcmpl-");

// crypto.randomUUID exists only on pages that were loaded over HTTPS or from localhost.
const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
const longer = (pause) => Math.min(2 * pause, LONGEST_PAUSE);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
