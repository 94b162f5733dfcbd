// The page as it stands: its words, and making parts of it anew in place without losing focus, choices or scroll.

export const words = JSON.parse(document.body.dataset.words ?? "{}");
export const root = (document.body.dataset.liveAt ?? "").replace(/live$/, "");
export const csrf = () => document.querySelector('input[name="csrf"]')?.value ?? "";

/**
 * The page at an address as it is now, asked for at its `since`. A login that has ended leads to the login; unasked, it is
 * not made to last longer.
 */
export async function read(address = location.href, { unasked = false } = {}) {
  const since = performance.now();
  const headers = { accept: "text/html", ...(unasked && { "x-unasked": "1" }) };
  const answer = await fetch(address, { headers });
  if (answer.redirected && new URL(answer.url).pathname !== new URL(address, location.href).pathname) {
    location.assign(answer.url);
  }
  return Object.assign(new DOMParser().parseFromString(await answer.text(), "text/html"), { since });
}

/** Make the page's content what another document has in its place. */
export function show(fresh) {
  const next = fresh.querySelector("main");
  const main = document.getElementById("main");
  if (next) children(main, next);
  document.title = fresh.title || document.title;
  document.dispatchEvent(new CustomEvent("refreshed", { detail: fresh.since }));
}

/** Make those parts anew that hear of one of the topics; in a list with news, only the rows that are there. */
export async function refresh(concerned) {
  const parts = [...document.querySelectorAll("[data-live]")].filter(concerned);
  if (!parts.length) return;
  const address = location.href;
  const fresh = await read(address, { unasked: true });
  if (address !== location.href) return; // another state of the page has come meanwhile
  for (const part of parts) {
    const next = fresh.getElementById(part.id);
    if (!next || !part.isConnected) continue;
    if ("news" in part.dataset && part.querySelector("[data-key]")) rows(part, next);
    else morph(part, next);
  }
  document.dispatchEvent(new CustomEvent("refreshed", { detail: fresh.since }));
}

function rows(part, next) {
  const known = new Map([...part.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]));
  let fresh = 0;
  for (const row of next.querySelectorAll("[data-key]")) {
    const old = known.get(row.dataset.key);
    if (old) morph(old, row);
    else fresh += 1;
  }
  part.querySelector(":scope > .news")?.remove();
  if (!fresh || new URLSearchParams(location.search).has("after")) return;
  const news = document.createElement("button");
  news.className = "news";
  news.type = "button";
  news.setAttribute("aria-live", "polite");
  news.textContent = words.fresh.replace("{}", fresh);
  news.onclick = async () => show(await read());
  part.prepend(news);
}

/** Change one element into another in place. What a script owns (data-own) or a reader has opened is left alone. */
export function morph(old, next) {
  if ("own" in old.dataset || old.isEqualNode(next)) return;
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  children(old, next);
}

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key ?? node.id : "") || null;

function children(old, next) {
  const keyed = new Map([...old.childNodes].filter(key).map((node) => [key(node), node]));
  let place = old.firstChild;
  for (const fresh of [...next.childNodes]) {
    let same = key(fresh) ? keyed.get(key(fresh)) : place;
    while (same && !key(fresh) && key(same)) same = same.nextSibling;
    if (!same || same.nodeName !== fresh.nodeName) {
      old.insertBefore(document.importNode(fresh, true), place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else old.insertBefore(same, place);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, fresh);
    else if (same.data !== fresh.data) same.data = fresh.data;
  }
  while (place) {
    const after = place.nextSibling;
    place.remove();
    place = after;
  }
}
