"use strict";

// The view of the engine: events of /live, four a second, kept for a minute and drawn.

const SPAN = 60_000;
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

const live = { samples: [], steps: [], drawn: 0 };

function setText(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function setState(text, className = "") {
  setText("live-state", text);
  byId("live-state").className = `state ${className}`;
}

const whole = (value) => Math.round(value).toLocaleString("en");
const rate = (value) => (value < 100 ? value.toFixed(1) : whole(value));

function takeSample(sample) {
  if (live.samples.at(-1)?.t > sample.t) Object.assign(live, { samples: [], steps: [] });  // the server started anew
  live.samples.push(sample);
  while (live.samples[0].t < sample.t - SPAN) live.samples.shift();
  live.steps.push(...(sample.steps ?? []));
  live.steps.splice(0, Math.max(0, live.steps.length - 400));
  const pauseBetween = reduced.matches ? 1000 : 0;
  if (document.hidden || performance.now() - live.drawn < pauseBetween) return;
  live.drawn = performance.now();
  requestAnimationFrame(drawLive);
}

function showFigures(sample) {
  setText("running", whole(sample.running));
  setText("waiting", whole(sample.waiting));
  setText("preemptions", whole(sample.preemptions));
  const queries = sample.prefix_cache_queries;
  setText("hits", queries ? `${Math.round((100 * sample.prefix_cache_hits) / queries)} %` : "–");
  setText("generation-now", rate(sample.generation_tokens_per_s));
  setText("prompt-now", rate(sample.prompt_tokens_per_s));
  const total = sample.kv_blocks_total;
  const percent = total ? Math.round((100 * sample.kv_blocks_used) / total) : 0;
  setText("blocks-now", `${whole(sample.kv_blocks_used)} of ${whole(total)} (${percent} %)`);
  const step = live.steps.at(-1);
  if (!step) return;
  const tokens = `${whole(step.prefill)} prefill + ${whole(step.decode)} decode`;
  setText("step-now", `last: ${tokens}, ${whole(step.seqs)} request${step.seqs === 1 ? "" : "s"}, ${step.ms.toFixed(1)} ms`);
}

function drawLive() {
  const sample = live.samples.at(-1);
  if (!sample) return;
  showFigures(sample);
  const palette = colours();
  const times = live.samples.map((one) => one.t);
  const series = (name) => live.samples.map((one) => one[name]);
  const areas = (id, layers) => drawAreas(byId(id), times, layers, sample.t, SPAN, palette);
  areas("generation", [{ colour: palette.a, values: series("generation_tokens_per_s") }]);
  areas("prompt-rate", [{ colour: palette.b, values: series("prompt_tokens_per_s") }]);
  areas("requests", [
    { colour: palette.a, values: series("running") },
    { colour: palette.c, values: series("waiting") },
  ]);
  drawSteps(byId("steps"), live.steps, palette);
  const each = drawBlocks(byId("blocks"), sample.kv_blocks_total, sample.kv_blocks_used, sample.kv_blocks_shared, palette);
  const shared = `${whole(sample.kv_blocks_shared)} shared by several requests`;
  setText("blocks-scale", each > 1 ? `a cell is ${whole(each)} blocks; ${shared}` : shared);
}

async function followEngine() {
  let wait = 500;
  while (true) {
    let reason = "disconnected";
    try {
      const response = await request("/live");
      for await (const data of readEvents(response)) {
        takeSample(JSON.parse(data));
        setState("live", "on");
        wait = 500;
      }
    } catch (error) {
      if (error.status === 401) reason = "needs the API key";
      else if (error.status === 503) reason = "the model is loading…";
      else if (error.status) reason = `not available (${error.status})`;
    }
    setState(reason, "off");
    await pause(wait);
    wait = Math.min(wait * 2, 8000);
  }
}

addEventListener("resize", () => requestAnimationFrame(drawLive));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLive);
document.addEventListener("visibilitychange", () => document.hidden || requestAnimationFrame(drawLive));
followEngine();
