"""Cards and keys in memory, let in by servers of others that want client certificates."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from support.tls_clients import ask, connect, to
from support.tls_keys import CountedKey, memory_key
from support.tls_servers import DMP_SUITES, Authority, ServerTerms, nginx, s_server

from agent.services.tls.context import make_context
from agent.services.tls.errors import ClientRefusedError, NotResumedError, TlsVersionError
from agent.services.tls.line import LineRequest, open_line


@pytest.mark.parametrize("suite", DMP_SUITES)
async def test_nginx_lets_a_cps3_in_by_each_suite_of_the_dmp(cps3: CountedKey, tmp_path: Path, suite: str) -> None:
    with nginx(ServerTerms(tmp_path / "server", cps3.authorities_der, suites=(suite,))) as server:
        seen = await ask(await connect(server, cps3.key))
    assert f"SUCCESS TLSv1.2 {suite} ." in seen
    assert cps3.paddings == ["pkcs1"]


@pytest.mark.parametrize("suite", DMP_SUITES)
async def test_openssl_lets_a_cps3_in_by_each_suite_of_the_dmp(cps3: CountedKey, tmp_path: Path, suite: str) -> None:
    with s_server(ServerTerms(tmp_path / "server", cps3.authorities_der, suites=(suite,))) as server:
        seen = await ask(await connect(server, cps3.key))
    assert f"Cipher    : {suite}" in seen
    assert cps3.paddings == ["pkcs1"]


async def test_a_server_that_prefers_pss_gets_from_a_cps3_what_it_can(cps3: CountedKey, tmp_path: Path) -> None:
    terms = ServerTerms(tmp_path / "server", cps3.authorities_der, signatures="rsa_pss_rsae_sha256:RSA+SHA256")
    with s_server(terms) as server:
        await ask(await connect(server, cps3.key))
    assert cps3.paddings == ["pkcs1"]


async def test_a_server_that_wants_pss_alone_is_not_sent_a_request_without_a_certificate(
    cps3: CountedKey, tmp_path: Path
) -> None:
    terms = ServerTerms(tmp_path / "server", cps3.authorities_der, signatures="rsa_pss_rsae_sha256")
    with s_server(terms) as server, pytest.raises(TlsVersionError):
        await connect(server, cps3.key)
    terms = replace(terms, folder=tmp_path / "nginx")
    with nginx(terms) as server, pytest.raises(TlsVersionError):
        await connect(server, cps3.key)
    assert not cps3.signed


async def test_a_server_of_tls_1_3_alone_is_none_for_a_cps3(cps3: CountedKey, tmp_path: Path) -> None:
    terms = ServerTerms(tmp_path / "server", cps3.authorities_der, versions=("TLSv1.3",))
    with nginx(terms) as server, pytest.raises(TlsVersionError):
        await connect(server, cps3.key)
    assert not cps3.signed


async def test_a_cps4_speaks_tls_1_3(cps4: CountedKey, tmp_path: Path) -> None:
    with nginx(ServerTerms(tmp_path / "server", cps4.authorities_der, versions=("TLSv1.2", "TLSv1.3"))) as server:
        seen = await ask(await connect(server, cps4.key))
    assert "SUCCESS TLSv1.3" in seen
    assert cps4.paddings == ["pss"]


@pytest.mark.parametrize(("pss", "version"), [(True, "TLSv1.3"), (False, "TLSv1.2")])
async def test_keys_in_memory_do_likewise(authority: Authority, tmp_path: Path, pss: bool, version: str) -> None:
    key = memory_key(authority, pss=pss)
    terms = ServerTerms(tmp_path / "server", key.authorities_der, versions=("TLSv1.2", "TLSv1.3"))
    with nginx(terms) as server:
        assert f"SUCCESS {version}" in await ask(await connect(server, key.key))


async def test_without_a_key_no_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    with nginx(ServerTerms(tmp_path / "server")) as server:
        assert "NONE TLSv1.2" in await ask(await connect(server, None))


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_going_on_with_a_session_costs_no_signature(authority: Authority, tmp_path: Path, version: str) -> None:
    key = memory_key(authority)
    with nginx(ServerTerms(tmp_path / "server", key.authorities_der, versions=(version,))) as server:
        context = make_context(key.key, [authority.der])
        first = await open_line(to(server, context))
        await ask(first)
        assert first.session is first.session
        second = await open_line(to(server, context, first.session))
        assert second.resumed
        assert f"{version} " in await ask(second)
    assert len(key.signed) == 1


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_server_that_does_not_go_on_gets_no_second_signature(
    authority: Authority, tmp_path: Path, version: str
) -> None:
    key = memory_key(authority)
    context = make_context(key.key, [authority.der])
    terms = ServerTerms(tmp_path / "server", key.authorities_der, versions=(version,))
    with nginx(terms) as server:
        first = await open_line(to(server, context))
        await ask(first)
    with nginx(replace(terms, folder=tmp_path / "other")) as other, pytest.raises(NotResumedError):
        await open_line(to(other, context, first.session))
    assert len(key.signed) == 1


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_server_says_that_it_does_not_know_us(authority: Authority, tmp_path: Path, version: str) -> None:
    stranger = memory_key(Authority("TEST AC INCONNUE"))
    terms = ServerTerms(tmp_path / "server", (authority.der,), versions=(version,))
    with s_server(terms) as server, pytest.raises(ClientRefusedError) as refused:
        await ask(await connect(server, stranger.key))
    assert refused.value.alert == "unknown_ca"


@pytest.mark.parametrize(("version", "alert"), [("TLSv1.2", "handshake_failure"), ("TLSv1.3", "certificate_required")])
async def test_a_server_says_that_it_wants_a_certificate_where_none_is_to_be_shown(
    authority: Authority, tmp_path: Path, version: str, alert: str
) -> None:
    terms = ServerTerms(tmp_path / "server", (authority.der,), versions=(version,))
    with s_server(terms) as server, pytest.raises(ClientRefusedError) as refused:
        await ask(await connect(server, None))
    assert refused.value.alert == alert


async def test_a_server_with_no_suite_in_common_is_no_refusal_of_ours(authority: Authority, tmp_path: Path) -> None:
    terms = ServerTerms(tmp_path / "server", (authority.der,), suites=("AES256-SHA",))
    with s_server(terms) as server, pytest.raises(TlsVersionError):
        await connect(server, memory_key(authority).key)


async def test_a_server_may_be_an_address(authority: Authority, tmp_path: Path) -> None:
    with nginx(ServerTerms(tmp_path / "server")) as server:
        context = make_context(None, [authority.der])
        assert "TLSv1.2" in await ask(await open_line(LineRequest("127.0.0.1", server.port, context)))


async def test_other_tls_of_the_process_stays_as_it_was(cps3: CountedKey, tmp_path: Path) -> None:
    """The provider is in a library context of its own: a context beside ours makes signatures of any kind."""
    make_context(cps3.key)
    key = Authority()
    terms = ServerTerms(tmp_path / "server", (key.der,), versions=("TLSv1.3",), signatures="rsa_pss_rsae_sha512")
    context = ssl.create_default_context(cadata=key.der)
    terms.write()
    context.load_cert_chain(terms.folder / "server.pem", terms.folder / "server.key")
    with nginx(terms) as server:
        assert "SUCCESS TLSv1.3" in await ask(await open_line(to(server, context)))
    assert not cps3.signed
