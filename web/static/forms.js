// Forms that do an operation: sent where they stand, what is wrong shown at its field, what was done said with its undo.
import { csrf, morph, read, root, show, words } from "./page.js";
import { visit } from "./visit.js";

const SHOWN = 10_000;
const KEPT = "said";

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const action = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
  const into = event.submitter?.dataset.into;
  if (event.defaultPrevented || form.method !== "post" || !(into || action.startsWith(`${root}do/`))) return;
  event.preventDefault();
  if (!(await agreed(form, event.submitter))) return;
  const fields = new FormData(form, event.submitter);
  const sent = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
  await send(form, action, sent, into);
});

/** Call the admin API from a page: `await api("POST", "/jobs/ID/cancel", {...})`. Rejects with the error's object. */
export async function api(method, path, body) {
  const answer = await fetch(`${root}api/v1${path}`, {
    method,
    headers: { "content-type": "application/json", "x-csrf-token": csrf() },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw value.error;
  return value;
}

/** Say something in the corner, for ten seconds or as long as it is looked at; *undo*: `{operation, fields}`. */
export function toast(text, { undo = null, bad = false, id = "" } = {}) {
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.setAttribute("role", bad ? "alert" : "status");
  box.append(Object.assign(document.createElement("span"), { textContent: text }));
  if (undo) {
    const button = Object.assign(document.createElement("button"), { className: "link", textContent: words.undo });
    button.onclick = async () => {
      box.remove();
      await send(null, `${root}do/${undo.operation}`, new URLSearchParams({ csrf: csrf(), ...undo.fields }));
    };
    box.append(button);
  }
  if (id) box.append(copier(id));
  document.getElementById("toasts").append(box);
  leave(box);
}

async function send(form, action, fields, into) {
  clear(form);
  const buttons = form ? [...form.querySelectorAll("button")].filter((button) => !button.disabled) : [];
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(action, { method: "POST", headers: { accept: "application/json" }, body: fields });
    if (answer.headers.get("content-type")?.startsWith("text/html")) await shown(answer, into);
    else await done(form, answer, await answer.json());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    toast(words.unreachable, { bad: true });
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** A page in answer: what is shown only once, of which a button may want a part alone (data-into); or a login that has ended. */
async function shown(answer, into) {
  if (answer.redirected) return location.assign(answer.url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [place, part] = [document, page].map((each) => into && each.getElementById(into));
  if (place && part) morph(place, part);
  else show(page);
}

async function done(form, answer, said) {
  if (said.error?.code === "proof_needed") return location.assign(`${root}prove?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!answer.ok) {
    const known = form && at(form, said.error);
    if (!known) toast(said.error.message, { bad: true, id: answer.headers.get("x-request-id") ?? "" });
    return;
  }
  const next = form?.elements.namedItem("next")?.value;
  if (next && new URL(next, location.href).pathname !== location.pathname) {
    sessionStorage.setItem(KEPT, JSON.stringify(said));
    location.assign(next);
    return;
  }
  form?.reset();
  toast(said.text, { undo: said.undo });
  if (next) await visit(next, { replace: true });
  else show(await read());
}

/** Show an error at the field that it names. */
function at(form, error) {
  const found = error.param && form.elements.namedItem(error.param);
  const field = found instanceof RadioNodeList ? found[found.length - 1] : found;
  if (!field || field.type === "hidden") return false;
  const text = Object.assign(document.createElement("small"), { className: "error", textContent: error.message });
  text.id = `error-${error.param}`;
  text.setAttribute("role", "alert");
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", text.id);
  field.after(text);
  for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  field.focus();
  return true;
}

function clear(form) {
  for (const text of form?.querySelectorAll("small.error") ?? []) text.remove();
  for (const field of form?.querySelectorAll("[aria-invalid]") ?? []) field.removeAttribute("aria-invalid");
}

/** What cannot be undone asks for the name of the thing (the form's field confirm), or for a yes (the button's ask). */
async function agreed(form, button) {
  const name = form.elements.namedItem("confirm")?.value;
  const question = button?.name === "ask" ? button.value : name && words.confirm.replace("{}", name);
  if (!question) return true;
  const dialog = document.createElement("dialog");
  const inner = Object.assign(document.createElement("form"), { method: "dialog" });
  const label = Object.assign(document.createElement("label"), { className: "field", textContent: question });
  const field = Object.assign(document.createElement("input"), { autocomplete: "off", spellcheck: false });
  const yes = Object.assign(document.createElement("button"), { textContent: words.yes, value: "yes", className: "danger" });
  const no = Object.assign(document.createElement("button"), { textContent: words.no, value: "no", type: "button" });
  const buttons = Object.assign(document.createElement("div"), { className: "buttons" });
  if (name) {
    yes.disabled = true;
    field.oninput = () => (yes.disabled = field.value.trim() !== name);
    label.append(field);
  }
  no.onclick = () => dialog.close("no");
  buttons.append(no, yes);
  inner.append(label, buttons);
  dialog.append(inner);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => (dialog.onclose = resolve));
  dialog.remove();
  return dialog.returnValue === "yes";
}

function copier(id) {
  const button = Object.assign(document.createElement("button"), { className: "id", type: "button", textContent: id });
  button.dataset.copy = id;
  return button;
}

function leave(box) {
  setTimeout(() => (box.matches(":hover, :focus-within") ? leave(box) : box.remove()), SHOWN);
}

for (const box of document.querySelectorAll("#toasts > .toast")) leave(box);
const kept = sessionStorage.getItem(KEPT);
if (kept) {
  sessionStorage.removeItem(KEPT);
  const said = JSON.parse(kept);
  toast(said.text, { undo: said.undo });
}
