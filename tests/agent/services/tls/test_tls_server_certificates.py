"""Who a server is: verified by OpenSSL against the authorities of the settings, and looked up where it may be revoked."""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from support.certomancer import Pki
from support.openssl import write_pem
from support.tls_clients import ask, to
from support.tls_keys import memory_key
from support.tls_servers import Authority, ServerTerms, TlsServer, nginx, s_server

from agent.certificates.revocation.verdict import Source, Status, Verdict
from agent.certificates.trust import open_trust
from agent.services.tls.availability import Availability
from agent.services.tls.context import make_context
from agent.services.tls.errors import CertificateFault, ServerCertificateError
from agent.services.tls.line import open_line
from agent.services.tls.lines import Lines
from agent.settings import Settings

SEEN = "read client certificate"
"""What OpenSSL's server notes of a certificate that it was shown."""
Serve = Callable[[str], AbstractContextManager[TlsServer]]


@pytest.fixture
async def lines(pki: Pki, tmp_path: Path) -> AsyncIterator[Lines]:
    """Lines of an agent whose settings name the authorities of the PKI, and its host."""
    settings = Settings(tmp_path / "data", test_authorities=(pki.root,), revocation_hosts=(pki.host,))
    made = Lines(open_trust(settings, tuple), Availability([sys.executable, "-c", "1"]))
    yield made
    await made.close()


@pytest.fixture
def serve(pki: Pki, tmp_path: Path) -> Serve:
    """nginx with a certificate of that fate; the settings know its root alone."""
    terms = ServerTerms(tmp_path / "server", key=pki.key, chain_der=(pki.der("issuing"),))
    return lambda label: nginx(replace(terms, certificate_der=pki.der(label)))


async def test_a_good_certificate_is_accepted_and_asked_about_once(
    lines: Lines, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    checker = lines._trust.watch._checker
    check = checker.check
    monkeypatch.setattr(checker, "check", lambda request: checks.append(request) or check(request))
    context = await lines.make_context(None)
    with serve("web") as server:
        for _ in range(2):
            assert "TLSv1.2" in await ask(await lines.open(to(server, context)))
    assert len(checks) == 1


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        ("web-elsewhere", CertificateFault.NAME),
        ("web-expired", CertificateFault.EXPIRED),
        ("web-unknown-issuer", CertificateFault.UNKNOWN),
        ("web-revoked", CertificateFault.REVOKED),
    ],
)
async def test_any_other_is_refused_before_anything_is_sent(
    lines: Lines, serve: Serve, label: str, fault: CertificateFault
) -> None:
    context = await lines.make_context(None)
    with serve(label) as server:
        with pytest.raises(ServerCertificateError) as refused:
            await lines.open(to(server, context))
        assert refused.value.reason is fault


async def test_a_session_does_not_outlive_a_revocation(lines: Lines, serve: Serve, pki: Pki) -> None:
    context = await lines.make_context(None)
    with serve("web-moody") as server:
        with pki.mood("ocsp/moody", "failing"):
            first = await lines.open(to(server, context))
            await ask(first)
        revoked = Verdict(Status.REVOKED, Source.OCSP)
        lines._trust.watch._verdicts.put(pki.der("web-moody"), revoked)
        with pytest.raises(ServerCertificateError) as refused:
            await lines.open(to(server, context, first.session))
    assert refused.value.reason is CertificateFault.REVOKED


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_attack_a_revoked_server_sees_no_certificate_of_ours(
    lines: Lines, authority: Authority, pki: Pki, tmp_path: Path, version: str
) -> None:
    """In the middle of the handshake, where OpenSSL asks for it: the key signs nothing, and nobody learns whose it is."""
    key = memory_key(authority)
    lines._availability = Availability([sys.executable, "-c", "print('{\"available\": true}')"])
    context = await lines.make_context(key.key)
    terms = ServerTerms(tmp_path / "server", (authority.der,), versions=(version,), key=pki.key)
    terms = replace(terms, certificate_der=pki.der("web-revoked"), chain_der=(pki.der("issuing"),))
    with s_server(terms, "-state") as server, pytest.raises(ServerCertificateError) as refused:
        await lines.open(to(server, context))
    assert refused.value.reason is CertificateFault.REVOKED
    assert not key.signed
    assert SEEN not in server.log
    good = replace(terms, folder=tmp_path / "good", certificate_der=pki.der("web"))
    with s_server(good, "-state") as server:
        await ask(await lines.open(to(server, context)))
        assert SEEN in server.log


async def test_where_nothing_is_known_the_line_goes_on_and_the_log_says_so(
    lines: Lines, serve: Serve, pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "agent.services.tls")
    context = await lines.make_context(None)
    with serve("web-moody") as server, pki.mood("ocsp/moody", "failing"):
        assert "TLSv1.2" in await ask(await lines.open(to(server, context)))
    assert "nothing is known of a revocation" in caplog.text


async def test_attack_a_link_is_no_root(serve: Serve, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts as Python 3.13 makes them, which take any authority that is at hand for the end of a chain."""
    made = ssl.create_default_context()
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    monkeypatch.setattr(ssl, "create_default_context", lambda: made)
    context = make_context(None, [pki.der("issuing")])
    with serve("web") as server, pytest.raises(ServerCertificateError) as refused:
        await open_line(to(server, context))
    assert refused.value.reason is CertificateFault.UNKNOWN


async def test_the_system_s_authorities_are_believed(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nginx(ServerTerms(tmp_path / "server")) as server:
        with pytest.raises(ServerCertificateError, match="issuer"):
            await open_line(to(server, make_context(None)))
        write_pem(tmp_path / "system.pem", authority.der)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        assert "TLSv1.2" in await ask(await open_line(to(server, make_context(None))))
