// What every page is better with: where the mirror is, buttons that copy, and how long ago.
"use strict";

const root = new URL(document.body.dataset.root, location.href);
const day = 24 * 60 * 60 * 1000;

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function withIndex(command) {
  const index = quoted(new URL("simple/", root).href);
  return command.startsWith("uv ")
    ? command.replace("install ", `install --default-index ${index} `)
    : command.replace("install ", `install --index-url ${index} `);
}

function addCopyButton(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      status.textContent = "Copied";
    } catch {
      // Without TLS there is no clipboard: what is marked can be copied by hand.
      getSelection().selectAllChildren(code);
      status.textContent = "Marked";
    }
    setTimeout(() => { status.textContent = ""; }, 2000);
  });
  const section = code.closest(".copied");
  const heading = section.previousElementSibling;
  button.setAttribute("aria-label", `Copy: ${heading ? heading.textContent : "text"}`);
  section.append(button, status);
}

function age(time) {
  const days = Math.round((Date.now() - time) / day);
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (Math.abs(days) > 730) return words.format(-Math.round(days / 365), "year");
  if (Math.abs(days) > 60) return words.format(-Math.round(days / 30), "month");
  return words.format(-days, "day");
}

for (const time of document.querySelectorAll("time")) {
  const moment = Date.parse(time.dateTime);
  if (Number.isNaN(moment)) continue;
  const words = document.createElement("span");
  words.className = "said";
  const until = time.closest(".until");
  if (until && moment < Date.now()) {
    words.className = "late";
    words.textContent = ` (expired ${age(moment)})`;
  } else if (until && moment < Date.now() + 7 * day) {
    words.className = "late";
    words.textContent = ` (soon: ${age(moment)})`;
  } else {
    words.textContent = ` (${age(moment)})`;
  }
  time.after(words);
}

for (const code of document.querySelectorAll("[data-copy]")) {
  if (code.dataset.copy === "command") code.textContent = withIndex(code.textContent);
  addCopyButton(code);
}
