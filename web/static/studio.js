// The studio: files that are dropped or pasted, what the words are understood as, the storyboard, and the request as code.
import { api, toast } from "./forms.js";
import { csrf, root } from "./page.js";
import { visit } from "./visit.js";

const TYPING = 350;
const TAG = /\[(\d+(?:\.\d+)?)s\]/;
const OPENING = /^[ \t]*\[\d+(?:\.\d+)?s\]/m;
const LONGEST = 120;

const form = document.getElementById("make");
if (form) open();

function open() {
  const words = JSON.parse(form.dataset.words);
  const prompt = form.elements.namedItem("prompt");
  const part = (id) => document.getElementById(id);
  const files = [];
  let typing = 0;
  let turn = 0;

  // Small makers.

  function element(name, fields = {}, ...children) {
    const made = Object.assign(document.createElement(name), fields);
    made.append(...children);
    return made;
  }
  const button = (text, label, onclick, fields = {}) => {
    const made = element("button", { type: "button", textContent: text, onclick, ...fields });
    if (label) made.setAttribute("aria-label", label);
    return made;
  };
  const value = (name) => form.elements.namedItem(name)?.value || null;
  const model = () => form.elements.namedItem("model").selectedOptions[0];
  const makes = () => model().dataset.makes;
  const number = (name) => (value(name) === null ? null : Number(value(name)));

  /** What the form asks for, without its files. */
  function wish() {
    const video = makes() === "video";
    return {
      prompt: prompt.value,
      model: value("model"),
      key: value("key"),
      size: value("size"),
      seconds: video ? number("seconds") : null,
      n: video ? 1 : number("n") ?? 1,
      source: value("source"),
    };
  }
  const named = (kind) => files.filter(({ file }) => file.type.startsWith(`${kind}/`)).map(({ file }) => file.name);
  const sketch = () => ({ ...wish(), images: named("image"), videos: named("video") });

  function write(text) {
    prompt.value = text;
    changed();
  }

  function insert(text) {
    const { selectionStart: from, selectionEnd: to } = prompt;
    const before = prompt.value.slice(0, from);
    const gap = before && !/\s$/.test(before) ? " " : "";
    prompt.setRangeText(`${gap}${text} `, from, to, "end");
    prompt.focus();
    changed();
  }

  // Files.

  function add(given) {
    for (const file of given) {
      if (!/^(image|video)\//.test(file.type)) toast(words.wrong, { bad: true });
      else files.push({ file: file.name ? file : new File([file], words.pasted, { type: file.type }), url: URL.createObjectURL(file) });
    }
    attached();
    changed();
  }

  function attached() {
    part("attached").replaceChildren(
      ...files.map((each, at) => {
        const shown = each.file.type.startsWith("image/")
          ? element("img", { src: each.url, alt: each.file.name })
          : element("video", { src: each.url, muted: true });
        const remove = () => {
          URL.revokeObjectURL(files.splice(at, 1)[0].url);
          attached();
          changed();
        };
        return element("figure", {}, shown, button("×", `${words.remove}: ${each.file.name}`, remove));
      }),
    );
  }

  const carries = (event) => event.dataTransfer?.types.includes("Files");
  form.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", (event) => form.contains(event.relatedTarget) || form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    form.classList.remove("over");
    add(event.dataTransfer.files);
  });
  form.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    add(event.clipboardData.files);
  });
  part("files").onchange = (event) => {
    add(event.target.files);
    event.target.value = "";
  };

  // What it is understood as.

  function changed() {
    if (!part("board").contains(document.activeElement)) board();
    clearTimeout(typing);
    typing = setTimeout(understand, TYPING);
  }

  async function understand() {
    const mine = ++turn;
    const asked = sketch();
    if (!asked.prompt.trim() && !files.length) return told([], "");
    const found = await api("POST", "/studio/understand", asked).catch((error) => error && { trouble: error });
    if (mine !== turn || !found) return;
    told(chips(found), found.trouble?.message ?? "");
    if (!part("code").hidden) coded();
  }

  function chips(found) {
    const length = found.seconds ? ` · ${found.seconds}\u202f${words.s}` : "";
    const all = found.mode ? [[`${found.mode}${length}`, "good"]] : [];
    if (found.shots?.length) all.push([words.shots.replace("{}", found.shots.length), "busy"]);
    if (found.source) all.push([words.remix, "busy"]);
    for (const { name, known } of found.characters ?? []) all.push([`@${name}`, known ? "busy" : "quiet", known ? words.known : words.unknown]);
    if (found.style) all.push([found.style, "busy"]);
    return all.map(([text, tone, title = ""]) => element("li", { className: `badge ${tone}`, textContent: text, title }));
  }

  function told(items, trouble) {
    part("understood").replaceChildren(...items);
    part("trouble").textContent = trouble;
  }

  // The storyboard: cards that stand for the shots of the words, which stay what is sent.

  let shown = false;

  function shots() {
    const [head, ...rest] = prompt.value.split(TAG);
    const found = [];
    for (let at = 0; at < rest.length; at += 2) found.push({ seconds: Number(rest[at]), text: rest[at + 1].trim() });
    return { head: head.trim(), found };
  }

  function put(found, head = shots().head) {
    const lines = found.map(({ seconds, text }) => `[${seconds}s] ${text}`);
    write([head, ...lines].filter(Boolean).join("\n"));
  }

  function board() {
    const { found } = shots();
    const told = OPENING.test(prompt.value) || found.length > 1;
    part("board").hidden = !(shown && found.length) && !told;
    if (part("board").hidden) return;
    part("board").querySelector("ol").replaceChildren(...found.map(card));
    total(found);
  }

  function total(found) {
    const longest = Number(model().dataset.longest) || LONGEST;
    const sum = found.reduce((so_far, { seconds }) => so_far + seconds, 0);
    part("total").textContent = `${Number(sum.toFixed(2))} / ${longest}\u202f${words.s}`;
    part("total").classList.toggle("bad", sum > longest);
  }

  function move(from, to) {
    const { found } = shots();
    if (to < 0 || to >= found.length) return;
    found.splice(to, 0, ...found.splice(from, 1));
    put(found);
    board();
    part("board").querySelectorAll("textarea")[to].focus();
  }

  function card(shot, at) {
    const edit = (change) => {
      const { found } = shots();
      Object.assign(found[at], change);
      put(found);
      total(found);
    };
    const text = element("textarea", { value: shot.text, rows: 3, oninput: () => edit({ text: text.value.replaceAll("\n", " ") }) });
    const length = element("input", { type: "number", value: shot.seconds, min: 0.5, step: 0.5 });
    length.oninput = () => Number(length.value) > 0 && edit({ seconds: Number(length.value) });
    const title = words.shot.replace("{}", at + 1);
    text.setAttribute("aria-label", `${title}: ${words.shows}`);
    length.setAttribute("aria-label", `${title}: ${words.seconds}`);
    const remove = () => {
      put(shots().found.filter((_, other) => other !== at));
      board();
      prompt.focus();
    };
    const acts = [
      button("←", `${title}: ${words.up}`, () => move(at, at - 1)),
      button("→", `${title}: ${words.down}`, () => move(at, at + 1)),
      button("×", `${title}: ${words.remove}`, remove),
    ];
    const head = element("header", { draggable: true }, element("strong", { textContent: title }), ...acts);
    const item = element("li", {}, head, text, element("label", {}, length, ` ${words.s}`));
    head.ondragstart = (event) => event.dataTransfer.setData("text/x-shot", at);
    item.ondragover = (event) => event.dataTransfer.types.includes("text/x-shot") && event.preventDefault();
    item.ondrop = (event) => {
      const from = event.dataTransfer.getData("text/x-shot");
      if (from === "") return;
      event.preventDefault();
      move(Number(from), at);
    };
    item.onkeydown = (event) => {
      const step = event.altKey && { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      move(at, at + step);
    };
    return item;
  }

  function another() {
    const { head, found } = shots();
    shown = true;
    if (found.length) put([...found, { seconds: found.at(-1).seconds, text: "" }], head);
    else put([{ seconds: 5, text: head }, { seconds: 5, text: "" }], "");
    board();
    [...part("board").querySelectorAll("textarea")].find((field) => !field.value)?.focus();
  }
  form.querySelector("[data-add]").onclick = another;
  form.querySelector("[data-board]").onclick = another;

  // Model, style, characters, key.

  function modelled() {
    const { makes: kind, size, sizes, seconds } = model().dataset;
    for (const field of form.querySelectorAll("[data-of]")) field.hidden = field.dataset.of !== kind;
    const changes = part("source")?.dataset ?? {};
    form.elements.namedItem("size").placeholder = changes.size || size;
    form.elements.namedItem("seconds").placeholder = changes.seconds || seconds;
    part("sizes").replaceChildren(...[...new Set([size, ...sizes.split(" ")].filter(Boolean))].map((each) => element("option", { value: each })));
    board();
  }
  form.addEventListener("input", (event) => {
    if (part("board").contains(event.target)) return;
    if (event.target.name === "model") modelled();
    changed();
  });
  form.elements.namedItem("key").addEventListener("change", (event) => {
    const address = new URL(location.href);
    address.searchParams.set("key", event.target.value);
    address.searchParams.delete("after");
    visit(address.href, { replace: true });
  });
  part("style").onchange = (event) => {
    if (event.target.value) insert(`{${event.target.value}}`);
    event.target.value = "";
  };
  form.addEventListener("click", (event) => {
    const named = event.target.closest("[data-insert]");
    if (named) insert(named.dataset.insert);
  });

  // Code.

  async function coded() {
    const { snippets } = await api("POST", "/studio/code", sketch()).catch(failed) ?? {};
    if (!snippets) return;
    const before = [...part("code").querySelectorAll("input")].findIndex((each) => each.checked);
    const blocks = snippets.flatMap(({ language, text }, at) => [
      element("input", { type: "radio", className: "unseen", name: "language", id: `language-${at}`, checked: at === Math.max(before, 0) }),
      element("label", { htmlFor: `language-${at}`, textContent: language }),
      element("pre", { tabIndex: 0 }, element("code", { textContent: text })),
    ]);
    const copy = button(words.copy, "", null, { className: "copy" });
    copy.dataset.copyCode = "";
    part("code").replaceChildren(...blocks, copy);
    part("code").hidden = false;
  }
  form.querySelector("[data-code]").onclick = coded;

  // Making.

  function failed(error) {
    const field = error?.param && form.elements.namedItem(error.param);
    toast(error?.message ?? String(error), { bad: true });
    if (field?.focus) field.focus();
  }

  async function send({ file }) {
    part("trouble").textContent = words.sending.replace("{}", file.name);
    const address = `${root}api/v1/studio/files?${new URLSearchParams({ key: value("key"), name: file.name })}`;
    const answer = await fetch(address, { method: "POST", headers: { "x-csrf-token": csrf() }, body: file });
    const said = await answer.json();
    if (!answer.ok) throw said.error;
    return said.id;
  }

  async function make() {
    const sent = [];
    for (const each of files) sent.push(await send(each));
    const job = await api("POST", "/studio/jobs", { ...wish(), files: sent });
    part("trouble").textContent = "";
    const address = new URL(location.href);
    for (const name of ["remix", "after", "prompt"]) address.searchParams.delete(name);
    address.searchParams.set("job", job.id);
    await visit(address.href);
    part("made").scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const primary = form.querySelector("button.primary");
    if (primary.disabled) return;
    primary.disabled = true;
    await make().catch(failed);
    primary.disabled = false;
  });

  // Another video to remix is another work.

  let source = value("source");
  document.addEventListener("refreshed", () => {
    if (value("source") === source) return;
    source = value("source");
    if (source) {
      files.length = 0;
      attached();
      part("code").hidden = true;
      for (const name of ["prompt", "size", "seconds"]) form.elements.namedItem(name).value = "";
      prompt.focus();
    }
    modelled();
    changed();
  });

  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  modelled();
  changed();
}
