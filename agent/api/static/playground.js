/**
 * The playground: what a site would do with the CPS agent, with the same client and as a page like any other.
 * Everything that comes from the agent is shown as text, never as markup.
 * SPDX-License-Identifier: Apache-2.0
 */
import { CpsAgent, fromBase64, toBase64 } from "./cps-agent.js";
import { NAMES, makeForDmp } from "./playground-dmp.js";
import { FORMATS, nameResult } from "./playground-formats.js";
import { ENGLISH, SAID } from "./playground-words.js";

const ABILITIES = ["identity", "authenticate", "sign", "events"];
const MAX_EVENTS = 12;

const $ = (id) => document.getElementById(id);
const agent = new CpsAgent({ ports: [Number(location.port || 80)] });
const french = new Map([...document.querySelectorAll("[data-text]")].map((element) => [element, element.textContent]));
let language = "fr";
let pending = null; // the AbortController of what is being done
let shown = { status: ["ready"], problem: null, cards: null, grants: [], stream: null, verdict: null };

/** Sentence of SAID in the person's language, with `{}` replaced. */
function say(key, value) {
  return SAID[key][language === "fr" ? 0 : 1].replace("{}", value ?? "");
}

/** An element with text or children; nothing is ever parsed. */
function make(tag, attributes, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", {}, ...given.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}

/** A distinguished name (RFC 4514) with the short names of its attributes. */
function readable(name) {
  return name.replaceAll("2.5.4.42=", "GN=").replaceAll("2.5.4.4=", "SN=").replaceAll("2.5.4.12=", "title=");
}

function moment(text) {
  return new Date(text).toLocaleString(language);
}

function day(text) {
  return new Date(text).toLocaleDateString(language, { dateStyle: "long" });
}

/* Language */

function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  for (const [element, text] of french) element.textContent = chosen === "fr" ? text : ENGLISH[element.dataset.text];
  document.title = $("main").ownerDocument.querySelector("h1").textContent;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === chosen));
  }
  render();
}

function render() {
  showStatus(...shown.status);
  showProblem(shown.problem);
  if (shown.cards) showCards(shown.cards);
  showVerdict(shown.verdict);
  showGrants(shown.grants);
  if (shown.stream) $("stream").textContent = say(shown.stream);
}

/* Status and problems */

function showStatus(key, kind = "", value = undefined) {
  shown.status = [key, kind, value];
  $("status").textContent = key in SAID ? say(key, value) : language === "fr" ? french.get($("status")) : ENGLISH[key];
  $("status").parentElement.className = `status ${kind}`;
}

function showProblem(error) {
  shown.problem = error;
  $("problem").hidden = error === null;
  if (error === null) return;
  $("problem-title").textContent = say("failed");
  $("problem-detail").textContent = (language === "fr" ? error.detailFr : error.detail) ?? String(error);
  $("problem-tries").hidden = typeof error.triesLeft !== "number";
  $("problem-tries").textContent = say("triesLeft", error.triesLeft);
  $("problem-code").textContent = error.code ?? error.name;
  $("problem-layer").textContent = error.layer ?? "page";
  $("problem-hint").hidden = !error.hint;
  $("problem-hint").textContent = error.hint ?? "";
}

/** Run one thing at a time, tell how it goes, and let the person give it up. */
async function act(status, work) {
  pending = new AbortController();
  showProblem(null);
  showStatus(status, "busy");
  enable();
  try {
    showStatus(...(await work(pending.signal)));
  } catch (error) {
    showStatus(...(error.code === "aborted" ? ["aborted"] : ["failed", "failed"]));
    if (error.code !== "aborted") {
      showProblem(error);
      $("problem").focus();
    }
  } finally {
    pending = null;
    enable();
  }
}

function enable() {
  const granted = shown.grants.length > 0;
  $("cancel").hidden = pending === null;
  $("connect").disabled = pending !== null;
  for (const id of ["refresh", "login", "sign", "verify", "dmp"]) $(id).disabled = pending !== null || !granted;
  for (const button of $("grants").querySelectorAll("button")) button.disabled = pending !== null;
}

/* The agent */

async function connect(signal) {
  const { version } = await agent.find({ signal });
  await agent.requestGrant(ABILITIES, { signal });
  showGrants(await agent.grants({ signal }));
  unfollow?.();
  unfollow = agent.events(hear);
  await readCards(signal);
  return ["connected", "done", version];
}

async function readCards(signal) {
  const cards = await agent.cards({ signal });
  showCards(cards);
  return ["cardsRead", "done", cards.length];
}

async function login(signal) {
  const nonce = await toBase64(crypto.getRandomValues(new Uint8Array(32)));
  $("token").replaceChildren();
  const token = await agent.authenticate(nonce, { signal });
  const certificates = await agent.certificates({ signal });
  const known = certificates.find((each) => each.certificate === token.unverifiedCertificate);
  $("token").replaceChildren(
    facts([
      [say("subject"), known && readable(known.subject)],
      [say("origin"), location.origin],
      [say("nonce"), nonce],
      [say("algorithm"), token.algorithm],
      [say("format"), token.format],
      [say("certificate"), say("bytes", fromBase64(token.unverifiedCertificate).length)],
      [say("signature"), say("bytes", fromBase64(token.signature).length)],
    ]),
    make("details", {}, make("summary", {}, say("wholeToken")), make("pre", {}, JSON.stringify(token, null, 2))),
  );
  return ["loggedIn", "done"];
}

async function sign(signal) {
  const files = [...$("file").files];
  $("signature").replaceChildren();
  if (files.length === 0) return missing("file");
  const terms = readTerms();
  const documents = files.map((file) => ({ name: file.name, content: file, mediaType: file.type || undefined }));
  if (files.length > 1 && terms.format !== "asic-e") return signBatch(signal, documents, terms);
  const [signature] = await agent.sign(documents, { ...terms, signal });
  const made = makeFile(files[0].name, signature, terms);
  const check = make("button", { type: "button", id: "verify-made" }, say("verifyThis"));
  const original = terms.packaging === "detached" ? files[0] : undefined;
  check.onclick = () => act("verifying", (signal) => judge(signal, made, original));
  $("signature").replaceChildren(make("p", {}, link(made, "download"), ` (${say("bytes", made.size)})`), check);
  return ["signed", "done"];
}

/** Several files: one manifest, one code, each signature by itself. */
async function signBatch(signal, documents, terms) {
  await agent.requestGrant(["batch"], { signal });
  showGrants(await agent.grants({ signal }));
  const { id } = await agent.createBatch(documents, { ...terms, signal });
  const onProgress = ({ signed, failed, count }) => showStatus("batchRunning", "busy", `${signed + failed} / ${count}`);
  const batch = await agent.runBatch(id, { signal, onProgress });
  const items = batch.documents.map(async ({ name, problem }, index) => {
    if (problem) return make("li", {}, `${name} : ${sentence({ sentence: problem.detail, sentenceFr: problem.detailFr })}`);
    const signature = await agent.batchSignature(id, index, { signal });
    return make("li", {}, link(makeFile(name, signature, terms)));
  });
  $("signature").replaceChildren(make("ul", { className: "list" }, ...(await Promise.all(items))));
  await agent.cancelBatch(id, { signal });
  return ["batchDone", "done", `${batch.signed} / ${batch.count}`];
}

function makeFile(name, signature, terms) {
  return new File([fromBase64(signature.content)], nameResult(name, terms), { type: signature.mediaType });
}

function link(file, id = "") {
  return make("a", { href: URL.createObjectURL(file), download: file.name, id }, say("save", file.name));
}

async function makeDmp(signal) {
  const [kind, ins, structure] = ["dmp-kind", "dmp-ins", "dmp-structure"].map((id) => $(id).value.trim());
  const [file] = $("dmp-file").files;
  $("dmp-made").replaceChildren();
  if (kind === "submission" && !file) return missing("dmp-file");
  const answer = await makeForDmp(agent, { kind, ins, structure, file }, signal).catch(offerStructures);
  const made = new File([fromBase64(answer.content)], NAMES[kind], { type: answer.mediaType });
  const content = make("details", {}, make("summary", {}, say("content")), make("pre", {}, await made.text()));
  $("dmp-made").replaceChildren(make("p", {}, link(made, "dmp-download"), ` (${say("bytes", made.size)})`), content);
  return ["made", "done"];
}

/** What the card tells stands in the refusal of anything else. */
function offerStructures(error) {
  $("structures").replaceChildren(...(error.structures ?? []).map(({ id, name }) => make("option", { value: id }, name ?? id)));
  throw error;
}

function offerDmp() {
  const kind = $("dmp-kind").value;
  $("dmp-file").disabled = kind !== "submission";
  for (const id of ["dmp-ins", "dmp-structure"]) $(id).disabled = kind !== "vihf";
}

function missing(id) {
  $(id).focus();
  return ["noFile"];
}

/** What the form says, as the agent takes it. */
function readTerms() {
  const terms = Object.fromEntries(["format", "level", "packaging"].map((id) => [id, $(id).value]));
  return terms.format === "pades" && $("visible").checked ? { ...terms, appearance: {} } : terms;
}

/** Offer the levels and packagings of the chosen format, its usual ones first. */
function offer() {
  const { levels, packagings } = FORMATS[$("format").value];
  for (const [id, possible] of [["level", levels], ["packaging", packagings]]) {
    for (const option of $(id).options) option.disabled = option.hidden = !possible.includes(option.value);
    $(id).value = possible[0];
  }
  $("visible").disabled = $("format").value !== "pades";
}

/* Verification */

async function verify(signal) {
  const [[signed], [original]] = [$("signed").files, $("original").files];
  return signed ? judge(signal, signed, original) : missing("signed");
}

async function judge(signal, signed, original) {
  $("verdict").replaceChildren();
  const [verified] = await agent.verify({ name: signed.name, content: signed, detachedContent: original }, { signal });
  showVerdict(verified);
  return ["verified", "done"];
}

function showVerdict(verified) {
  shown.verdict = verified;
  if (!verified) return;
  const none = verified.signatures.length ? null : make("p", {}, sentence(verified));
  $("verdict").replaceChildren(...verified.signatures.map(verdictElement), ...(none ? [none] : []));
}

function sentence(told) {
  return (language === "fr" ? told.sentenceFr : told.sentence) ?? "";
}

function verdictElement(verdict) {
  const { signer } = verdict;
  const profession = signer?.profession?.label ?? signer?.profession?.code;
  return make(
    "article",
    { className: `person ${verdict.status}` },
    make("h3", {}, `${verdict.format} : ${say(verdict.status)}`),
    make("p", {}, sentence(verdict)),
    facts([
      [say("signer"), signer && [signer.name, signer.kind, profession].filter(Boolean).join(", ")],
      [say("level"), verdict.level],
      [say("claimedAt"), verdict.claimedAt && moment(verdict.claimedAt)],
      [say("provenAt"), verdict.provenAt && moment(verdict.provenAt)],
      [say("reason"), verdict.reason],
    ]),
  );
}

async function revoke(signal, id) {
  await agent.revoke({ id, signal });
  showGrants(await agent.grants({ signal }));
  return ["revoked", "done"];
}

/* What is shown of it */

function showGrants(grants) {
  shown.grants = grants;
  $("grants").hidden = grants.length === 0;
  $("grants").replaceChildren(
    ...grants.map((grant) => {
      const abilities = grant.abilities.map((ability) => (ability in SAID ? say(ability) : ability));
      const end = grant.untilStop ? say("untilStop") : say("until", day(grant.expiresAt));
      const button = make("button", { type: "button", onclick: () => act("asking", (signal) => revoke(signal, grant.id)) });
      button.append(say("revoke"));
      return make("li", {}, make("span", {}, `${grant.caller} : ${abilities.join(", ")}, ${end}`), button);
    }),
  );
  if (grants.length === 0 && shown.cards) showCards(null);
  enable();
}

function showCards(cards) {
  shown.cards = cards;
  const nothing = make("p", { className: "quiet" }, say(cards ? "noCard" : "noCardsYet"));
  $("cards").replaceChildren(...(cards?.length ? cards.map(cardElement) : [nothing]));
}

function cardElement(card) {
  const { holder } = card;
  const name = [holder.title, holder.givenName, holder.familyName].filter(Boolean).join(" ");
  const mark = card.test ? make("span", { className: "mark" }, say("test")) : null;
  return make(
    "article",
    { className: card.test ? "person test" : "person" },
    make("h3", {}, name, mark),
    facts([
      ["RPPS", holder.rpps],
      [say("nationalId"), holder.nationalId],
      [say("profession"), holder.profession?.label ?? holder.profession?.code],
      [say("speciality"), holder.speciality?.label ?? holder.speciality?.code],
      [say("number"), `${card.number} (${card.kind}, ${card.generation})`],
      [say("reader"), card.reader],
      [say("expires"), day(card.expiresAt)],
      [say("pin"), pinText(card.pin)],
    ]),
  );
}

function pinText(pin) {
  if (!pin) return say("pinUnknown");
  if (pin.state === "blocked") return say("pinBlocked");
  return typeof pin.triesLeft === "number" ? say("pinReady", pin.triesLeft) : say("pinReadyUnknown");
}

let unfollow = null;

function hear(event) {
  const stream = { "stream-open": "streamOpen", "stream-lost": "streamLost", "stream-ended": "streamEnded" }[event.type];
  if (stream) {
    shown.stream = stream;
    $("stream").textContent = say(stream);
    if (stream === "streamEnded") agent.grants().then(showGrants, () => {}); // it most likely ended with the grant
    return;
  }
  if (["state", "state-changed"].includes(event.type)) return; // for programs that show the desk as a whole
  const what = event.type in SAID ? say(event.type) : event.type;
  const where = [event.reader, event.cardNumber].filter(Boolean).join(", ");
  const time = make("time", { dateTime: new Date().toISOString() }, new Date().toLocaleTimeString(language));
  $("events").prepend(make("li", {}, make("span", {}, where ? `${what} : ${where}` : what), time));
  while ($("events").children.length > MAX_EVENTS) $("events").lastChild.remove();
  if (["card-ready", "card-removed", "card-trouble", "pin-changed"].includes(event.type)) refresh();
}

/** After an event: no question, no status, and no alarm when it fails, for the next event may mend it. */
async function refresh() {
  const cards = await agent.cards().catch(() => []);
  if (shown.grants.length > 0) showCards(cards);
}

/* Start: the agent's page at another of its names would be the agent's own origin, not a site's */

if (location.hostname !== "localhost") {
  location.replace(`http://localhost:${location.port}/`);
} else {
  $("connect").onclick = () => act("asking", connect);
  $("refresh").onclick = () => act("reading", readCards);
  $("login").onclick = () => act("asking", login);
  $("sign").onclick = () => act("asking", sign);
  $("verify").onclick = () => act("verifying", verify);
  $("dmp").onclick = () => act("asking", makeDmp);
  $("dmp-kind").onchange = offerDmp;
  $("format").onchange = offer;
  offer();
  offerDmp();
  $("cancel").onclick = () => pending?.abort();
  for (const button of document.querySelectorAll("[data-language]")) button.onclick = () => speak(button.dataset.language);
  speak(/^en\b/i.test(navigator.language) ? "en" : "fr");
}
