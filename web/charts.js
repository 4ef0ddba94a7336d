"use strict";

// Small charts on canvases, in the page's colours and at the screen's resolution.

function colours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return { a: colour("a"), b: colour("b"), c: colour("c"), free: colour("free"), quiet: colour("quiet"), sunken: colour("sunken") };
}

// A cleared canvas whose unit is a CSS pixel.
function prepare(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

// A number that reads well as the top of an axis, not below `value`.
function niceTop(value) {
  if (value <= 4) return 4;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= value) * unit;
}

// The top of the axis, on a ground of its own: bars and lines may be there.
function labelTop(context, top, palette) {
  const text = top.toLocaleString("en");
  context.font = "10px system-ui, sans-serif";
  context.fillStyle = palette.sunken;
  context.fillRect(0, 0, context.measureText(text).width + 8, 16);
  context.fillStyle = palette.quiet;
  context.fillText(text, 4, 12);
}

// Areas stacked on each other over `span` ms up to `now`. layers: [{colour, values}], the lowest first, one value for each
// of `times`.
function drawAreas(canvas, times, layers, now, span, palette) {
  const { context, width, height } = prepare(canvas);
  const sums = times.map((_, i) => layers.reduce((sum, layer) => sum + layer.values[i], 0));
  const top = niceTop(Math.max(...sums, 0));
  const x = (time) => width - ((now - time) / span) * width;
  const y = (value) => height - 1 - (value / top) * (height - 5);
  const upper = sums;
  for (const { colour, values } of layers.toReversed()) {  // so that lower layers' lines lie above higher ones'
    const lower = upper.map((value, i) => value - values[i]);
    context.fillStyle = context.strokeStyle = colour;
    context.beginPath();
    times.forEach((time, i) => context.lineTo(x(time), y(upper[i])));
    context.lineWidth = 1.5;
    context.stroke();
    for (let i = times.length - 1; i >= 0; --i) context.lineTo(x(times[i]), y(lower[i]));
    context.globalAlpha = 0.28;
    context.fill();
    context.globalAlpha = 1;
    lower.forEach((value, i) => { upper[i] = value; });
  }
  labelTop(context, top, palette);
}

// One bar a step: decode tokens at the foot, prefill tokens on them. What is there stays visible beside larger bars.
function drawSteps(canvas, steps, palette) {
  const { context, width, height } = prepare(canvas);
  const bar = 4;
  const shown = steps.slice(-Math.floor(width / bar));
  const top = niceTop(Math.max(0, ...shown.map((step) => step.prefill + step.decode)));
  const size = (tokens) => (tokens ? Math.max(2, (tokens / top) * (height - 4)) : 0);
  shown.forEach((step, i) => {
    const left = width - (shown.length - i) * bar;
    const decode = size(step.decode);
    const prefill = size(step.prefill);
    context.fillStyle = palette.a;
    context.fillRect(left, height - decode, bar - 1, decode);
    context.fillStyle = palette.b;
    context.fillRect(left, height - decode - prefill, bar - 1, prefill);
  });
  labelTop(context, top, palette);
}

// A map of cells: shared, then used, then free; as high as it needs. Returns how many blocks a cell stands for.
function drawBlocks(canvas, total, used, shared, palette) {
  const cell = 8;
  const columns = Math.max(1, Math.floor((canvas.clientWidth + 1) / cell));
  const each = Math.max(1, Math.ceil(total / (columns * 12)));
  const cells = Math.ceil(total / each);
  canvas.style.height = `${Math.ceil(cells / columns) * cell}px`;
  const { context } = prepare(canvas);
  const sharedCells = Math.ceil(shared / each);
  const usedCells = Math.max(sharedCells, Math.ceil(used / each));
  for (let i = 0; i < cells; ++i) {
    context.fillStyle = i < sharedCells ? palette.b : i < usedCells ? palette.a : palette.free;
    context.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell - 1.5, cell - 1.5);
  }
  return each;
}
