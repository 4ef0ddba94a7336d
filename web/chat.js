"use strict";

// The conversation: what was said, the request under way, and the controls around them.

const messages = byId("messages");
const promptBox = byId("prompt");
const conversation = [];  // {role, content} as the API takes them
let running = null;       // the AbortController of the answer being written

function samplingOptions() {
  const options = {};
  for (const input of byId("sampling").querySelectorAll("input")) {
    if (input.value.trim() !== "" && Number.isFinite(Number(input.value))) options[input.name] = Number(input.value);
  }
  return options;
}

function requestBody() {
  const system = byId("system").value.trim();
  return {
    model: byId("model").value,
    messages: system ? [{ role: "system", content: system }, ...conversation] : conversation,
    stream: true,
    stream_options: { include_usage: true },
    ...samplingOptions(),
  };
}

function keepAtEnd(change) {
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
  change();
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

// When the list loses height, to the settings or a longer message below it, what stood at its foot stays there.
let listHeight = messages.clientHeight;
new ResizeObserver(() => {
  messages.scrollTop += Math.max(0, listHeight - messages.clientHeight);
  listHeight = messages.clientHeight;
}).observe(messages);

function addMessage(node) {
  byId("empty").hidden = true;
  messages.append(node);
  messages.scrollTop = messages.scrollHeight;
}

// One answer on the page, drawn at most once a frame while it streams.
class Answer {
  constructor() {
    this.content = "";
    this.thoughts = "";
    this.usage = null;
    this.finish = "";
    this.sent = performance.now();
    this.first = this.last = 0;
    this.text = element("div", "text waiting");
    this.footer = element("footer");
    this.node = element("article", "message assistant", this.text, this.footer);
    this.node.setAttribute("aria-label", "Answer");
    this.node.setAttribute("aria-busy", "true");
  }

  take(chunk) {
    if (chunk.error) throw new ApiError(0, chunk.error.message ?? JSON.stringify(chunk.error));
    if (chunk.usage) this.usage = chunk.usage;
    const choice = chunk.choices?.[0];
    if (!choice) return;
    const delta = choice.delta ?? {};
    const thought = delta.reasoning_content ?? delta.reasoning ?? "";
    if (delta.content || thought) {
      this.last = performance.now();
      this.first ||= this.last;
      this.content += delta.content ?? "";
      this.thoughts += thought;
      this.drawSoon();
    }
    this.finish = choice.finish_reason ?? this.finish;
  }

  drawSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      keepAtEnd(() => this.draw());
    });
  }

  draw() {
    this.text.classList.remove("waiting");
    if (this.thoughts && !this.thinking) {
      this.thinking = element("details", "thinking", element("summary", "", "Thinking"), element("p"));
      this.node.prepend(this.thinking);
    }
    if (this.thinking) this.thinking.lastChild.textContent = this.thoughts.trim();
    renderMarkdown(this.text, this.content);
  }

  finished(stopped) {
    if (this.frame) cancelAnimationFrame(this.frame);
    keepAtEnd(() => {
      this.draw();
      this.footer.append(...this.summary(stopped).map((part) => element("span", "", part)));
      if (this.content) this.footer.append(copyButton(() => this.content));
      this.node.setAttribute("aria-busy", "false");
    });
  }

  summary(stopped) {
    const parts = [];
    const tokens = this.usage?.completion_tokens;
    if (tokens !== undefined) parts.push(`${tokens} token${tokens === 1 ? "" : "s"}`);
    const seconds = (this.last - this.first) / 1000;
    if (tokens > 1 && seconds > 0) parts.push(`${((tokens - 1) / seconds).toFixed(1)} tokens/s`);
    if (this.first) parts.push(`first token ${((this.first - this.sent) / 1000).toFixed(2)} s`);
    const cached = this.usage?.prompt_tokens_details?.cached_tokens;
    if (cached) parts.push(`${cached} prompt tokens cached`);
    if (stopped) parts.push("stopped");
    else if (this.finish === "length") parts.push("cut at the token limit");
    else if (!this.content && !this.thoughts) parts.push("empty answer");
    return parts;
  }
}

function showError(error) {
  const retry = element("button", "", "Try again");
  retry.type = "button";
  const title = error.status ? `Error ${error.status}: ` : "";
  const node = element("article", "message error", title + error.message, retry);
  node.setAttribute("role", "alert");
  retry.addEventListener("click", () => {
    if (running) return;
    node.remove();
    answer();
  });
  addMessage(node);
}

function setRunning(controller) {
  running = controller;
  byId("send").hidden = Boolean(controller);
  byId("stop").hidden = !controller;
}

// Asks the model to go on with the conversation, and shows what it says.
async function answer() {
  const controller = new AbortController();
  setRunning(controller);
  const shown = new Answer();
  let failure = null;
  try {
    await Promise.race([modelsLoaded, pause(2000)]);
    controller.signal.throwIfAborted();
    addMessage(shown.node);
    const response = await request("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(requestBody()),
      signal: controller.signal,
    });
    for await (const data of readEvents(response)) {
      if (data === "[DONE]") break;
      shown.take(JSON.parse(data));
    }
    if (!shown.finish) throw new ApiError(0, "The connection ended before the answer did.");
  } catch (error) {
    if (error.name !== "AbortError" && !controller.signal.aborted) failure = error;
  }
  if (controller.signal.reason === "discarded") return;
  setRunning(null);
  shown.finished(controller.signal.aborted);
  if (shown.content) conversation.push({ role: "assistant", content: shown.content });
  else if (failure || controller.signal.aborted) shown.node.remove();
  if (failure) showError(failure);
}

function send() {
  const text = promptBox.value.trim();
  if (!text || running) return;
  messages.querySelectorAll(".error").forEach((node) => node.remove());
  conversation.push({ role: "user", content: text });
  const node = element("article", "message user", text);
  node.setAttribute("aria-label", "You");
  addMessage(node);
  promptBox.value = "";
  fitPrompt();
  answer();
}

function stop() {
  running?.abort();
}

function newChat() {
  running?.abort("discarded");
  setRunning(null);
  conversation.length = 0;
  messages.replaceChildren(byId("empty"));
  byId("empty").hidden = false;
  promptBox.focus();
}

function fitPrompt() {
  promptBox.style.height = "auto";
  promptBox.style.height = `${promptBox.scrollHeight + 2}px`;
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
promptBox.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
promptBox.addEventListener("input", fitPrompt);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) stop();
});
byId("stop").addEventListener("click", () => {
  stop();
  promptBox.focus();
});
byId("new-chat").addEventListener("click", newChat);

for (const input of [byId("system"), ...byId("sampling").querySelectorAll("input")]) {
  const name = input.name || input.id;
  input.value = memory.get("localStorage", name);
  input.addEventListener("change", () => memory.set("localStorage", name, input.value));
}
if (matchMedia("(hover: hover)").matches) promptBox.focus();  // on phones it would raise the keyboard
