"""What a page can have a real browser send to the agent's other ports: none of it reaches a service, a mailbox, a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as aiohttp_web
from support.chromium import Page
from support.gateway import Gateway, open_gateway
from support.ports import free_port

from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

TRICKS = """async ({url, socket}) => {
  const said = [];
  const note = (name, work) => work.then((value) => said.push([name, String(value)]), () => {});
  const settled = (node, parent) => new Promise((done) => {
    for (const name of ['load', 'error']) node.addEventListener(name, () => done(), {once: true});
    setTimeout(done, 1000);  // some of them never tell
    (parent ?? document.body).append(node);
  });
  const make = (tag, members) => Object.assign(document.createElement(tag), members);
  const text = (answer) => answer.text();
  const body = '<soap/>', quiet = {referrerPolicy: 'no-referrer'};
  const work = [];
  for (const kind of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=a', 'text/xml']) {
    for (const mode of ['no-cors', 'cors']) {
      const terms = {method: 'POST', mode, body, headers: {'Content-Type': kind}, credentials: 'include'};
      work.push(note(`fetch ${mode} ${kind}`, fetch(url, terms).then(text)));
    }
  }
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
    work.push(note(`fetch ${method}`, fetch(url, {method, ...quiet}).then(text)));
  }
  work.push(note('no-cors GET', fetch(url, {mode: 'no-cors', ...quiet}).then(text)));
  work.push(note('keepalive', fetch(url, {method: 'POST', mode: 'no-cors', keepalive: true, body}).then(text)));
  navigator.sendBeacon(url, new Blob([body], {type: 'text/plain'}));
  for (const [tag, name] of [['img', 'src'], ['script', 'src'], ['iframe', 'src'], ['object', 'data'], ['video', 'src']]) {
    work.push(settled(make(tag, {[name]: url, ...quiet})));
  }
  for (const rel of ['stylesheet', 'prefetch', 'preload', 'modulepreload']) {
    work.push(settled(make('link', {rel, href: url, as: 'fetch'}), document.head));
  }
  for (const enctype of ['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded']) {
    const frame = make('iframe', {name: `f-${enctype}`}), form = make('form', {method: 'POST', action: url, enctype});
    form.target = frame.name;
    form.append(make('textarea', {name: '<soap', value: '"/>\\r\\na1 LOGIN camille secret\\r\\n'}));
    document.body.append(form, frame);
    form.submit();
    work.push(settled(frame));
  }
  work.push(new Promise((done) => {
    const stream = new EventSource(url);
    stream.onmessage = (event) => said.push(['events', event.data]);
    stream.onerror = () => { stream.close(); done(); };
  }));
  work.push(new Promise((done) => {
    const line = new WebSocket(socket);
    line.onopen = () => said.push(['socket', 'open']);
    line.onclose = done;
  }));
  window.open(url);
  await Promise.all(work);
  return said.filter(([, text]) => text !== '');
}"""
SEEN: list[str] = []


async def take(request: aiohttp_web.Request) -> aiohttp_web.Response:
    SEEN.append(f"{request.method} {request.raw_path}")
    return aiohttp_web.Response(body=b"<done/>", content_type="text/xml")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def desk(folder: Path, port: int) -> AsyncIterator[Gateway]:
    """A local port for a service, the gateway, and the mail bridge; nobody was granted anything."""
    SEEN.clear()
    card = open_card(folder)
    more = f"local_port = {port}\n"
    settings: dict[str, Any] = {"mail_imap_port": 0, "mail_smtp_port": 0}
    async with open_gateway(folder, VirtualReaders([card]), {"soap": take}, more, **settings) as opened:
        yield opened
    card.close()


async def try_all(page: Page, place: str) -> Any:
    return await asyncio.to_thread(page.run, TRICKS, {"url": f"http://{place}", "socket": f"ws://{place}"})


async def test_attack_a_page_at_every_port(web, profile, desk: Gateway, port: int) -> None:
    bridge = (await desk.agent.program("POST", "/v1/mssante/bridge", {})).body
    places = [
        f"127.0.0.1:{port}/app/soap",
        f"rebound.test:{port}/app/soap",  # a name of the page's own, which now leads here
        f"127.0.0.1:{desk.agent.port}/v1/gateway/essai/app/soap",
        f"127.0.0.1:{bridge['imapPort']}/",
        f"127.0.0.1:{bridge['smtpPort']}/",
    ]
    page = await asyncio.to_thread(profile.open, f"{web.plain()}/")
    for place in places:
        assert await try_all(page, place) == [], place
    assert SEEN == []
    assert desk.person.asked == []
    outcomes = {(entry["action"], entry["outcome"]) for entry in await desk.journal()}
    assert {outcome for _, outcome in outcomes} <= {
        "ok", "origin-refused", "host-refused", "token-refused", "grant-required", "card-ready", "bad-request",
        "unsupported-media", "not-found",
    }  # fmt: skip
    assert {action for action, outcome in outcomes if outcome == "ok"} <= {"read-card", "state", "start-mail-bridge"}
    assert {"origin-refused", "host-refused"} <= {outcome for _, outcome in outcomes}
