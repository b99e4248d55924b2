"""Discovery documents: Pro Santé Connect's own name for them, and those that lead elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.services.catalog import Issuer, load_catalog
from agent.services.psc.metadata import known_hosts, read_metadata
from agent.services.psc.oauth import ForeignEndpointError, IssuerAnswerError

BASE = "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet"
ISSUER = load_catalog().issuers["psc-sandbox"]
DOCUMENT = {
    "issuer": BASE,
    "authorization_endpoint": "https://wallet.bas.psc.esante.gouv.fr/auth",
    "token_endpoint": f"{BASE}/protocol/openid-connect/token",
    "jwks_uri": f"{BASE}/protocol/openid-connect/certs",
    "userinfo_endpoint": f"{BASE}/protocol/openid-connect/userinfo",
    "end_session_endpoint": f"{BASE}/protocol/openid-connect/logout",
    "backchannel_authentication_endpoint": f"{BASE}/protocol/openid-connect/ext/ciba/auth",
    "tls_client_certificate_bound_access_tokens": True,
    "grant_types_supported": ["authorization_code", "urn:openid:params:grant-type:ciba"],
}


def read(source: Issuer = ISSUER, /, **changed: Any) -> Any:
    told = {name: value for name, value in {**DOCUMENT, **changed}.items() if value is not None}
    return read_metadata(json.dumps(told).encode(), source)


def test_the_document_of_pro_sante_connect() -> None:
    metadata = read()
    assert metadata.authorization == "https://wallet.bas.psc.esante.gouv.fr/auth"
    assert (metadata.revocation, metadata.names_itself) == (None, False)
    assert metadata.hosts == {"auth.bas.psc.esante.gouv.fr", "wallet.bas.psc.esante.gouv.fr"}
    assert metadata.facts("PSC").issuer == BASE


def test_aliases_for_certificates() -> None:
    alias = "https://wallet.bas.psc.esante.gouv.fr/mtls/token"
    metadata = read(mtls_endpoint_aliases={"token_endpoint": alias, "device_authorization_endpoint": alias})
    assert metadata.aliases == {DOCUMENT["token_endpoint"]: alias}
    with pytest.raises(ForeignEndpointError):
        read(mtls_endpoint_aliases={"token_endpoint": "https://evil.example/token"})


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://auth.bas.psc.esante.gouv.fr/x",
        "https://auth.bas.psc.esante.gouv.fr:8443/x",
        "https://auth.bas.psc.esante.gouv.fr.evil.example/x",
        "https://auth.bas.psc.esante.gouv.fr@evil.example/x",
        "https://evil.example\\@auth.bas.psc.esante.gouv.fr/x",
        "https://auth.bas.psc.esante.gouv.fr\r\nX: y/",
        "https://[::1]/x",
        "file:///etc/passwd",
        "//evil.example",
        "",
    ],
)
def test_endpoints_that_are_elsewhere(name: str, url: str) -> None:
    with pytest.raises(ForeignEndpointError):
        read(**{name: url})


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": BASE + "/"},
        {"issuer": "https://evil.example"},
        {"issuer": BASE.replace("bas", "BAS")},
        {"issuer": None},
        {"token_endpoint": None},
        {"authorization_endpoint": 7},
        {"code_challenge_methods_supported": ["plain"]},
        {"code_challenge_methods_supported": []},
        {"token_endpoint": BASE + "x" * 600},
    ],
)
def test_documents_of_another(changed: dict[str, Any]) -> None:
    with pytest.raises(IssuerAnswerError):
        read(**changed)


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"\xff\xfe", b"[" * 9000, b'{"issuer": NaN}'])
def test_what_is_no_document(content: bytes) -> None:
    with pytest.raises(IssuerAnswerError):
        read_metadata(content, ISSUER)


def test_the_usual_name_of_the_document_will_do_as_well() -> None:
    usual = Issuer(title="x", discovery="https://id.example:8443/realm/.well-known/openid-configuration")
    assert known_hosts(usual) == {"id.example:8443"}
    url = "https://id.example:8443/x"
    metadata = read(
        usual,
        issuer="https://id.example:8443/realm",
        authorization_endpoint=url,
        token_endpoint=url,
        jwks_uri=url,
        userinfo_endpoint=None,
        end_session_endpoint=None,
        backchannel_authentication_endpoint=None,
    )
    assert metadata.backchannel is None
