"""The whole way from a program through the agent to servers as the DMP configures its own, and to ones that must not be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from support.certomancer import Pki
from support.gateway import SERVICE, open_gateway
from support.openssl import write_pem
from support.tls_servers import DMP_SUITES, Authority, ServerTerms, nginx, s_server

from agent.certificates.test_root import TestRoot
from agent.people.prompt import PinRequest
from drivers.virtual.link import VirtualReaders

ANSWER = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\ncome in"
PREFERS_PSS = "rsa_pss_rsae_sha256:RSA+SHA256"


def table(ports: dict[str, int]) -> str:
    return "".join(SERVICE.format(name=name, port=port, path="", more="") for name, port in ports.items())


@contextlib.contextmanager
def as_the_dmp(folder: Path, clients_der: tuple[bytes, ...]) -> Iterator[dict[str, int]]:
    """For each suite one nginx and one server of OpenSSL, which prefer RSA-PSS. Gives their ports by name."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for number, suite in enumerate(DMP_SUITES):
            terms = ServerTerms(folder / f"nginx-{number}", clients_der, suites=(suite,), signatures=PREFERS_PSS)
            ports[f"nginx-{number}"] = stack.enter_context(nginx(terms)).port
            terms = replace(terms, folder=folder / f"openssl-{number}")
            ports[f"openssl-{number}"] = stack.enter_context(s_server(terms, "-HTTP", commanded=True)).port
            (terms.folder / "answer").write_text(ANSWER)
        yield ports


async def test_each_suite_of_the_dmp_lets_a_cps3_in(folder: Path, readers: VirtualReaders, tmp_path: Path) -> None:
    with as_the_dmp(tmp_path, TestRoot(folder).authorities_der()) as ports:
        async with open_gateway(folder, readers, more=table(ports)) as gateway:
            gateway.person.session = True  # one code is enough for all of these
            for number, suite in enumerate(DMP_SUITES):
                seen = await gateway.ask("GET", f"nginx-{number}/")
                assert f"SUCCESS TLSv1.2 {suite} ." in seen.body.decode()
                assert (await gateway.ask("GET", f"openssl-{number}/answer")).body == b"come in"
            assert sum(isinstance(question, PinRequest) for question in gateway.person.asked) == 1


async def test_attack_a_server_that_is_not_the_service_gets_nothing(
    folder: Path, readers: VirtualReaders, tmp_path: Path, pki: Pki
) -> None:
    """Wrong name, expired, of an authority that nobody knows, revoked: refused through the gateway, good ones are not."""
    terms = ServerTerms(tmp_path, TestRoot(folder).authorities_der(), key=pki.key, chain_der=(pki.der("issuing"),))
    labels = {"web": None, "web-elsewhere": "name", "web-expired": "expired", "web-unknown-issuer": "unknown",
              "web-revoked": "revoked"}  # fmt: skip
    roots = tmp_path / "roots.pem"
    write_pem(roots, Authority().der, pki.der("root"))
    with contextlib.ExitStack() as stack:
        servers = {
            label: stack.enter_context(nginx(replace(terms, folder=tmp_path / label, certificate_der=pki.der(label))))
            for label in labels
        }
        more = table({label: server.port for label, server in servers.items()})
        trusted = {"test_authorities": (roots,), "revocation_hosts": (pki.host,)}
        async with open_gateway(folder, readers, more=more, **trusted) as gateway:
            gateway.person.session = True
            for label, reason in labels.items():
                answer = await gateway.ask("POST", f"{label}/", data=b"for the service alone")
                assert (answer.code is None, answer.problem.get("reason")) == (reason is None, reason)
