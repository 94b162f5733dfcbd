// Links and filters that show another state of the same page: in place, with the address bar telling it, and back working.
import { read, show } from "./page.js";

const TYPING = 300;
let latest = 0;
let typing = 0;
let opener = null;

/** Show the same page in the state of an *address*. */
export async function visit(address, { replace = false } = {}) {
  const turn = ++latest;
  const fresh = await read(address);
  if (turn !== latest) return;
  const before = document.getElementById("drawer");
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  show(fresh);
  drawn(before);
}

/** A drawer that has come is read next; when it goes, so is what opened it. */
function drawn(before) {
  const drawer = document.getElementById("drawer");
  if (drawer && !before) drawer.focus();
  if (!drawer && before) opener?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("main a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || to.pathname !== location.pathname || to.hash || link.target || link.download) return;
  event.preventDefault();
  if ("drawer" in link.dataset) opener = link;
  visit(to.href);
});

addEventListener("popstate", async () => {
  const turn = ++latest;
  const fresh = await read();
  if (turn === latest) show(fresh);
});

const filtered = (form) => visit(`${location.pathname}?${query(form)}`, { replace: true });

/** The filters that are set, and no empty ones. */
function query(form) {
  return new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.matches(".filters")) return;
  clearTimeout(typing);
  typing = setTimeout(filtered, event.target.type === "search" ? TYPING : 0, form);
});

// What was typed before this script was there is searched for now.
for (const field of document.querySelectorAll(".filters [type=search]")) {
  if (field.value !== field.defaultValue) filtered(field.form);
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".filters")) return;
  event.preventDefault();
  clearTimeout(typing);
  filtered(event.target);
});
