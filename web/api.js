"use strict";

// Requests to the server, with the API key once one is known.

const byId = (id) => document.getElementById(id);

// Storage may be forbidden; then nothing is kept between visits.
const memory = {
  get(store, name) { try { return window[store].getItem("cairn." + name) ?? ""; } catch { return ""; } },
  set(store, name, value) { try { window[store].setItem("cairn." + name, value); } catch { /* not kept */ } },
};

let apiKey = memory.get("sessionStorage", "key");

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// What went wrong, from the server's error body when it has one.
async function errorFrom(response) {
  const text = await response.text().catch(() => "");
  let message = text;
  try {
    const body = JSON.parse(text);
    message = body.error?.message ?? body.message ?? body.detail ?? text;
  } catch { /* not JSON: shown as it is */ }
  if (typeof message !== "string") message = JSON.stringify(message);
  message = message.trim().slice(0, 2000) || response.statusText || "no explanation given";
  const wait = response.headers.get("retry-after");
  if (wait && (response.status === 429 || response.status === 503)) message += ` (try again in ${wait} s)`;
  return new ApiError(response.status, message);
}

async function request(path, options = {}) {
  const headers = { ...(options.headers ?? {}) };
  const key = apiKey;
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached. Is it still running?");
  }
  if (response.ok) return response;
  const error = await errorFrom(response);
  if (error.status === 401 && key === apiKey) askForKey();  // else a new one was given meanwhile
  throw error;
}

const keyWaiters = [];

function askForKey() {
  const form = byId("key-form");
  if (!form.hidden) return;
  form.hidden = false;
  byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  apiKey = byId("key").value.trim();
  memory.set("sessionStorage", "key", apiKey);
  byId("key").value = "";
  byId("key-form").hidden = true;
  byId("prompt").focus();
  for (const resume of keyWaiters.splice(0)) resume();
});

// Resolves after `ms`, or as soon as another key is given.
function pause(ms) {
  return new Promise((resolve) => {
    keyWaiters.push(resolve);
    setTimeout(resolve, ms);
  });
}

// Fills the model list; waits while the server loads its model.
async function loadModels() {
  const select = byId("model");
  while (true) {
    try {
      const { data } = await (await request("/v1/models")).json();
      select.replaceChildren(...data.map((model) => new Option(model.id, model.id)));
      select.disabled = data.length < 2;
      document.title = `${data[0].id} – Cairn`;
      return;
    } catch (error) {
      const reason = error.status === 503 ? "loading…" : error.status === 401 ? "API key needed" : "no connection";
      select.replaceChildren(new Option(reason, ""));
      select.title = error.message;
      await pause(error.status === 503 ? 500 : 2000);
    }
  }
}

const modelsLoaded = loadModels();
