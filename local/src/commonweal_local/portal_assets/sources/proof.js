// Checks an inclusion proof in the browser, from nothing but the proof and the body's public keys: docs/how-to/verify.md has the rules.
const bytesOf = (text) => new TextEncoder().encode(text);
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const fromBase64url = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()));
const entryOf = async (kind, number, text) => {
  const entry = new Uint8Array(41);
  entry[0] = (kind === "use" ? "U" : "E").charCodeAt(0);
  new DataView(entry.buffer).setBigInt64(1, number);
  entry.set(await sha256(bytesOf(text)), 9);
  return entry;
};
const nodeOf = (left, right) => sha256(Uint8Array.of(1), left, right);

/** The root that an entry and its path give, or undefined if the path does not fit the tree (RFC 9162, section 2.1.3.2). */
async function climb(entry, index, size, path) {
  if (!(index >= 0 && index < size)) return undefined;
  let [node, last, here] = [index, size - 1, await sha256(Uint8Array.of(0), entry)];
  for (const beside of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      here = await nodeOf(beside, here);
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    } else {
      here = await nodeOf(here, beside);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? here : undefined;
}

/** The seal's body if one of the keys signed it; a key is known by the id that its own bytes give, never by the one it claims. */
async function opened(jws, keys) {
  const [header, body, signature, ...more] = jws.split(".");
  const said = JSON.parse(new TextDecoder().decode(fromBase64url(header)));
  if (more.length || said.alg !== "EdDSA" || said.typ !== "audit-seal+jws" || Object.keys(said).length !== 3) return undefined;
  for (const jwk of keys) {
    if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || (jwk.purpose ?? "Seal") !== "Seal") continue;
    const raw = fromBase64url(jwk.x);
    if (hex(await sha256(raw)).slice(0, 16) !== said.kid) continue;
    const key = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    const holds = await crypto.subtle.verify("Ed25519", key, fromBase64url(signature), bytesOf(`${header}.${body}`));
    return holds ? JSON.parse(new TextDecoder().decode(fromBase64url(body))) : undefined;
  }
  return undefined;
}

/** Whether the row is the one that the seal was made over, and is about one of these ids of the person. */
export async function holds(proof, keys, people) {
  const seal = await opened(proof.seal, keys);
  if (!seal || !["use", "event"].includes(proof.kind)) return false;
  // The number is read from the text: a JSON number of 18 digits would be rounded.
  const written = proof.row.match(proof.kind === "use" ? /"id": ?(\d+)[,}]/ : /"seq": ?(\d+)[,}]/);
  if (!written || BigInt(written[1]) !== BigInt(proof.number)) return false;
  const entry = await entryOf(proof.kind, BigInt(proof.number), proof.row);
  const root = await climb(entry, proof.index, proof.size, proof.path.map(fromHex));
  if (!root || hex(root) !== seal.root || proof.size !== seal.uses + seal.events) return false;
  const row = JSON.parse(proof.row);
  const veils = await Promise.all(people.map(async (person) => hex(await sha256(bytesOf(`${proof.kind}:${proof.number}:${person}`)))));
  return veils.some((veil) => veil === row.subject || (row.subjects ?? []).includes(veil));
}

async function show(place) {
  const { proof, keys, people, holds: good, broken, unable } = place.dataset;
  place.hidden = false;
  try {
    place.textContent = (await holds(JSON.parse(proof), JSON.parse(keys), JSON.parse(people))) ? good : broken;
  } catch (error) {
    place.textContent = error instanceof DOMException && error.name === "NotSupportedError" ? unable : broken;
  }
}

const place = globalThis.document?.getElementById("browser-check");
if (place) await show(place);
