// The page asks for a key, and then shows a conversation of orders, each with its prompt, its progress and its images.
// The fragment of the page's address contains the ids of the orders, so that the orders are still there after a reload.

import { generationId, Refusal, Server } from "./server.js";
import { language, translate, words } from "./words.js";

const server = new Server();
const at = (id) => document.getElementById(id);
const ids = location.hash.slice(1).split(",").filter((id) => /^chatcmpl-[0-9a-f]+$/.test(id));
let changeable = null;  // the id of the last order with an image on this server; null if there is none

document.documentElement.lang = language;
translate(document);
translate(at("turn").content);
at("entrance").addEventListener("submit", onEntrance);
at("order").addEventListener("submit", onOrder);
at("prompt").addEventListener("keydown", onKey);
at("model").addEventListener("change", showButtons);
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
  at("entrance-fault").textContent = "";
  let models;
  try {
    models = await server.enter(at("key").value.trim());
  } catch (error) {
    return showEntrance(error instanceof Refusal ? refusalText(error) : words.unreachable);
  }
  at("key").value = "";
  at("entrance").hidden = true;
  at("studio").hidden = false;
  showModels(models);
  at("turns").replaceChildren();
  at("prompt").focus();
  for (const id of ids) restore(id);
}

function showModels(models) {
  const named = models.filter((model) => !model.alias_of);
  at("model").replaceChildren(...named.map((model) => {
    const option = new Option(model.id);
    option.dataset.changes = model.capabilities.image_edits;
    return option;
  }));
  at("model").hidden = named.length < 2;
  at("make").disabled = !named.length;
  at("order-fault").textContent = named.length ? "" : words.noModels;
  showButtons();
}

function showButtons() {
  const possible = changeable !== null && at("model").selectedOptions[0]?.dataset.changes === "true";
  at("change").hidden = !possible;
  at("make").textContent = possible ? words.fresh : words.make;
  at("prompt-label").textContent = possible ? words.nextPrompt : words.prompt;
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
  if (!prompt) return;
  const pressed = event.submitter ?? (at("change").hidden ? at("make") : at("change"));
  const turn = new Turn(prompt);
  at("order-fault").textContent = "";
  at("prompt").value = "";
  enable(false);
  try {
    const fields = { model: at("model").value, input: prompt };
    const response = await server.order(fields, pressed === at("change") ? changeable : null, () => turn.say(words.lost));
    if (response.status === "completed" && !response.output.some((item) => item.type === "image_generation_call")) {
      return turn.end(textOf(response));  // the answer is a text, which the server does not store
    }
    ids.push(generationId(response.id));
    history.replaceState(null, "", `#${ids.join(",")}`);
    turn.follow(generationId(response.id));
  } catch (error) {
    turn.remove();
    at("prompt").value = prompt;
    at("order-fault").textContent = refusalText(error);
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
  const turn = new Turn("");
  try {
    turn.title(await server.prompt(id));
  } catch (error) {
    return turn.fail(error.status === 404 ? words.notFound : refusalText(error));
  }
  turn.follow(id);
}

const textOf = (response) => response.output.flatMap((item) => item.content ?? []).map((part) => part.text).join("\n");

function refusalText(error) {
  return error.status === 401 ? words.wrongKey : error.message;
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
  }

  say(text) {
    this.part(".status").textContent = text;
  }

  remove() {
    this.root.remove();
  }

  async follow(id) {
    this.say(words.waiting);
    this.part(".cancel").hidden = false;
    this.part(".cancel").onclick = () => server.cancel(id).catch((error) => this.fail(refusalText(error)));
    try {
      for await (const event of server.events(id)) this.show(event, id);
    } catch (error) {
      if (error.status === 401) showEntrance(words.wrongKey);
      this.fail(refusalText(error));
    }
  }

  show({ kind, fields }, id) {
    switch (kind) {
      case "queued":
        return this.progress(fields, words.queued(fields.position));
      case "progress":
        return this.progress(fields, fields.position ? words.queued(fields.position) : words.waiting);
      case "picture":
        return this.image(fields.url, id);
      case "missing":
        this.part(".fault").textContent = words.missing(fields.message);
        return;
      case "lost":
        return this.say(words.lost);
      case "generation_timeout":
        return this.say(words.slow);
      case "completed":
        return this.end(words.done);
      case "cancelled":
        return this.end(words.cancelled);
      case "failed":
        return this.fail(words.failures[fields.code] ?? fields.message);
    }
  }

  progress({ percent, seconds }, where) {
    const known = percent !== null && percent !== undefined;
    if (known) this.part("progress").value = percent;
    const parts = [known ? words.percent(percent) : where, seconds ? words.seconds(seconds) : ""];
    this.say(parts.filter(Boolean).join(" · "));
  }

  image(url, id) {
    const name = url.split("/images/")[1];
    const link = document.createElement("a");
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.href = name ? `images/${name}` : url;
    if (name) {
      const image = new Image();
      image.src = link.href;
      image.alt = this.prompt;
      link.setAttribute("aria-label", words.open(this.prompt));
      link.append(image);
      changeable = id;
      showButtons();
    } else {
      link.textContent = words.elsewhere;
    }
    this.part(".images").append(link);
  }

  end(text) {
    this.say(text);
    this.part("progress").hidden = true;
    this.part(".cancel").hidden = true;
  }

  fail(text) {
    this.end("");
    this.part(".fault").textContent = text;
  }
}
