/**
 * The playground: what a site would do with the CPS agent, with the same client and as a page like any other.
 * Everything that comes from the agent is shown as text, never as markup.
 * SPDX-License-Identifier: Apache-2.0
 */
import { CpsAgent, fromBase64, toBase64 } from "./cps-agent.js";

const ABILITIES = ["identity", "authenticate", "sign", "events"];
const MAX_EVENTS = 12;

/** What the page holds in French already is here in English; what scripts say is here in both. */
const ENGLISH = {
  skip: "Skip to content",
  title: "CPS agent: try it",
  lead:
    "This page does what a site would do: it asks for a grant, reads the identity on the card, logs you in and signs. " +
    "The code is asked for by the agent itself, never by this page.",
  ready: "Ready. Nothing is sent before your first click.",
  cancel: "Cancel",
  code: "Code",
  layer: "Layer",
  connectTitle: "1. Grant",
  connectText:
    "The agent will ask you whether this site may read your identity, log you in, have documents signed and follow cards.",
  connect: "Ask for the grant",
  cardsTitle: "2. Card",
  cardsFirst: "Ask for the grant first.",
  refresh: "Read the cards",
  loginTitle: "3. Log in",
  loginText:
    "A random number is drawn here, as a server would do. The card signs it with the origin of this page (Web eID token).",
  login: "Log in with the card",
  signTitle: "4. Signature",
  file: "File to sign (12 MB at most)",
  mode: "Form of the signature",
  detached: "Beside the file (.p7s)",
  enveloping: "Holding the file (.p7m)",
  sign: "Sign with the card",
  eventsTitle: "Live",
  streamOff: "It starts with the grant.",
};
const SAID = {
  asking: ["L'agent vous pose une question : répondez dans sa fenêtre.", "The agent asks you a question: answer in its window."],
  reading: ["Lecture des cartes…", "Reading the cards…"],
  connected: ["Autorisé par l'agent, version {}.", "Granted by the agent, version {}."],
  cardsRead: ["Cartes présentes : {}.", "Cards present: {}."],
  loggedIn: ["Connexion réussie : le jeton est prêt pour le serveur.", "Logged in: the token is ready for the server."],
  signed: ["Signature prête à enregistrer.", "The signature is ready to be saved."],
  revoked: ["Autorisation retirée.", "Grant taken back."],
  failed: ["L'opération n'a pas abouti.", "The operation did not succeed."],
  aborted: ["Opération annulée.", "Operation cancelled."],
  noFile: ["Choisissez d'abord un fichier.", "Choose a file first."],
  noCard: ["Aucune carte. Insérez la carte CPS : cette page le verra.", "No card. Insert the CPS card: this page will see it."],
  noCardsYet: ["Demandez d'abord l'autorisation.", "Ask for the grant first."],
  test: ["CARTE DE TEST", "TEST CARD"],
  nationalId: ["Identifiant national", "National identifier"],
  profession: ["Profession", "Profession"],
  speciality: ["Spécialité", "Speciality"],
  number: ["Numéro de carte", "Card number"],
  reader: ["Lecteur", "Reader"],
  expires: ["Fin de validité", "Valid until"],
  pin: ["Code", "Code"],
  pinReady: ["essais restants : {}", "tries left: {}"],
  pinReadyUnknown: ["utilisable", "usable"],
  pinBlocked: ["bloqué", "blocked"],
  pinUnknown: ["inconnu pour l'instant", "not known just now"],
  triesLeft: ["Essais restants : {}.", "Tries left: {}."],
  subject: ["Sujet du certificat", "Certificate subject"],
  origin: ["Origine signée", "Signed origin"],
  nonce: ["Nombre au hasard", "Random number"],
  algorithm: ["Algorithme", "Algorithm"],
  format: ["Format", "Format"],
  certificate: ["Certificat", "Certificate"],
  signature: ["Signature", "Signature"],
  wholeToken: ["Jeton complet", "Whole token"],
  bytes: ["{} octets", "{} bytes"],
  save: ["Enregistrer {}", "Save {}"],
  until: ["jusqu'au {}", "until {}"],
  untilStop: ["jusqu'à l'arrêt de l'agent", "until the agent stops"],
  revoke: ["Retirer l'autorisation", "Take the grant back"],
  identity: ["lire l'identité", "read the identity"],
  authenticate: ["vous connecter", "log you in"],
  sign: ["faire signer", "have documents signed"],
  events: ["suivre les cartes", "follow cards"],
  streamOpen: ["Suivi des cartes actif.", "Following the cards."],
  streamLost: ["Suivi interrompu ; nouvel essai en cours…", "Connection lost; trying again…"],
  streamEnded: ["Suivi arrêté.", "No longer following."],
  "reader-added": ["Lecteur branché", "Reader plugged in"],
  "reader-removed": ["Lecteur débranché", "Reader unplugged"],
  "card-inserted": ["Carte insérée", "Card inserted"],
  "card-ready": ["Carte lue", "Card ready"],
  "card-trouble": ["Carte inutilisable", "Card cannot be used"],
  "card-removed": ["Carte retirée", "Card removed"],
  "service-stopped": ["Service de cartes arrêté", "Smart card service stopped"],
  "service-started": ["Service de cartes démarré", "Smart card service started"],
  "pin-changed": ["Code modifié", "Code changed"],
};

const $ = (id) => document.getElementById(id);
const agent = new CpsAgent({ ports: [Number(location.port || 80)] });
const french = new Map([...document.querySelectorAll("[data-text]")].map((element) => [element, element.textContent]));
let language = "fr";
let pending = null; // the AbortController of what is being done
let shown = { status: ["ready"], problem: null, cards: null, grants: [], stream: null };

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
  for (const id of ["refresh", "login", "sign"]) $(id).disabled = pending !== null || !granted;
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
  const [file] = $("file").files;
  $("signature").replaceChildren();
  if (!file) {
    $("file").focus();
    return ["noFile"];
  }
  const detached = $("mode").value === "detached";
  const [signature] = await agent.sign(file, { detached, signal });
  const bytes = fromBase64(signature.content);
  const href = URL.createObjectURL(new Blob([bytes], { type: "application/pkcs7-signature" }));
  const download = `${file.name}.${detached ? "p7s" : "p7m"}`;
  $("signature").replaceChildren(
    make("p", {}, make("a", { href, download, id: "download" }, say("save", download)), ` (${say("bytes", bytes.length)})`),
  );
  return ["signed", "done"];
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
  $("cancel").onclick = () => pending?.abort();
  for (const button of document.querySelectorAll("[data-language]")) button.onclick = () => speak(button.dataset.language);
  speak(/^en\b/i.test(navigator.language) ? "en" : "fr");
}
