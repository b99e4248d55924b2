"""What a hostile page tries; the browser's own permission is out of the way, so that the agent alone refuses."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass

import pytest
from browser_desk import Agent, run_agent
from browser_sites import run_site

READY = "() => !!window.client"
NONCE = base64.b64encode(bytes(32)).decode()
READ = """async ([base, method, path, body]) => {
  const headers = body === undefined || body === null ? {} : { "Content-Type": "application/json" };
  const options = { method, headers, body: body ? JSON.stringify(body) : undefined };
  try {
    const response = await fetch(base + path, options);
    return [response.status, response.status === 204 ? null : await response.json()];
  } catch (error) {
    return [0, String(error)];
  }
}"""
SOCKET = """url => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => resolve("open");
  socket.onclose = () => resolve("closed");
})"""
GRANT = ["POST", "/v1/grants", {"abilities": ["identity", "authenticate", "sign", "events"]}]
GET_ROUTES = (
    "/v1/status", "/v1/readers", "/v1/cards", "/v1/cards/99900001", "/v1/certificates", "/v1/directory/99700002712", "/v1/journal", "/v1/grants",
    "/v1/means", "/v1/software-certificates", "/v1/certificate-products", "/v1/certificate-orders", "/v1/denials",
    "/v1/grants/x", "/v1/events", "/", "/cps-agent.js", "/playground.js", "/playground.css",
)  # fmt: skip


@dataclass
class Watched:
    """An agent, and what its journal says of an attack."""

    agent: Agent
    before: Counter[tuple[str, str, str]]

    def news(self) -> Counter[tuple[str, str, str]]:
        return self.agent.tally() - self.before

    def outcomes(self) -> set[str]:
        return {outcome for _, _, outcome in self.news()}


@pytest.fixture
def watched(agent):
    """Proves afterwards that the attack won no grant."""
    grants = agent.grants()
    yield Watched(agent, agent.tally())
    assert agent.grants() == grants


@pytest.fixture
def fresh(watched):
    return watched.agent


def open_page(profile, origin):
    page = profile.open(origin + "/")
    page.wait_for(READY)
    return page


def ask(page, agent, method, path, body=None):
    return page.run(READ, [agent.url, method, path, body])


def test_plain_http_page_is_refused(fresh, watched, web, profile):
    page = open_page(profile, web.plain("cleartext.test"))
    for method, path, body in (["GET", "/v1/status", None], ["GET", "/v1/cards", None], GRANT):
        status, answer = ask(page, fresh, method, path, body)
        assert (status, answer) == (0, "TypeError: Failed to fetch"), path
    assert watched.outcomes() == {"origin-refused"}


@pytest.mark.parametrize(
    "frame",
    [
        "frame => { frame.sandbox = 'allow-scripts'; frame.srcdoc = '<p>'; }",
        "frame => { frame.src = 'data:text/html,<p>'; }",
    ],
    ids=["sandbox", "data"],
)
def test_page_without_origin_is_refused(fresh, watched, web, profile, frame):
    page = open_page(profile, web.local("framing.test"))
    page.run(
        "source => { const frame = document.createElement('iframe'); (0, eval)(source)(frame); document.body.append(frame); }",
        frame,
    )
    assert page.run_in_frame("iframe", "() => self.origin") == "null"
    for method, path, body in (["GET", "/v1/status", None], ["GET", "/v1/cards", None], GRANT):
        assert page.run_in_frame("iframe", READ, [fresh.url, method, path, body]) == [0, "TypeError: Failed to fetch"]
    assert page.run_in_frame("iframe", SOCKET, f"ws://127.0.0.1:{fresh.port}/v1/events") == "closed"
    assert {caller for caller, _, _ in watched.news()} == {"null"}
    assert watched.outcomes() == {"origin-refused"}


def test_another_site_cannot_use_see_or_delete_a_grant(agent, web, profile, chromium):
    owner, thief = open_page(profile, web.local("owner.test")), open_page(profile, web.local("thief.test"))
    status, grant = ask(owner, agent, *GRANT)
    assert status == 201
    assert ask(thief, agent, "GET", "/v1/grants") == [200, {"grants": []}]
    for method in ("GET", "DELETE"):
        status, answer = ask(thief, agent, method, f"/v1/grants/{grant['id']}")
        assert (status, answer["code"]) == (404, "not-found")
    for method, path, body in (
        ("GET", "/v1/cards", None),
        ("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE}),
    ):
        status, answer = ask(thief, agent, method, path, body)
        assert (status, answer["code"]) == (403, "grant-required")
    assert [each["id"] for each in ask(owner, agent, "GET", "/v1/grants")[1]["grants"]] == [grant["id"]]
    assert ask(owner, agent, "DELETE", f"/v1/grants/{grant['id']}") == [204, None]


def test_sibling_port_is_another_site(fresh, web, profile):
    """The same host name on another port is another origin."""
    owner, other = open_page(profile, web.local("ported.test")), open_page(profile, web.plain("localhost.test"))
    status, grant = ask(owner, fresh, *GRANT)
    assert status == 201
    assert ask(other, fresh, "GET", "/v1/grants")[0] == 0
    assert ask(owner, fresh, "DELETE", f"/v1/grants/{grant['id']}")[0] == 204


def test_page_cannot_log_in_for_another_origin(agent, web, profile):
    page = open_page(profile, web.local("relay.test"))
    grant = ask(page, agent, *GRANT)[1]
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE, "origin": web.local("owner.test")}
    status, answer = ask(page, agent, "POST", "/v1/authentications", body)
    assert (status, answer["code"]) == (400, "bad-request")
    assert ask(page, agent, "DELETE", f"/v1/grants/{grant['id']}")[0] == 204


@pytest.mark.parametrize("encoding", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_form_post_is_refused(fresh, watched, web, profile, encoding):
    """A form sends JSON-looking text with no question asked by the browser beforehand."""
    page = open_page(profile, web.local("forms.test"))
    paths = {"/v1/grants": "grant", "/v1/signatures": "sign", "/v1/pin/unblock": "unblock-pin"}
    for path in paths:
        page.run(
            """([action, enctype]) => new Promise((resolve) => {
              const frame = document.createElement("iframe");
              frame.name = "target";
              const form = Object.assign(document.createElement("form"), { action, enctype, method: "post", target: "target" });
              const field = document.createElement("input");
              field.name = '{"abilities": ["identity"], "x": "';
              field.value = '"}';
              form.append(field);
              document.body.append(frame, form);
              frame.onload = () => { frame.remove(); form.remove(); resolve(); };
              form.submit();
            })""",
            [fresh.url + path, encoding],
        )
    takes_uploads = {"sign"} if encoding == "multipart/form-data" else set()  # there the gate itself says no
    refusals = {
        action: "origin-refused" if action in takes_uploads else "unsupported-media" for action in paths.values()
    }
    assert watched.news() == dict.fromkeys([("null", *refusal) for refusal in refusals.items()], 1)


def test_simple_post_by_script_is_refused(fresh, watched, web, profile):
    """`no-cors` with text/plain needs no preflight either."""
    page = open_page(profile, web.local("simple.test"))
    for mode in ("no-cors", "cors"):
        page.run(
            """([url, mode]) => fetch(url, { method: "POST", mode, headers: { "Content-Type": "text/plain" },
              body: '{"abilities": ["identity"]}' }).catch(() => null).then(() => null)""",
            [fresh.url + "/v1/grants", mode],
        )
    assert watched.news() == {(web.local("simple.test"), "grant", "unsupported-media"): 2}


def test_images_and_blind_requests_reach_nothing(fresh, watched, web, profile):
    page = open_page(profile, web.local("blind.test"))
    for path in GET_ROUTES:
        assert page.run(
            """url => new Promise((resolve) => {
              const image = new Image();
              image.onload = () => resolve("loaded");
              image.onerror = () => resolve("refused");
              image.src = url;
            })""",
            fresh.url + path,
        ) == "refused"  # fmt: skip
        kind = page.run(
            "url => fetch(url, { mode: 'no-cors', credentials: 'include' }).then((r) => r.type, () => 'refused')",
            fresh.url + path,
        )
        assert kind in {"opaque", "refused"}
    assert page.run(
        """url => new Promise((resolve) => {
          const script = document.createElement("script");
          script.onload = () => resolve("loaded");
          script.onerror = () => resolve("refused");
          script.src = url;
          document.head.append(script);
        })""",
        fresh.url + "/cps-agent.js",
    ) == "refused"  # fmt: skip
    assert watched.outcomes() == {"origin-refused"}
    assert watched.news().total() == 2 * len(GET_ROUTES) + 1


def test_agent_is_never_framed(fresh, web, profile):
    page = open_page(profile, web.local("clickjack.test"))
    page.run(
        """url => new Promise((resolve) => {
          const frame = document.createElement("iframe");
          frame.onload = resolve;
          frame.src = url;
          document.body.append(frame);
        })""",
        f"http://localhost:{fresh.port}/",
    )
    assert page.run_in_frame("iframe", "() => document.querySelectorAll('button').length") == 0


def test_socket_of_an_ungranted_page_is_refused(fresh, web, profile):
    origin = web.local("socket.test")
    page = open_page(profile, origin)
    for host in ("127.0.0.1", "localhost"):
        assert page.run(SOCKET, f"ws://{host}:{fresh.port}/v1/events") == "closed"
    assert fresh.outcomes(origin) == {("events", "grant-required")}


@pytest.mark.parametrize("member", ["pin", "puk", "newPin", "PIN", "password"])
def test_body_with_a_code_is_refused(agent, web, profile, member):
    page = open_page(profile, web.local("codes.test"))
    grant = ask(page, agent, *GRANT)[1]
    bodies = {
        "/v1/authentications": {"format": "web-eid:1.0", "challengeNonce": NONCE},
        "/v1/signatures": {"format": "cms", "documents": [{"name": "x", "content": "eA=="}]},
        "/v1/pin/verify": {},
        "/v1/grants": {"abilities": ["identity"]},
    }
    for path, body in bodies.items():
        status, answer = ask(page, agent, "POST", path, body | {member: "1234"})
        assert (status, answer["code"]) == (400, "bad-request"), path
        assert "1234" not in str(answer)
    assert ask(page, agent, "DELETE", f"/v1/grants/{grant['id']}")[0] == 204


def test_rebound_name_is_refused(profile, tmp_path):
    """A page of http://evil.test whose name comes to mean 127.0.0.1: in its eyes the agent is its own server."""
    with run_site(tmp_path, secure=False) as site:
        url, port = f"http://evil.test:{site.port}", site.port
        page = open_page(profile, url)
    (tmp_path / "data").mkdir()
    with run_agent(tmp_path / "data", "--virtual", "--unattended", port=port) as agent:
        for method, path, body in (["GET", "/v1/status", None], ["GET", "/v1/cards", None], GRANT):
            status, answer = page.run(READ, [url, method, path, body])
            assert (status, answer["code"]) == (403, "host-refused")
        assert page.run(SOCKET, f"ws://evil.test:{port}/v1/events") == "closed"
        assert page.goto(url + "/")["status"] == 403
        assert agent.grants() == []


def test_public_page_reaches_nothing_without_the_browsers_permission(fresh, web, profile):
    origin = web.public("public-attacker.test")
    page = open_page(profile, origin)
    assert ask(page, fresh, "GET", "/v1/status")[0] == 0
    assert page.run(SOCKET, f"ws://127.0.0.1:{fresh.port}/v1/events") == "closed"
    assert fresh.outcomes(origin) == set()
