// A stand-in for Pro Santé Connect: node's oidc-provider, with CIBA and mTLS, on the discovery name of the real one. It
// is told what to do by one JSON command a line on standard input, and answers one JSON line each; it ends with its input.
import * as crypto from "node:crypto";
import { createServer } from "node:https";
import { obey } from "./commands.mjs";

globalThis.crypto ??= crypto.webcrypto; // Node.js 18 has it in a module alone
console.info = console.warn = () => {}; // notices of the library: it is no production server
const { default: Provider, errors } = await import("oidc-provider");

const WELL_KNOWN = "/.well-known/wallet-openid-configuration"; // the name that Pro Santé Connect has chosen
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
const payloadOf = (jwt) => decode(jwt.split(".")[1]);
const halfHash = (text) => crypto.createHash("sha256").update(text).digest().subarray(0, 16).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

const makeKey = (kid) => {
  const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" } };
};
const publicJwk = ({ jwk: { kty, n, e, kid, use, alg } }) => ({ kty, n, e, kid, use, alg });
const [key, nextKey] = ["first", "second"].map(makeKey); // the second is in no key set until a test puts it there

/** Sign as told: by `alg` (RS256, PS256, HS256, none) and with the key of that `kid`, whatever the header claims. */
function sign(claims, { header = {}, alg = "RS256", by = "first" } = {}) {
  const input = `${encode({ alg, typ: "JWT", kid: by, ...header })}.${encode(claims)}`;
  const private_ = by === "second" ? nextKey.privateKey : key.privateKey;
  const padding = alg === "PS256" ? crypto.constants.RSA_PKCS1_PSS_PADDING : crypto.constants.RSA_PKCS1_PADDING;
  const made = {
    none: () => Buffer.alloc(0),
    HS256: () => crypto.createHmac("sha256", crypto.createPublicKey(private_).export({ type: "spki", format: "pem" })).update(input).digest(),
    RS256: () => crypto.sign("sha256", Buffer.from(input), private_),
    PS256: () => crypto.sign("sha256", Buffer.from(input), { key: private_, padding, saltLength: 32 }),
  }[alg]();
  return `${input}.${made.toString("base64url")}`;
}

/** Put `changed` over `told`; what is null there is taken away. */
const merge = (told, changed = {}) =>
  Object.fromEntries(Object.entries({ ...told, ...changed }).filter(([, value]) => value !== null));

class Standin {
  changes = new Map(); // what is to go wrong, by path
  asked = []; // method, path and parameters of what came
  calls = new Map(); // CIBA: requests that wait for the person
  acr = "eidas1";
  held = [];

  async start({ tls, persons, clients, lifetimes = {} }) {
    Object.assign(this, { persons, lifetimes, usualLifetimes: lifetimes });
    this.inner = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }); // tokens, keys, userinfo
    this.outer = createServer(tls); // what the browser sees
    const [inner, outer] = await Promise.all([this.inner, this.outer].map(listen));
    this.issuer = `https://127.0.0.1:${inner}`;
    this.wallet = `https://127.0.0.1:${outer}`;
    this.provider = new Provider(this.issuer, this.configure(clients));
    this.issueAccessTokensAsJwt();
    this.provider.registerGrantType(EXCHANGE, (ctx) => this.exchange(ctx), ["subject_token", "subject_token_type", "audience", "resource", "requested_token_type", "actor_token", "actor_token_type", "scope"]);
    this.provider.use((ctx, next) => this.intervene(ctx, next));
    const answer = this.provider.callback();
    for (const server of [this.inner, this.outer]) server.on("request", answer);
    return { issuer: this.issuer, wallet: this.wallet, discovery: this.issuer + WELL_KNOWN };
  }

  configure(clients) {
    return {
      clients,
      jwks: { keys: [key.jwk] },
      acrValues: ["eidas1", "eidas2", "eidas3"],
      claims: { openid: ["sub", "preferred_username"], acr: null, auth_time: null, sid: null, scope_all: Object.keys(Object.values(this.persons)[0]) },
      scopes: ["openid", "scope_all"],
      clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"],
      cookies: { keys: ["a test's own"] },
      extraParams: ["channel"],
      pkce: { required: () => true },
      rotateRefreshToken: true,
      ttl: { AccessToken: () => this.lifetimes.accessToken ?? 120, RefreshToken: () => this.lifetimes.refreshToken ?? 1800, IdToken: 300, BackchannelAuthenticationRequest: 120, Interaction: 600, Session: 3600, Grant: 3600 },
      issueRefreshToken: async (_, client) => client.grantTypeAllowed("refresh_token"),
      extraTokenClaims: (ctx) => this.describeLogin(ctx),
      findAccount: (_, id) => this.findAccount(id),
      loadExistingGrant: (ctx) => this.grantEverything(ctx.oidc.client.clientId, ctx.oidc.session.accountId),
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      renderError: (ctx, out) => {
        ctx.body = out;
      },
      features: {
        devInteractions: { enabled: false },
        revocation: { enabled: true },
        introspection: { enabled: true },
        ciba: {
          enabled: true,
          deliveryModes: ["poll"],
          processLoginHint: (_, hint) => this.findId(hint),
          validateRequestContext: () => {},
          verifyUserCode: () => {},
          triggerAuthenticationDevice: (ctx, request) => this.ring(ctx, request),
        },
        mTLS: {
          enabled: true,
          tlsClientAuth: true,
          certificateBoundAccessTokens: true,
          getCertificate: (ctx) => pemOf(ctx.socket.getPeerCertificate?.(true)?.raw),
          certificateAuthorized: (ctx) => ctx.socket.authorized,
          certificateSubjectMatches: (ctx, _, expected) => ctx.socket.getPeerCertificate().subject.CN === expected,
        },
      },
    };
  }

  /** As Keycloak does: a signed token, which is known again by its `jti`. Its hash is in the id token like any other's. */
  issueAccessTokensAsJwt() {
    const { AccessToken } = this.provider;
    const make = AccessToken.prototype.getValueAndPayload;
    const find = AccessToken.find.bind(AccessToken);
    const standin = this;
    AccessToken.prototype.getValueAndPayload = async function made() {
      const { value, payload } = await make.call(this);
      const bound = payload["x5t#S256"] && { cnf: { "x5t#S256": payload["x5t#S256"] } };
      const { iat, exp, scope, extra } = payload;
      const claims = { iss: standin.issuer, sub: payload.accountId, azp: payload.clientId, typ: "Bearer", jti: value, iat, exp, scope, aud: payload.aud ?? "account", ...extra, ...bound };
      const { claims: changed, ...how } = standin.changes.get("access-token") ?? {};
      return { value: sign(merge(claims, changed), how), payload };
    };
    AccessToken.find = async (value, options) => {
      try {
        return await find(payloadOf(value).jti, options);
      } catch {
        return undefined; // no token of ours
      }
    };
  }

  describeLogin(ctx) {
    const { AuthorizationCode, RefreshToken, BackchannelAuthenticationRequest } = ctx.oidc.entities;
    const { acr, authTime, nonce, sid, amr } = AuthorizationCode ?? RefreshToken ?? BackchannelAuthenticationRequest ?? {};
    return { acr, auth_time: authTime, nonce, sid, authMode: amr?.[0] ?? "MOBILE", auth_level: "1" };
  }

  findId(hint) {
    return Object.keys(this.persons).find((id) => this.persons[id].SubjectNameID === hint);
  }

  findAccount(id) {
    const person = this.persons[id];
    return person && { accountId: id, claims: () => ({ sub: id, ...person }) };
  }

  async grantEverything(clientId, accountId) {
    const grant = new this.provider.Grant({ clientId, accountId });
    grant.addOIDCScope("openid scope_all");
    await grant.save();
    return grant;
  }

  /** The page where one logs in, and what is to go wrong before and after the library has answered. */
  async intervene(ctx, next) {
    if (ctx.path === WELL_KNOWN) ctx.path = "/.well-known/openid-configuration";
    const change = this.changes.get(ctx.path) ?? {};
    if (change.times !== undefined && (change.times -= 1) <= 0) this.changes.delete(ctx.path);
    this.asked.push({ method: ctx.method, path: ctx.path });
    if (change.hang) await new Promise((resume) => this.held.push(resume));
    if (change.instead) return void this.answerInstead(ctx, change.instead);
    if (ctx.path.startsWith("/interaction/")) return void (await this.interact(ctx));
    await next();
    if (ctx.path.endsWith("openid-configuration")) ctx.body = this.announce(ctx.body);
    if (change.body) ctx.body = merge(ctx.body, change.body);
    if (change.set) ctx.set(change.set);
    if (change.idToken && ctx.body.id_token) this.spoilIdToken(ctx.body, change.idToken);
    if (ctx.response.get("location")) this.answerBrowser(ctx, this.answers ?? {});
  }

  answerInstead(ctx, { redirect, ...instead }) {
    Object.assign(ctx, instead);
    if (redirect) ctx.set("location", redirect);
  }

  announce(told) {
    const at = (url) => this.issuer + new URL(url).pathname;
    const moved = Object.entries(told).map(([name, value]) => [name, value && /_endpoint$|_uri$/.test(name) ? at(value) : value]);
    return { ...Object.fromEntries(moved), authorization_endpoint: `${this.wallet}/auth` };
  }

  spoilIdToken(body, { claims, rehash, ...how }) {
    const hash = rehash ? { at_hash: halfHash(body.access_token) } : {};
    body.id_token = sign(merge({ ...payloadOf(body.id_token), ...hash }, claims), how);
  }

  answerBrowser(ctx, changed) {
    const location = new URL(ctx.response.get("location"), this.wallet);
    if (!location.searchParams.has("state")) return; // on its way within the provider
    this.lastCode = location.searchParams.get("code");
    for (const [name, value] of Object.entries(changed)) {
      if (value === null) location.searchParams.delete(name);
      else location.searchParams.set(name, value);
    }
    ctx.set("location", location.href);
  }

  async interact(ctx) {
    const chosen = new URL(ctx.href).searchParams;
    if (!chosen.has("as")) {
      ctx.type = "html";
      ctx.body = this.page();
      return;
    }
    const result = chosen.get("as")
      ? { login: { accountId: this.findId(chosen.get("as")), acr: this.acr, amr: [chosen.get("by")] }, consent: {} }
      : { error: "access_denied" };
    ctx.respond = false;
    await this.provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  }

  page() {
    const ways = Object.values(this.persons).flatMap(({ SubjectNameID: id, family_name: name }) =>
      ["MOBILE", "CARD"].map((by) => `<p><a id="${by}-${id}" href="?as=${id}&by=${by}">${name} (${by})</a></p>`),
    );
    return `<!DOCTYPE html><title>Login</title>${ways.join("")}<p><a id="refuse" href="?as=">No</a></p>`;
  }

  ring(ctx, request) {
    const { login_hint: hint, binding_message: number, channel, acr_values: acr } = ctx.oidc.params;
    this.calls.set(request.jti, { id: request.jti, hint, number, channel, acr });
  }

  /** The person's answer to a call (CIBA); `as`: another one than was called. */
  async answerCall({ id, agrees = true, by = "MOBILE", as }) {
    const request = await this.provider.BackchannelAuthenticationRequest.find(id);
    this.calls.delete(id);
    if (!agrees) return this.provider.backchannelResult(request, new errors.AccessDenied());
    if (as) request.accountId = this.findId(as);
    const grant = await this.grantEverything(request.clientId, request.accountId);
    return this.provider.backchannelResult(request, grant, { acr: this.acr, amr: [by], authTime: now(), sid: crypto.randomUUID() });
  }

  /** Token exchange (RFC 8693): a live access token of a login against one of an hour for an audience. */
  async exchange(ctx) {
    const { params, client } = ctx.oidc;
    const subject = await this.provider.AccessToken.find(params.subject_token ?? "");
    if (!subject?.isValid || subject.clientId !== client.clientId) throw new errors.InvalidGrant("no live subject_token");
    const { acr, authMode, sid } = payloadOf(params.subject_token);
    const claims = { iss: this.issuer, sub: subject.accountId, aud: params.audience, azp: client.clientId, typ: "Bearer", jti: crypto.randomUUID(), iat: now(), exp: now() + 3600, scope: params.scope, acr, authMode, sid };
    ctx.body = { access_token: sign(claims), issued_token_type: "urn:ietf:params:oauth:token-type:access_token", token_type: "Bearer", expires_in: 3600 };
  }
}

const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
const pemOf = (der) => der && new crypto.X509Certificate(der).toString();

const standin = new Standin();
const commands = {
  start: (given) => standin.start(given),
  /** From now on, or for `times` answers, something goes wrong at `path`. */
  change: ({ path, ...change }) => void standin.changes.set(path, change),
  restore: () => {
    standin.changes.clear();
    standin.acr = "eidas1";
    standin.answers = undefined;
    standin.lifetimes = standin.usualLifetimes;
    for (const resume of standin.held.splice(0)) resume();
  },
  /** From now on browsers bring other parameters back; what is null is left out. */
  spoilAnswers: ({ location }) => void (standin.answers = location),
  /** In seconds, of the tokens that are made from now on. */
  lifetimes: (given) => void (standin.lifetimes = given),
  acr: ({ acr }) => void (standin.acr = acr),
  /** What came since this was last asked. */
  asked: () => standin.asked.splice(0),
  sign: ({ claims, ...how }) => sign(claims, how),
  lastCode: () => standin.lastCode,
  jwks: ({ kids }) => ({ keys: [key, nextKey].filter(({ kid }) => kids.includes(kid)).map(publicJwk) }),
  calls: () => [...standin.calls.values()],
  answerCall: (given) => standin.answerCall(given),
};

await obey(commands);
process.exit(0);
