// The page asks for a key, and then shows a conversation of orders, each with its prompt, its progress and its images.
// The fragment of the page's address contains the ids of the orders, so that the orders are still there after a reload.

import { generationId, Lost, Server } from "./server.js";
import { language, translate, words } from "./words.js";

const server = new Server();
const at = (id) => document.getElementById(id);
const MAX_TURNS = 30;
const STORED_IMAGE = /\/(images\/[0-9a-f]{32}\.(?:png|jpg|webp|gif))$/;  // the end of a link to an image on this server
const ids = [...new Set(location.hash.slice(1).split(","))].filter((id) => /^chatcmpl-[0-9a-f]+$/.test(id)).slice(-MAX_TURNS);

document.documentElement.lang = language;
translate(document);
translate(at("turn").content);
at("entrance").addEventListener("submit", onEntrance);
at("order").addEventListener("submit", onOrder);
at("prompt").addEventListener("keydown", onKey);
at("model").addEventListener("change", showButtons);
addEventListener("hashchange", () => location.reload());
showEntrance("");

function showEntrance(fault) {
  at("studio").hidden = true;
  at("entrance").hidden = false;
  at("entrance-fault").textContent = fault;
  at("key").value = "";
  at("key").focus();
}

async function onEntrance(event) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  at("entrance-fault").textContent = "";
  try {
    const models = await server.enter(keyIn(at("key").value));
    at("key").value = "";
    at("entrance").hidden = true;
    at("studio").hidden = false;
    at("turns").replaceChildren();
    showModels(models);
    at("prompt").focus();
    for (const id of ids) restore(id);
  } catch (error) {
    showEntrance(explained(error));
  } finally {
    button.disabled = false;
  }
}

/** The key itself, if somebody pasted a whole header or quotation marks. */
function keyIn(text) {
  return text.trim().replace(/^(authorization:\s*)?bearer\s+/i, "").replace(/^(["'])(.*)\1$/, "$2");
}

function showModels(models) {
  const named = models.filter((model) => !model.alias_of);
  at("model").replaceChildren(...named.map((model) => {
    const option = new Option(model.id);
    option.dataset.changes = model.capabilities.image_edits;
    return option;
  }));
  for (const element of [at("model"), at("model-label")]) element.hidden = named.length < 2;
  at("make").disabled = !named.length;
  at("order-fault").textContent = named.length ? "" : words.noModels;
  showButtons();
}

function showButtons() {
  const possible = lastWithImage() !== null && at("model").selectedOptions[0]?.dataset.changes === "true";
  at("change").hidden = !possible;
  at("make").textContent = possible ? words.fresh : words.make;
  at("prompt-label").textContent = possible ? words.nextPrompt : words.prompt;
}

/** The id of the last order on the page that has an image; null if there is none. */
function lastWithImage() {
  return [...document.querySelectorAll(".turn[data-id]")].filter((turn) => turn.querySelector("img")).at(-1)?.dataset.id ?? null;
}

function onKey(event) {
  // On phones, Enter begins a new line, because their keyboards have no other key for that.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  at("order").requestSubmit();
}

async function onOrder(event) {
  event.preventDefault();
  const prompt = at("prompt").value.trim();
  if (!prompt || at("make").disabled) return;
  const pressed = event.submitter ?? (at("change").hidden ? at("make") : at("change"));
  const previous = pressed === at("change") ? lastWithImage() : null;
  const turn = new Turn(prompt);
  at("order-fault").textContent = "";
  at("prompt").value = "";
  enable(false);
  try {
    const fields = { model: at("model").value, input: prompt };
    const response = await server.order(fields, previous, () => turn.say(words.lost));
    if (response.status === "completed" && !response.output.some((item) => item.type === "image_generation_call")) {
      return turn.end(textOf(response));  // the answer is a text, which the server does not store
    }
    ids.push(generationId(response.id));
    ids.splice(0, ids.length - MAX_TURNS);
    history.replaceState(null, "", `#${ids.join(",")}`);
    turn.follow(generationId(response.id));
  } catch (error) {
    turn.remove();
    at("prompt").value = prompt;
    at("order-fault").textContent = explained(error);
    if (error.status === 401) showEntrance(words.wrongKey);
  } finally {
    enable(true);
    at("prompt").focus();
  }
}

function enable(enabled) {
  for (const name of ["make", "change", "prompt"]) at(name).disabled = !enabled;
}

async function restore(id) {
  const turn = new Turn(words.earlier);
  try {
    turn.title(await server.prompt(id, () => turn.say(words.lost)));
  } catch (error) {
    return turn.fail(error.status === 404 ? words.notFound : explained(error));
  }
  turn.follow(id);
}

const textOf = (response) => response.output.flatMap((item) => item.content ?? []).map((part) => part.text).join("\n");

function explained(error) {
  if (error instanceof Lost) return words.unreachable;
  return error.status === 401 ? words.wrongKey : error.message;
}

/** Let screen readers say how an order ended; they would say every percent of a visible status. */
function announce(turn, text) {
  at("news").textContent = `${turn.prompt}: ${text}`;
}

/** One order on the page. */
class Turn {
  constructor(prompt) {
    this.root = at("turn").content.cloneNode(true).firstElementChild;
    this.title(prompt);
    this.say(words.sending);
    this.part(".cancel").hidden = true;
    at("turns").append(this.root);
    this.root.scrollIntoView({ block: "nearest" });
  }

  part(selector) {
    return this.root.querySelector(selector);
  }

  title(prompt) {
    this.prompt = prompt;
    this.part("h2").textContent = prompt;
    this.part("progress").setAttribute("aria-label", prompt);
    this.part(".cancel").setAttribute("aria-label", `${words.cancel}: ${prompt}`);
  }

  say(text) {
    this.part(".status").textContent = text;
  }

  remove() {
    this.root.remove();
  }

  async follow(id) {
    this.root.dataset.id = id;
    this.say(words.waiting);
    this.part(".cancel").hidden = false;
    this.part(".cancel").onclick = () => server.cancel(id).catch((error) => this.warn(explained(error)));
    try {
      for await (const event of server.events(id)) this.show(event);
    } catch (error) {
      if (error.status === 401) showEntrance(words.wrongKey);
      this.fail(explained(error));
    }
  }

  show({ kind, fields }) {
    switch (kind) {
      case "queued":
        return this.progress(fields, words.queued(fields.position));
      case "progress":
        return this.progress(fields, fields.position ? words.queued(fields.position) : words.waiting);
      case "picture":
        return this.image(fields.url);
      case "missing":
        return this.warn(words.missing(fields.message));
      case "lost":
        return this.say(words.lost);
      case "generation_timeout":
        return this.say(words.slow);
      case "completed":
        return this.end(words.done);
      case "cancelled":
        return this.end(words.cancelled);
      case "failed":
        at("prompt").value ||= this.prompt;  // to be changed and sent again
        return this.fail(words.failures[fields.code] ?? fields.message);
    }
  }

  progress({ percent, seconds }, where) {
    const known = percent !== null && percent !== undefined;
    if (known) this.part("progress").value = percent;
    const parts = [known ? words.percent(percent) : where, seconds ? words.seconds(seconds) : ""];
    this.say(parts.filter(Boolean).join(" · "));
  }

  image(url) {
    const stored = STORED_IMAGE.exec(url)?.[1];
    if (!stored && !/^https?:/.test(url)) return;
    const link = document.createElement("a");
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.href = stored ?? url;
    link.textContent = words.elsewhere;
    if (stored) {
      const image = new Image();
      image.alt = this.prompt;
      image.onload = () => {
        link.setAttribute("aria-label", words.open(this.prompt));
        link.replaceChildren(image);
        showButtons();
        at("order").scrollIntoView({ block: "nearest" });
      };
      image.src = stored;
    }
    this.part(".images").append(link);
  }

  /** Show a fault of an order that continues. */
  warn(text) {
    this.part(".fault").textContent = text;
  }

  end(text) {
    this.say(text);
    this.part("progress").hidden = true;
    this.part(".cancel").hidden = true;
    if (text) announce(this, text);
  }

  fail(text) {
    this.end("");
    this.warn(text);
  }
}
