// Makes the calls of OpenAI's Node SDK at the server of OPENAI_BASE_URL, and prints what came of each as JSON.
// Usage: node calls.mjs PICTURE FILM WEBHOOK, the last a JSON file of a received webhook: body, headers, secret.

import fs from "node:fs";
import OpenAI from "openai";

const [picture, film, webhook] = process.argv.slice(2);
const small = { model: "sora-video", size: "160x96", seconds: "1" };
const client = new OpenAI({ maxRetries: 0 });
const said = {};

const image = () => fs.createReadStream(picture);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const bytes = async (reply) => Buffer.from(await reply.arrayBuffer());

async function ended({ id }) {
  for (;;) {
    const video = await client.videos.retrieve(id);
    if (!["queued", "in_progress"].includes(video.status)) return video;
    await sleep(50);
  }
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
  return null;
}

// Videos.

const created = await client.videos.create({ prompt: "a slow cat", ...small });
const video = await ended(created);
said.create = { id: created.id, status: created.status, requestId: created._request_id };
said.retrieve = video;

const url = `data:image/png;base64,${fs.readFileSync(picture).toString("base64")}`;
const begun = await client.videos.create({ prompt: "the sea", input_reference: { image_url: url }, ...small });
const uploaded = await client.videos.create({ prompt: "the sea", input_reference: image(), ...small });
said.references = [(await ended(begun)).status, (await ended(uploaded)).status];

said.listed = [];
for await (const one of client.videos.list({ limit: 1 })) said.listed.push(one.id);
said.made = [uploaded.id, begun.id, created.id];

said.contents = {};
for (const variant of [undefined, "video", "thumbnail", "spritesheet"]) {
  const reply = await client.videos.downloadContent(video.id, variant ? { variant } : {});
  const data = await bytes(reply);
  const kind = reply.headers.get("content-type");
  said.contents[variant ?? "none"] = { kind, length: data.length, head: data.subarray(0, 12).toString("latin1") };
}

const source = { id: video.id };
said.remix = await ended(await client.videos.remix(video.id, { prompt: "at night" }));
said.edit = await ended(await client.videos.edit({ video: source, prompt: "in winter" }));
said.extend = await ended(await client.videos.extend({ video: source, prompt: "it goes on", seconds: "1" }));

const character = await client.videos.createCharacter({ name: "Mossy", video: fs.createReadStream(film) });
said.character = [character, await client.videos.getCharacter(character.id)];

said.deleted = await client.videos.delete(uploaded.id);
said.gone = await refusal(() => client.videos.retrieve(uploaded.id));
said.unknownModel = await refusal(() => client.videos.create({ prompt: "a cat", model: "sora-9" }));
said.unauthenticated = await refusal(() => new OpenAI({ apiKey: "sk-wrong", maxRetries: 0 }).models.list());

// Images.

const drawing = { prompt: "a kite", size: "160x96" };
const types = async (stream) => {
  const seen = [];
  for await (const event of stream) seen.push(event.type);
  return seen;
};
const generated = await client.images.generate({ ...drawing, n: 2 });
said.generate = { created: generated.created, images: generated.data.map((one) => one.b64_json) };
said.generateStreamed = await types(await client.images.generate({ ...drawing, stream: true }));
said.editImage = (await client.images.edit({ ...drawing, image: [image(), image()] })).data.map((one) => one.b64_json);
said.editStreamed = await types(await client.images.edit({ ...drawing, image: image(), stream: true }));

// Chats.

const chat = (content) => ({
  ...small,
  seconds: 1,
  messages: [{ role: "user", content }],
});
said.chat = (await client.chat.completions.create(chat("a cart"))).choices[0].message.content;
said.chunks = [];
const counted = { stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create({ ...chat("a cart"), ...counted })) {
  said.chunks.push({ ...chunk.choices[0]?.delta, finished: chunk.choices[0]?.finish_reason, usage: chunk.usage });
}
said.failure = await refusal(async () => {
  for await (const _ of await client.chat.completions.create({ ...chat("a cart [refuse]"), stream: true }));
});

// Files, models, webhooks.

const file = await client.files.create({ file: image(), purpose: "vision" });
said.file = { ...file, kept: (await bytes(await client.files.content(file.id))).equals(fs.readFileSync(picture)) };
said.fileDeleted = (await client.files.delete(file.id)).deleted;
said.model = (await client.models.retrieve("sora-2")).id;
said.slashed = await refusal(() => client.models.retrieve("org/name"));

const { body, headers, secret } = JSON.parse(fs.readFileSync(webhook));
said.webhook = await client.webhooks.unwrap(body, headers, secret);
said.forged = await refusal(() => client.webhooks.unwrap(`${body} `, headers, secret));

console.log(JSON.stringify(said));
