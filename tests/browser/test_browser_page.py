"""A page of a public https site uses the card: grant, login, signature, events; each result is checked by openssl."""

from __future__ import annotations

import base64
import os

import pytest
from browser_desk import run_agent
from browser_proofs import verify_cms, verify_token

READY = "() => !!window.client"
MAKE = "port => { window.agent = new client.CpsAgent({ ports: [port] }); }"
FAILURE = "error => ({ ...error, name: error.name, message: error.message })"
TRY = f"async text => await (0, eval)(`(async () => {{ ${{text}} }})()`).catch({FAILURE})"

ROUTES = (
    ("GET", "/v1/readers"),
    ("GET", "/v1/cards"),
    ("GET", "/v1/cards/99900001"),
    ("GET", "/v1/certificates"),
    ("GET", "/v1/directory/99700002712"),
    ("GET", "/v1/means"),
    ("POST", "/v1/cards/99900001/situations"),
    ("GET", "/v1/events"),
    ("POST", "/v1/pin/verify"),
    ("POST", "/v1/pin/change"),
    ("POST", "/v1/pin/unblock"),
    ("POST", "/v1/authentications"),
    ("POST", "/v1/signatures"),
    ("POST", "/v1/verifications"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/dmp/submission-signature"),
    ("POST", "/v1/assertions/vihf"),
    ("POST", "/v1/assertions/insi"),
)
CALL = """async ([base, method, path]) => {
  const options = method === "POST" ? { method, headers: { "Content-Type": "application/json" }, body: "{}" } : {};
  const response = await fetch(base + path, options);
  return [response.status, await response.json()];
}"""


@pytest.fixture
def page(desk, web, profile):
    """The site's page, with the browser's permission to reach this computer."""
    profile.permit_local_network(web.public())
    return open_page(profile, web.public(), desk)


def open_page(profile, origin, agent):
    page = profile.open(origin + "/")
    page.wait_for(READY)
    page.run(MAKE, agent.port)
    return page


def test_page_gets_grant_token_and_signature(desk, web, page, tmp_path):
    nonce = base64.b64encode(os.urandom(32)).decode()
    content = os.urandom(300_000)
    assert page.run(TRY, "return await agent.find()") == {
        "name": "cps-agent",
        "version": desk.get("/v1/status")["version"],
        "port": desk.port,
    }

    grant = page.run(TRY, "return await agent.requestGrant(['identity', 'authenticate', 'sign'])")
    assert (grant["caller"], grant["abilities"]) == (web.public(), ["authenticate", "identity", "sign"])
    (card,) = page.run(TRY, "return await agent.cards()")
    assert card["test"] is True
    assert card["holder"]["familyName"]
    listed = page.run(TRY, "return await agent.directory((await agent.cards())[0].holder.rpps)")
    assert (listed["name"], listed["code"], listed["layer"]) == ("CpsAgentError", "directory-off", "directory")

    situations = page.run("number => agent.situations(number)", card["number"])
    assert [each["number"] for each in situations] == [1, 3]
    assert page.run(TRY, "return await agent.cards()")[0]["situations"] == situations

    token = page.run("nonce => agent.authenticate(nonce)", nonce)
    verify_token(token, web.public(), nonce, tmp_path)

    (bearer,) = page.run(TRY, "return await agent.means()")
    assert (bearer["kind"], bearer["verdict"]) == ("person", "enough")
    certificates = page.run(TRY, "return await agent.certificates()")
    (signing,) = [each for each in certificates if each["role"] == "signature"]
    (signed,) = page.run(
        "text => agent.sign(new File([client.fromBase64(text)], 'ordonnance.pdf'))", base64.b64encode(content).decode()
    )
    assert signed["name"] == "ordonnance.pdf"
    assert signed["certificate"] == signing["certificate"]
    assert verify_cms(signed["content"], signing["chain"], tmp_path, content) == content
    assert {("grant", "ok"), ("authenticate", "ok"), ("sign", "ok")} <= desk.outcomes(web.public())


@pytest.mark.parametrize("kind", ["Uint8Array", "ArrayBuffer", "Blob", "File"])
def test_every_kind_of_content_enveloped(agent, web, profile, tmp_path, kind):
    origin = web.local(f"{kind.lower()}.test")
    page = open_page(profile, origin, agent)
    page.run(TRY, "await agent.requestGrant(['identity', 'sign'])")
    made = {
        "Uint8Array": "new Uint8Array([9, ...bytes]).subarray(1)",
        "ArrayBuffer": "bytes.buffer",
        "Blob": "new Blob([bytes])",
        "File": "new File([bytes], 'compte rendu é.txt')",
    }[kind]
    result = page.run(
        TRY,
        f"""const bytes = new TextEncoder().encode("Bonjour");
        const [signature] = await agent.sign({{ name: "n", content: {made} }}, {{ detached: false }});
        const chain = (await agent.certificates()).find((each) => each.role === "signature").chain;
        return [signature, chain];""",
    )
    signature, chain = result
    assert verify_cms(signature["content"], chain, tmp_path) == b"Bonjour"


def test_large_content_is_signed_and_too_large_is_named(agent, web, profile, tmp_path):
    page = open_page(profile, web.local("large.test"), agent)
    page.run(TRY, "await agent.requestGrant(['identity', 'sign'])")
    signature, chain = page.run(
        TRY,
        """const [signature] = await agent.sign(new Uint8Array(8_000_000));
        return [signature, (await agent.certificates()).find((each) => each.role === "signature").chain];""",
    )
    assert signature["name"] == "document-1"
    verify_cms(signature["content"], chain, tmp_path, bytes(8_000_000))
    named = page.run(TRY, "return await agent.sign({ name: 'sc\"an\".dcm', content: new Uint8Array(20_000_000) })")
    assert named[0]["name"] == "sc_an_.dcm"
    verify_cms(named[0]["content"], chain, tmp_path, bytes(20_000_000))
    error = page.run(TRY, "return await agent.sign(new Uint8Array(17_000_000), { packaging: 'enveloping' })")
    assert (error["name"], error["code"]) == ("CpsAgentError", "body-too-large")


def test_formats_digests_and_verification(agent, web, profile):
    page = open_page(profile, web.local("formats.test"), agent)
    page.run(TRY, "await agent.requestGrant(['identity', 'sign'])")
    signed = page.run(
        TRY,
        """const text = new TextEncoder().encode("Bonjour");
        const digest = await client.toBase64(await crypto.subtle.digest("SHA-256", text));
        const terms = { format: "jades", packaging: "detached", serialization: "json", claimedRole: "Médecin" };
        const [signature] = await agent.sign({ name: "a.txt", digest, digestAlgorithm: "sha256" }, terms);
        const content = client.fromBase64(signature.content);
        const large = new Uint8Array(3_000_000);
        const [other] = await agent.sign(large, { format: "jws" });
        return [signature.mediaType, ...await agent.verify([
          { name: "a.json", content, detachedContent: text },
          { name: "b.json", content, detachedContent: new TextEncoder().encode("Bonsoir") },
          { name: "c.jws", content: client.fromBase64(other.content) },
        ])];""",
    )
    assert signed[0] == "application/jose+json"
    verdicts = [each["signatures"][0] for each in signed[1:]]
    assert [(each["valid"], each["format"]) for each in verdicts] == [(True, "jades"), (False, "jades"), (True, "jws")]
    assert verdicts[1]["reason"] == "altered"


def test_a_batch_of_a_page_goes_on_where_it_paused(agent, web, profile):
    page = open_page(profile, web.local("batch.test"), agent)
    page.run(TRY, "await agent.requestGrant(['batch'])")
    states, kept, gone = page.run(
        TRY,
        """const files = ["a", "b"].map((name) => new File([name], name));
        const states = [];
        const { id } = await agent.createBatch(files, { format: "jws", level: "B" });
        const batch = await agent.runBatch(id, { onProgress: ({ state }) => states.push(state) });
        const kept = await agent.batchSignature(id, 1);
        await agent.cancelBatch(id);
        const gone = await agent.runBatch(id).catch((error) => error.code);
        return [[batch.state, batch.signed, states.at(-1)], kept, gone];""",
    )
    assert states == ["done", 2, "done"]
    assert (kept["name"], kept["mediaType"], gone) == ("b", "application/jose", "not-found")


def test_what_the_dmp_and_insi_ask(agent, web, profile):
    page = open_page(profile, web.local("insi.test"), agent)
    page.run(TRY, "await agent.requestGrant(['sign'])")
    submission, insi, wrong = page.run(
        TRY,
        """const content = await client.toBase64(new TextEncoder().encode("x"));
        const documents = [{ id: "1.2.3.4", mediaType: "text/plain", content }];
        const wrong = await agent.assertion("vihf", { mode: "direct", unknown: 1 }).catch((error) => error.code);
        return [await agent.submissionSignature({ submissionSetId: "1.2.3", documents }), await agent.assertion("insi", {}), wrong];""",
    )
    assert b"IHEManifest" in base64.b64decode(submission["content"])
    assert b'NameQualifier="CPS"' in base64.b64decode(insi["content"])
    assert wrong == "bad-request"


def test_ungranted_page_learns_name_and_version_only(agent, web, profile):
    origin = web.public("ungranted.test")
    profile.permit_local_network(origin)
    page = open_page(profile, origin, agent)
    status, body = page.run(CALL, [agent.url, "GET", "/v1/status"])
    assert (status, sorted(body)) == (200, ["name", "version"])
    for method, path in ROUTES:
        status, body = page.run(CALL, [agent.url, method, path])
        assert (status, body["code"], body["layer"]) == (403, "grant-required", "gate"), path
    status, body = page.run(CALL, [agent.url, "GET", "/v1/grants"])
    assert (status, body) == (200, {"grants": []})
    status, body = page.run(CALL, [agent.url, "GET", "/v1/journal"])
    assert status == 401


def test_client_names_the_refused_grant(agent, web, profile):
    page = open_page(profile, web.local("refused.test"), agent)
    error = page.run(TRY, "return await agent.cards()")
    assert (error["name"], error["code"], error["layer"], error["ability"], error["status"]) == (
        "CpsAgentError", "grant-required", "gate", "identity", 403,
    )  # fmt: skip
    assert error["message"] == error["detail"]
    assert "autorisé" in error["detailFr"]
    assert error["triesLeft"] is None


def test_client_names_the_browsers_refusal(agent, web, profile):
    origin = web.public("denied.test")
    page = open_page(profile, origin, agent)
    page.deny_local_network(origin)
    for call in ("find()", "cards()", "requestGrant(['identity'])"):
        error = page.run(TRY, f"return await agent.{call}")
        assert (error["code"], error["layer"]) == ("local-network-access-denied", "browser")
        assert "navigateur" in error["detailFr"]
        assert "browser" in error["detail"]
    assert agent.outcomes(origin) == set()


def test_client_says_both_when_it_cannot_know(agent, web, profile):
    origin = web.public("nobody.test")
    profile.permit_local_network(origin)
    page = open_page(profile, origin, agent)
    error = page.run(TRY, "return await new client.CpsAgent({ ports: [9] }).find()")
    assert (error["code"], error["layer"]) == ("agent-unreachable", "browser")
    assert "démarré" in error["detailFr"]
    assert "navigateur" in error["detailFr"]


def test_agent_is_found_on_any_of_the_ports(agent, web, profile):
    page = open_page(profile, web.local("ports.test"), agent)
    status = page.run(
        f"async port => await new client.CpsAgent({{ ports: [9, {web.plain_port}, port] }}).find()", agent.port
    )
    assert status["port"] == agent.port
    error = page.run(TRY, f"return await new client.CpsAgent({{ ports: [{web.plain_port}] }}).find()")
    assert error["code"] in {"bad-answer", "agent-unreachable"}


def test_page_gives_a_call_up(agent, web, profile):
    page = open_page(profile, web.local("aborts.test"), agent)
    error = page.run(
        TRY,
        """const ending = new AbortController();
        const answer = agent.requestGrant(["identity"], { signal: ending.signal });
        ending.abort();
        return await answer;""",
    )
    assert (error["name"], error["code"]) == ("CpsAgentError", "aborted")


FOLLOW = """() => {
  window.seen = [];
  window.stop = agent.events((event) => seen.push({ ...event, error: event.error && { ...event.error } }));
}"""
SEEN = "type => seen.find((event) => event.type === type)"


def test_events_reach_the_page(desk_with_slot, web, profile):
    desk, slot = desk_with_slot
    profile.permit_local_network(web.public())
    page = open_page(profile, web.public(), desk)
    page.run(TRY, "await agent.requestGrant(['identity', 'events'])")
    page.run(FOLLOW)
    page.wait_for(SEEN, "stream-open")
    (card,) = page.run(TRY, "return await agent.cards()")
    slot.remove()
    assert page.wait_for(SEEN, "card-removed")["cardNumber"] == card["number"]
    assert page.run(TRY, "return await agent.cards()") == []
    page.run("() => { seen.length = 0; }")
    slot.insert()
    assert page.wait_for(SEEN, "card-ready")["cardNumber"] == card["number"]
    assert [each["number"] for each in page.run(TRY, "return await agent.cards()")] == [card["number"]]


def test_stream_ends_with_the_grant(agent, web, profile):
    page = open_page(profile, web.local("ends.test"), agent)
    page.run(TRY, "await agent.requestGrant(['events'])")
    page.run(FOLLOW)
    page.wait_for(SEEN, "stream-open")
    page.run(TRY, "await agent.revoke()")
    page.wait_for(SEEN, "stream-lost")
    ended = page.wait_for(SEEN, "stream-ended")
    assert ended["error"]["code"] == "grant-required"
    assert page.run(TRY, "return await agent.grants()") == []


def test_stream_without_grant_says_why(agent, web, profile):
    page = open_page(profile, web.local("eventless.test"), agent)
    page.run(FOLLOW)
    assert page.wait_for(SEEN, "stream-ended")["error"]["code"] == "grant-required"


def test_stopped_stream_stays_silent(agent, web, profile):
    page = open_page(profile, web.local("stops.test"), agent)
    page.run(TRY, "await agent.requestGrant(['events'])")
    page.run(FOLLOW)
    page.wait_for(SEEN, "state")
    page.run("() => stop()")
    page.run(TRY, "await agent.revoke()")
    assert page.run("() => seen.map((event) => event.type)") == ["stream-open", "state"]


def test_stream_is_taken_up_again_after_a_restart(web, profile, tmp_path):
    """It finds the agent again by itself, and says why when its grant did not live on (unattended: until the stop)."""
    with run_agent(tmp_path, "--virtual", "--unattended") as before:
        port = before.port
        page = open_page(profile, web.local(), before)
        page.run(TRY, "await agent.requestGrant(['events'])")
        page.run(FOLLOW)
        page.wait_for(SEEN, "stream-open")
    page.wait_for(SEEN, "stream-lost")
    error = page.run(TRY, "return await agent.grants()")
    assert error["code"] == "agent-unreachable"
    with run_agent(tmp_path, "--virtual", "--unattended", port=port):
        assert page.wait_for(SEEN, "stream-ended")["error"]["code"] == "grant-required"


def test_stream_lives_through_a_lost_connection(agent, web, profile):
    """A connection that breaks is made anew, as long as the grant holds."""
    page = open_page(profile, web.local("breaks.test"), agent)
    page.run(
        """() => {
          const Real = WebSocket;
          window.sockets = [];
          window.WebSocket = class extends Real { constructor(url) { super(url); sockets.push(this); } };
        }"""
    )
    page.run(TRY, "await agent.requestGrant(['events'])")
    page.run(FOLLOW)
    page.wait_for(SEEN, "stream-open")
    page.run("() => { seen.length = 0; sockets[0].close(); }")
    page.wait_for(SEEN, "stream-lost")
    page.wait_for(SEEN, "stream-open")
    page.run("() => agent.close()")
    page.wait_for("() => sockets.length === 2 && sockets[1].readyState === WebSocket.CLOSED")
