/**
 * Client of the CPS agent for web pages: one ES module without dependencies, to ship with your own page.
 * Make the first call from a click: the browser then asks the person whether your site may reach this computer.
 *
 *     const agent = new CpsAgent();
 *     await agent.requestGrant(["identity", "authenticate"]);
 *     const token = await agent.authenticate(nonceFromYourServer);
 *
 * `targetAddressSpace` is not needed for http://127.0.0.1, and a browser that does not know its value refuses the call.
 * SPDX-License-Identifier: Apache-2.0
 */

const PORTS = [27710, 27720, 27730];
const MAX_BODY = 16 * 1024 * 1024;
const JSON_UP_TO = 1024 * 1024; // bytes of content; more is sent as files, without base64
const POLL_MS = 300;
const CHUNK = 24576; // bytes; a multiple of 3, so that pieces of base64 can be joined
const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 15000;
const PERMISSIONS = ["loopback-network", "local-network", "local-network-access"]; // the names of newer browsers first

/** What the client itself finds: code → layer, sentence in English, sentence in French. */
const OWN_PROBLEMS = {
  "agent-unreachable": [
    "browser",
    "The CPS agent does not answer. Either it is not running on this computer: start it. Or the browser keeps this " +
      "site from reaching it: left of the address, allow other apps and services on this device. Then try again.",
    "L'agent CPS ne répond pas. Soit il n'est pas démarré sur ce poste : démarrez-le. Soit le navigateur empêche ce " +
      "site de le joindre : à gauche de l'adresse, autorisez les autres applications de cet appareil. Puis réessayez.",
  ],
  "local-network-access-denied": [
    "browser",
    "The browser does not let this site reach the CPS agent. Click the icon left of the address, allow other apps " +
      "and services on this device (or the local network), reload the page, then try again.",
    "Le navigateur interdit à ce site de joindre l'agent CPS. Cliquez sur l'icône à gauche de l'adresse, autorisez " +
      "les autres applications de cet appareil (ou le réseau local), rechargez la page, puis réessayez.",
  ],
  "body-too-large": ["call", "Too large for one call (16 MB).", "Trop volumineux pour un seul appel (16 Mo)."],
  "grant-required": ["gate", "This site may not follow cards.", "Ce site n'est pas autorisé à suivre les cartes."],
  "bad-answer": ["call", "What answers is not the CPS agent.", "Ce qui répond n'est pas l'agent CPS."],
  aborted: ["call", "The page gave the call up.", "La page a abandonné l'appel."],
};

/**
 * @typedef {{signal?: AbortSignal}} CallOptions
 * @typedef {{signal?: AbortSignal, cardNumber?: string}} CardOptions
 * @typedef {"cms"|"cades"|"xades"|"xmldsig"|"pades"|"asic-e"|"jws"|"jades"} Format `cms` where none is given
 * @typedef {{format?: Format, level?: "B"|"T"|"LT"|"LTA", packaging?: "detached"|"enveloping"|"enveloped",
 *   detached?: boolean, scheme?: "RS256"|"PS256", serialization?: "compact"|"json", claimedRole?: string,
 *   policy?: {identifier: string, digest: string, uri?: string}, reason?: string, location?: string, field?: string,
 *   appearance?: {page?: number, x?: number, y?: number, width?: number, height?: number}}} SignatureTerms as in the API
 * @typedef {CardOptions & SignatureTerms} SignOptions
 * @typedef {Blob|ArrayBuffer|Uint8Array} Content a File is a Blob
 * @typedef {{name: string, content: Content, mediaType?: string, uri?: string}} NamedContent
 * @typedef {{name: string, digest: string, digestAlgorithm: "sha256", mediaType?: string, uri?: string}} NamedDigest
 * @typedef {{name: string, content: Content, detachedContent?: Content}} SignedContent `detachedContent`: what is signed
 * @typedef {{name: string, content: string, certificate: string, mediaType: string}} Signature base64: see `fromBase64`
 * @typedef {{id: string, state: "waiting"|"asking"|"running"|"paused"|"done", count: number, signed: number, failed: number,
 *   left: number, problem: object|null, documents?: {name: string, state: string, problem: object|null}[]}} Batch
 * @typedef {{valid: boolean, status: string, format: string, level: string|null, signer: object|null, reason?: string,
 *   sentence: string, sentenceFr: string}} Verdict
 * @typedef {{name: string, signatures: Verdict[], reason?: string, sentence?: string, sentenceFr?: string}} Verified
 * @typedef {{unverifiedCertificate: string, algorithm: string, signature: string, format: string}} WebEidToken
 * @typedef {{id: string, caller: string, abilities: string[], expiresAt: string, untilStop: boolean}} Grant
 * @typedef {{type: string, reader?: string|null, cardNumber?: string, condition?: string, code?: string, id?: string,
 *   caller?: string, kind?: string, service?: string, readers?: object[], sessions?: object[], error?: CpsAgentError}}
 *   AgentEvent the agent's own (`state` first: all that is there; then `card-ready`, `state-changed`, …) and
 *   of the stream: `stream-open`, `stream-lost` (it tries again), `stream-ended` (`error` says why)
 */

/** Any failure. `code` is stable; `detail` and `detailFr` say to the person what to do. */
export class CpsAgentError extends Error {
  /** @param {Record<string, any>} problem of the agent (RFC 9457), or its like @param {unknown} [cause] */
  constructor(problem, cause) {
    super(problem.detail, { cause });
    this.name = "CpsAgentError";
    /** @type {string} */ this.code = problem.code;
    /** @type {string} */ this.detail = problem.detail;
    /** @type {string} */ this.detailFr = problem.detailFr;
    /** @type {string} at fault: pcsc, reader, card, person, gate, call, browser, … */ this.layer = problem.layer;
    /** @type {number|null} tries left of the card's code */ this.triesLeft = problem.triesLeft ?? null;
    /** @type {number|null} of HTTP; null when the client itself says so */ this.status = problem.status ?? null;
    /** @type {string|null} for the developer */ this.hint = problem.hint ?? null;
    /** @type {string|null} in the reader, no CPS: vitale, bank, … */ this.card = problem.card ?? null;
    /** @type {{id: string, name: string|null, sector: string|null}[]} on the card */ this.structures = problem.structures ?? [];
    /** @type {string|null} the one to ask for */ this.ability = problem.ability ?? null;
  }
}

/** One of the problems that the client itself finds. */
function ownProblem(code, cause) {
  const [layer, detail, detailFr] = OWN_PROBLEMS[code];
  return new CpsAgentError({ code, layer, detail, detailFr, hint: cause && String(cause) }, cause);
}

/** The agent of this workstation, as this page may use it. Nothing is sent before the first call. */
export class CpsAgent {
  #ports;
  #fetch;
  #onEvent;
  #address = null;
  #listeners = [];
  #stream = null; // the AbortController that ends it

  /** @param {{ports?: number[], fetch?: typeof fetch, onEvent?: (event: AgentEvent) => void}} [options] */
  constructor({ ports = PORTS, fetch = globalThis.fetch.bind(globalThis), onEvent } = {}) {
    this.#ports = ports;
    this.#fetch = fetch;
    this.#onEvent = onEvent;
  }

  /**
   * Find the agent; the other calls do it when needed. A page without a grant learns name and version alone.
   * @param {CallOptions} [options] @returns {Promise<{name: string, version: string, port: number}>}
   */
  async find({ signal } = {}) {
    const found = await Promise.any(this.#ports.map((port) => this.#probe(port, signal))).catch(({ errors }) => {
      this.#address = null;
      throw errors.find((error) => error.status) ?? errors.find((error) => error.code !== "bad-answer") ?? errors[0];
    });
    this.#address = `127.0.0.1:${found.port}`;
    return found;
  }

  /**
   * Ask the person for abilities (`identity`, `authenticate`, `sign`, `events`, …), but not again for granted ones.
   * @param {string[]} abilities @param {CallOptions} [options] @returns {Promise<Grant>}
   */
  requestGrant(abilities, options) {
    return this.#call("POST", "/v1/grants", options, { abilities });
  }

  /** This site's own grants. @param {CallOptions} [options] @returns {Promise<Grant[]>} */
  grants(options) {
    return this.#call("GET", "/v1/grants", options).then(({ grants }) => grants);
  }

  /** Give back this site's grants, or one. @param {CallOptions & {id?: string}} [options] @returns {Promise<void>} */
  async revoke({ id, signal } = {}) {
    const ids = id ? [id] : (await this.grants({ signal })).map((grant) => grant.id);
    for (const each of ids) await this.#call("DELETE", `/v1/grants/${encodeURIComponent(each)}`, { signal });
  }

  /** The cards in the readers, with their holders. @param {CallOptions} [options] @returns {Promise<object[]>} */
  async cards(options) {
    return (await this.#call("GET", "/v1/cards", options)).cards;
  }

  /**
   * Where the holder works. The agent asks for the code, once while the card stays; then `cards` tells it too.
   * @param {string} cardNumber @param {CallOptions} [options] @returns {Promise<object[]>}
   */
  async situations(cardNumber, options) {
    const path = `/v1/cards/${encodeURIComponent(cardNumber)}/situations`;
    return (await this.#call("POST", path, options, {})).situations;
  }

  /** The means of identification of these holders. @param {CallOptions} [options] @returns {Promise<object[]>} */
  async means(options) {
    return (await this.#call("GET", "/v1/means", options)).bearers;
  }

  /** The certificates of these cards, with chains. @param {CallOptions} [options] @returns {Promise<object[]>} */
  async certificates(options) {
    return (await this.#call("GET", "/v1/certificates", options)).certificates;
  }

  /** The holder of a card in the Annuaire Santé. @param {string} rpps @param {CallOptions} [options] @returns {Promise<object>} */
  directory(rpps, options) {
    return this.#call("GET", `/v1/directory/${encodeURIComponent(rpps)}`, options);
  }

  /**
   * Log in: the agent asks for the code, the card signs this page's origin and the nonce; your server checks the token.
   * @param {string} challengeNonce base64 of 32 bytes @param {CardOptions} [options] @returns {Promise<WebEidToken>}
   */
  authenticate(challengeNonce, { cardNumber, ...options } = {}) {
    return this.#call("POST", "/v1/authentications", options, { format: "web-eid:1.0", challengeNonce, cardNumber });
  }

  /**
   * Sign documents, with one code for all; large ones are sent as files.
   * @param {Content|NamedContent|NamedDigest|(Content|NamedContent|NamedDigest)[]} documents
   * @param {SignOptions} [options] @returns {Promise<Signature[]>} in the same order; one for all as ASiC-E
   */
  async sign(documents, { signal, format = "cms", ...terms } = {}) {
    return (await this.#submit("/v1/signatures", { signal }, { format, ...terms }, documents)).signatures;
  }

  /**
   * Verify the signatures of files. `anchors`: base64 of certificates to trust instead of those that the agent knows.
   * @param {Content|SignedContent|(Content|SignedContent)[]} documents
   * @param {CallOptions & {anchors?: string[]}} [options] @returns {Promise<Verified[]>} in the same order
   */
  async verify(documents, { signal, ...terms } = {}) {
    return (await this.#submit("/v1/verifications", { signal }, terms, documents)).documents;
  }

  /**
   * Fix up to 1,000 documents that one code is to sign (ability `batch`), and send the contents that are needed.
   * @param {(Content|NamedContent)[]} documents @param {SignOptions} [options] @returns {Promise<Batch>}
   */
  async createBatch(documents, { signal, format = "cms", ...terms } = {}) {
    const taken = documents.map(take);
    const manifest = await Promise.all(taken.map(announce));
    const { id } = await this.#call("POST", "/v1/batches", { signal }, { format, ...terms, documents: manifest });
    const batch = await this.batch(id, { signal });
    for (const [index, each] of batch.documents.entries()) {
      const path = `/v1/batches/${id}/documents/${index}`;
      if (each.needsContent) await this.#call("PUT", path, { signal }, taken[index].files.content);
    }
    return batch;
  }

  /** Where a batch stands. @param {string} id @param {CallOptions} [options] @returns {Promise<Batch>} */
  batch(id, options) {
    return this.#call("GET", `/v1/batches/${encodeURIComponent(id)}`, options);
  }

  /**
   * Have a batch signed, or what is left of one: the agent asks for the code. Rejects with the reason when it pauses.
   * @param {string} id @param {CallOptions & {onProgress?: (batch: Batch) => void}} [options] @returns {Promise<Batch>}
   */
  async runBatch(id, { signal, onProgress } = {}) {
    let batch = await this.#call("POST", `/v1/batches/${encodeURIComponent(id)}/start`, { signal }, {});
    while (["asking", "running"].includes(batch.state)) {
      await pause(POLL_MS, signal ?? new AbortController().signal);
      batch = await this.batch(id, { signal });
      onProgress?.(batch);
    }
    if (batch.problem) throw new CpsAgentError(batch.problem);
    return batch;
  }

  /**
   * A signature of a batch, by its place in the manifest.
   * @param {string} id @param {number} index @param {CallOptions} [options] @returns {Promise<Signature>}
   */
  batchSignature(id, index, options) {
    return this.#call("GET", `/v1/batches/${encodeURIComponent(id)}/documents/${index}`, options);
  }

  /** Stop a batch and have it forgotten. @param {string} id @param {CallOptions} [options] @returns {Promise<null>} */
  cancelBatch(id, options) {
    return this.#call("DELETE", `/v1/batches/${encodeURIComponent(id)}`, options);
  }

  /**
   * The signature of a DMP submission set; members as in the API.
   * @param {object} members @param {CallOptions} [options] @returns {Promise<Signature>}
   */
  async submissionSignature(members, options) {
    return (await this.#call("POST", "/v1/dmp/submission-signature", options, members)).signature;
  }

  /**
   * A VIHF, or the assertion of INSi; members as in the API.
   * @param {"vihf"|"insi"} kind @param {object} members @param {CallOptions} [options] @returns {Promise<Signature>}
   */
  async assertion(kind, members, options) {
    return (await this.#call("POST", `/v1/assertions/${kind}`, options, members)).assertion;
  }

  /**
   * Hear what happens at the desk; needs the ability `events`. The stream is held open while somebody listens.
   * @param {(event: AgentEvent) => void} [listener] besides `onEvent` @returns {() => void} stops listening
   */
  events(listener = () => {}) {
    const own = (event) => listener(event);
    this.#listeners.push(own);
    if (this.#stream === null) this.#follow((this.#stream = new AbortController()).signal);
    return () => {
      if (!this.#listeners.includes(own)) return;
      this.#listeners = this.#listeners.filter((each) => each !== own);
      if (this.#listeners.length === 0) this.close();
    };
  }

  /** Stop the stream of events. The object can still be used. */
  close() {
    this.#listeners = [];
    this.#stream?.abort();
    this.#stream = null;
  }

  /** Keep a WebSocket open, with growing delays, until nobody listens or the agent says that it may not be. */
  async #follow(signal) {
    const tell = (event) => {
      if (signal.aborted) return;
      for (const each of [this.#onEvent, ...this.#listeners]) queueMicrotask(() => each?.(event)); // none stops another
    };
    for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, LAST_DELAY_MS)) {
      const error = await this.#refusal(signal);
      if (error) {
        tell({ type: "stream-ended", error });
        if (!signal.aborted) this.close();
      } else if (this.#address && (await listen(this.#address, signal, tell))) {
        delay = FIRST_DELAY_MS;
        tell({ type: "stream-lost" });
      }
      await pause(delay, signal);
    }
  }

  /** A browser hides why a WebSocket failed, so ask first whether this page may listen; null: it may, or try again. */
  async #refusal(signal) {
    try {
      const grants = await this.grants({ signal });
      return grants.some((grant) => grant.abilities.includes("events")) ? null : ownProblem("grant-required");
    } catch (error) {
      return ["agent-unreachable", "bad-answer", "aborted"].includes(error.code) ? null : error;
    }
  }

  async #probe(port, signal) {
    const status = await this.#send(`http://127.0.0.1:${port}/v1/status`, { signal });
    if (status?.name !== "cps-agent") throw ownProblem("bad-answer");
    return { ...status, port };
  }

  /** Send documents: within JSON, or as files where they are large. */
  async #submit(path, options, request, documents) {
    const taken = [documents].flat().map(take);
    const isLarge = taken.reduce((sum, { files }) => sum + size(files), 0) > JSON_UP_TO;
    if (!isLarge || taken.some(({ told }) => "digest" in told)) {
      return this.#call("POST", path, options, { ...request, documents: await Promise.all(taken.map(inline)) });
    }
    const form = new FormData();
    form.append("request", JSON.stringify({ ...request, documents: taken.map(({ told }) => told) }));
    for (const { told, files } of taken) {
      for (const [member, file] of Object.entries(files)) form.append(member, file, told.name);
    }
    return this.#call("POST", path, options, form);
  }

  async #call(method, path, { signal } = {}, content = undefined) {
    const isRaw = content instanceof FormData || content instanceof Blob;
    const body = isRaw ? content : content && JSON.stringify(content);
    if (body?.length > MAX_BODY) throw ownProblem("body-too-large");
    const types = content instanceof Blob ? { "Content-Type": "application/octet-stream" } : {};
    const headers = body && !isRaw ? { "Content-Type": "application/json" } : types;
    if (this.#address === null) await this.find({ signal });
    try {
      return await this.#send(`http://${this.#address}${path}`, { method, headers, body, signal });
    } catch (error) {
      if (error.code === "agent-unreachable") this.#address = null; // it may come back on another port
      throw error;
    }
  }

  /** Every failure leaves here as a CpsAgentError. */
  async #send(url, options) {
    try {
      const strict = { cache: "no-store", credentials: "omit", redirect: "error" };
      const response = await (0, this.#fetch)(url, { ...options, ...strict });
      const answer = response.status === 204 ? null : await response.json();
      if (response.ok) return answer;
      throw answer?.code ? new CpsAgentError(answer) : ownProblem("bad-answer");
    } catch (error) {
      if (error instanceof CpsAgentError) throw error;
      if (options.signal?.aborted) throw ownProblem("aborted", error);
      if (error instanceof SyntaxError) throw ownProblem("bad-answer", error);
      const denied = (await askBrowser()) === "denied";
      throw ownProblem(denied ? "local-network-access-denied" : "agent-unreachable", error);
    }
  }
}

/** Base64 of any content, piece by piece: it may be large. @param {Content} content @returns {Promise<string>} */
export async function toBase64(content) {
  const bytes = new Uint8Array(await new Blob([content]).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += btoa(String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK)));
  }
  return text;
}

/** The bytes of base64 text. @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** What is told of a document, and its files; a browser writes no quote or line end into the name of a file. */
function take(given, index) {
  const isContent = given instanceof Blob || given instanceof ArrayBuffer || ArrayBuffer.isView(given);
  const { content, detachedContent, ...rest } = isContent ? { content: given, name: given.name } : given;
  const files = Object.entries({ content, detachedContent }).filter(([, each]) => each !== undefined);
  const name = (rest.name || given.content?.name || `document-${index + 1}`).replace(/["\r\n]/g, "_");
  return { told: { ...rest, name }, files: Object.fromEntries(files.map(([member, each]) => [member, new Blob([each])])) };
}

/** A document as the manifest of a batch has it. */
async function announce({ told, files: { content } }) {
  const digest = await crypto.subtle.digest("SHA-256", await content.arrayBuffer());
  return { ...told, size: content.size, digest: await toBase64(digest) };
}

function size(files) {
  return Object.values(files).reduce((sum, file) => sum + file.size, 0);
}

async function inline({ told, files }) {
  const encoded = Object.entries(files).map(async ([member, file]) => [member, await toBase64(file)]);
  return { ...told, ...Object.fromEntries(await Promise.all(encoded)) };
}

/** Live through one connection; answers whether it was ever open. */
function listen(address, signal, tell) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${address}/v1/events`);
    let opened = false;
    const end = () => socket.close();
    socket.onopen = () => {
      opened = true;
      tell({ type: "stream-open" });
    };
    socket.onmessage = ({ data }) => tell(JSON.parse(data));
    socket.onclose = () => resolve(opened, signal.removeEventListener("abort", end));
    signal.addEventListener("abort", end);
  });
}

/** What the browser says of this page's access to the local network: "granted", "denied", "prompt"; null: nothing. */
async function askBrowser() {
  for (const name of PERMISSIONS) {
    const status = await navigator.permissions?.query({ name }).catch(() => null);
    if (status) return status.state;
  }
  return null;
}

function pause(delay, signal) {
  return new Promise((resolve) => {
    const end = () => resolve(clearTimeout(timer), signal.removeEventListener("abort", end));
    const timer = setTimeout(end, signal.aborted ? 0 : delay);
    signal.addEventListener("abort", end);
  });
}
