"use strict";

// The little Markdown that models write: code blocks, lists, titles, quotes, bold, italics, code. Built from text nodes,
// so that nothing in an answer can become markup of the page.

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function copyButton(text) {
  const button = element("button", "small", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copying failed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

// Cuts text into blocks: {type, text} and, for code, its language.
function splitBlocks(text) {
  const blocks = [];
  let open = null;
  const kinds = [["list", /^\s*([-*+]|\d+[.)])\s+/], ["title", /^#{1,6}\s/], ["quote", /^>\s?/]];
  for (const line of text.split("\n")) {
    const fence = line.match(/^\s*(`{3,}|~{3,})\s*([\w+#.-]*)/);
    if (open?.type === "code") {
      if (fence && fence[1].startsWith(open.fence) && !fence[2]) open = null;
      else open.text += (open.text === null ? "" : "\n") + line;
      continue;
    }
    if (fence) {
      blocks.push(open = { type: "code", fence: fence[1], language: fence[2], text: "" });
      continue;
    }
    if (!line.trim()) {
      open = null;
      continue;
    }
    const kind = kinds.find(([, pattern]) => pattern.test(line))?.[0] ?? (open?.type === "list" ? "list" : "text");
    if (open?.type === kind && kind !== "title") open.text += "\n" + line;
    else blocks.push(open = { type: kind, text: line });
  }
  return blocks;
}

function inline(text) {
  const parts = [];
  const pattern = /(`+)(.+?)\1|\*\*(\S(?:.*?\S)?)\*\*|__(\S(?:.*?\S)?)__|\*([^\s*](?:[^*]*[^\s*])?)\*/gs;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(text.slice(end, match.index));
    const [whole, , code, strong, underlined, emphasis] = match;
    if (code !== undefined) parts.push(element("code", "", code));
    else if (emphasis !== undefined) parts.push(element("em", "", ...inline(emphasis)));
    else parts.push(element("strong", "", ...inline(strong ?? underlined)));
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function withBreaks(text) {
  return text.split("\n").flatMap((line, i) => (i ? [element("br"), ...inline(line)] : inline(line)));
}

function list(text) {
  const ordered = /^\s*\d/.test(text);
  const root = element(ordered ? "ol" : "ul");
  if (ordered) root.start = Number(text.match(/\d+/)[0]);
  for (const line of text.split("\n")) {
    const item = line.match(/^\s*(?:[-*+]|\d+[.)])\s+(.*)$/);
    if (item) root.append(element("li", "", ...inline(item[1])));
    else root.lastChild?.append(element("br"), ...inline(line.trim()));
  }
  return root;
}

function renderBlock(block) {
  switch (block.type) {
    case "code": {
      const text = block.text.replace(/^\n/, "");
      const head = element("div", "", element("span", "", block.language || "code"), copyButton(() => text));
      return element("div", "code", head, element("pre", "", element("code", "", text)));
    }
    case "list":
      return list(block.text);
    case "title":
      return element("p", "title", ...inline(block.text.replace(/^#+\s*/, "")));
    case "quote":
      return element("blockquote", "", ...withBreaks(block.text.replace(/^>\s?/gm, "")));
    default:
      return element("p", "", ...withBreaks(block.text));
  }
}

// Shows `text` in `root`; blocks that stay the same, as all but the last do in a stream, keep their nodes.
function renderMarkdown(root, text) {
  const blocks = splitBlocks(text);
  blocks.forEach((block, i) => {
    const key = `${block.type}\n${block.text}`;
    const old = root.children[i];
    if (old?.sourceKey === key) return;
    const node = renderBlock(block);
    node.sourceKey = key;
    if (old) old.replaceWith(node);
    else root.append(node);
  });
  while (root.children.length > blocks.length) root.lastChild.remove();
}
