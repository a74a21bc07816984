// The search on the first page. Its index is loaded when somebody begins to search.
"use strict";

const form = document.getElementById("search");
const query = document.getElementById("query");
const count = document.getElementById("count");
const list = document.getElementById("found");
const everything = document.getElementById("projects");
const most = 100;

const index = () => {
  index.loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "web/projects.js";
    script.addEventListener("load", () => resolve(globalThis.projects));
    script.addEventListener("error", reject);
    document.head.append(script);
  });
  return index.loading;
};

// Names are compared as installers do (PEP 503): "Foo_bar" is "foo-bar".
const normal = (text) => text.toLowerCase().replace(/[-_.]+/g, "-").trim();

function rank([name, , summary], text, words) {
  if (name === text) return 0;
  if (name.startsWith(text)) return 1;
  if (name.includes(text)) return 2;
  const all = `${name} ${summary}`.toLowerCase();
  return words.every((word) => all.includes(word)) ? 3 : -1;
}

function item([name, version, summary, attested]) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  link.href = `web/project/${encodeURIComponent(name)}.html`;
  link.textContent = name;
  line.append(link, " ", Object.assign(document.createElement("span"), { className: "version", textContent: version }));
  if (attested) line.append(" ", Object.assign(document.createElement("span"), { className: "mark", textContent: "attested" }));
  if (summary) line.append(Object.assign(document.createElement("span"), { className: "summary", textContent: summary }));
  return line;
}

async function search() {
  const text = normal(query.value);
  everything.hidden = text !== "";
  if (text === "") {
    list.replaceChildren();
    count.textContent = "";
    return;
  }
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const projects = await index();
  if (text !== normal(query.value)) return; // somebody typed on
  const hits = projects
    .map((project) => [rank(project, text, words), project])
    .filter(([found]) => found >= 0)
    .sort(([one], [other]) => one - other)
    .map(([, project]) => project);
  list.replaceChildren(...hits.slice(0, most).map(item));
  const more = hits.length > most ? `, the first ${most} are shown` : "";
  count.textContent = `${hits.length} ${hits.length === 1 ? "project" : "projects"} found${more}`;
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
query.addEventListener("input", search);
if (query.value) search();
