// Verifies JSON Web Signatures with `jose` from npm: one JSON command a line on standard input, one answer a line on standard output.
import { createInterface } from "node:readline";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node.js 18 has it in a module alone
const { compactVerify, decodeProtectedHeader, flattenedVerify, importX509 } = await import("jose");

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const base64url = (text) => Buffer.from(text, "base64").toString("base64url");
const pem = (der) => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----`;

/** Header and payload of a signature whose certificate is the first of its `x5c`; `payload`: a detached one, in base64. */
async function verify({ jws, payload, critical = [] }) {
  const flattened = jws.startsWith("{") ? JSON.parse(jws) : fromCompact(jws);
  if (payload !== null) flattened.payload = base64url(payload);
  const { alg, x5c } = decodeProtectedHeader(flattened);
  const key = await importX509(pem(x5c[0]), alg);
  const options = { algorithms: ["RS256", "PS256"], crit: Object.fromEntries(critical.map((name) => [name, true])) };
  const whole = jws.startsWith("{") || payload !== null ? flattened : jws;
  const verified = await (typeof whole === "string" ? compactVerify : flattenedVerify)(whole, key, options);
  return { header: verified.protectedHeader, payload: base64(verified.payload) };
}

function fromCompact(jws) {
  const [header, payload, signature] = jws.split(".");
  return { protected: header, payload, signature };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: await verify(JSON.parse(line)) };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
