// The behaviour of the page. Data of the server is shown as text, never as markup.

const PAGE_SIZE = 24;
const isOpen = document.documentElement.dataset.access === "open";

const element = (id) => document.getElementById(id);
const form = element("sign-in");
const field = element("token");
const list = element("videos");
const more = element("more");

// In memory only: not in storage, a cookie or the address.
let token = null;
let cursor = null;
let isLoading = false;

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(path, { headers, cache: "no-store", credentials: "omit" });
  } catch {
    throw new Refused(0, "The server cannot be reached. Try again in a moment.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const parts = [body.title ?? `The server answered ${response.status}`, body.detail];
    throw new Refused(response.status, parts.filter(Boolean).map(withFullStop).join(" "));
  }
  return body;
}

function withFullStop(sentence) {
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}

function describeStorage({ mode, reason }) {
  if (mode === "client") {
    return `This server keeps no library (mode: client). ${reason ?? ""}`;
  }
  return reason === null
    ? "In this server’s database (mode: server)."
    : `In this server’s database (mode: server), which is not available now: ${withFullStop(reason)}`;
}

async function showStorage() {
  try {
    const persistence = await ask("v1/persistence");
    element("storage").textContent = describeStorage(persistence);
    return persistence.mode;
  } catch (error) {
    element("storage").textContent = error.message;
    return null;
  }
}

function make(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

function isolated(name, text) {
  // A name may be right-to-left, or contain characters that change the direction of the text after it.
  const node = document.createElement(name);
  node.append(make("bdi", text));
  return node;
}

function describeSize(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const step = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const amount = bytes / 1000 ** step;
  return `${amount.toLocaleString("en", { maximumFractionDigits: step === 0 ? 0 : 1 })} ${units[step]}`;
}

function describeDuration(seconds) {
  if (seconds === null) {
    return "length unknown";
  }
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0")));
  return hours === "0" ? rest.join(":") : [hours, ...rest].join(":");
}

function describeDay(moment) {
  return new Date(moment).toLocaleDateString("en", { dateStyle: "medium" });
}

function videoItem(video) {
  const item = document.createElement("li");
  const facts = [describeDuration(video.duration_seconds), describeSize(video.file_size), `added ${describeDay(video.created_at)}`];
  item.append(isolated("h3", video.file_name), make("p", facts.join(" · ")), isolated("p", video.file_path));
  if (video.tags.length > 0) {
    const tags = document.createElement("ul");
    tags.setAttribute("role", "list");
    tags.setAttribute("aria-label", "Tags");
    tags.append(...video.tags.map((tag) => isolated("li", `${tag.tag_category}: ${tag.tag_name}`)));
    item.append(tags);
  }
  return item;
}

function showPage(page) {
  const items = page.items.map(videoItem);
  const isFirst = list.childElementCount === 0;
  list.append(...items);
  cursor = page.next_cursor;
  list.hidden = list.childElementCount === 0;
  more.hidden = cursor === null;
  element("outcome").textContent = describeOutcome(list.childElementCount);
  if (!isFirst && items.length > 0) {
    // The button may be hidden now, so the focus moves to the first new row.
    const heading = items[0].querySelector("h3");
    heading.tabIndex = -1;
    heading.focus();
  }
}

function describeOutcome(count) {
  if (count === 0) {
    return "The library is empty.";
  }
  const noun = count === 1 ? "video" : "videos";
  return cursor === null ? `${count} ${noun}, that is all.` : `The newest ${count} ${noun}.`;
}

async function load() {
  if (isLoading) {
    return;
  }
  setLoading(true);
  element("problem").textContent = "";
  field.removeAttribute("aria-invalid");
  try {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    showPage(await ask(`v1/videos?limit=${PAGE_SIZE}${after}`));
  } catch (error) {
    showProblem(error);
  } finally {
    setLoading(false);
  }
}

function setLoading(now) {
  isLoading = now;
  // Not `disabled`, which would take the focus from the button.
  for (const button of document.querySelectorAll("button")) {
    button.setAttribute("aria-disabled", String(now));
  }
}

function showProblem(error) {
  element("problem").textContent = error.message;
  if (error.status === 401) {
    token = null;
    form.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

function startOver() {
  cursor = null;
  list.replaceChildren();
  list.hidden = true;
  more.hidden = true;
  element("outcome").textContent = "";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (isLoading) {
    return;
  }
  const given = field.value.trim();
  field.value = "";
  startOver();
  if (/^[\x21-\x7e]+$/.test(given)) {
    token = given;
    load();
  } else {
    // Not the value of a header.
    showProblem(new Refused(401, "That is not an access token. Paste the whole of it, and nothing else."));
  }
});

more.addEventListener("click", load);

const mode = await showStorage();
if (mode === "server" && isOpen) {
  load();
} else if (mode !== "client") {
  form.hidden = false;
}
