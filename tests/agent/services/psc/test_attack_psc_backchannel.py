"""Claims that tie tokens to one request on another device (CIBA Core §10.3.1)."""

from __future__ import annotations

import pytest

from agent.services.psc.checks import AUTH_REQ_ID, RT_HASH, check_backchannel, check_level, half_hash
from agent.services.psc.errors import ClientRefusedError, TokenCheckError
from agent.services.psc.ringing import is_in_production


@pytest.mark.parametrize(
    ("claims", "refresh_token"),
    [
        ({}, None), ({}, "refresh"), ({AUTH_REQ_ID: "asked"}, None), ({RT_HASH: half_hash("refresh")}, "refresh"),
        ({AUTH_REQ_ID: "asked", RT_HASH: half_hash("refresh")}, "refresh"),
    ],
)  # fmt: skip
def test_what_is_there_is_right(claims, refresh_token):
    check_backchannel(claims, "asked", refresh_token)


@pytest.mark.parametrize(
    ("claims", "refresh_token", "why"),
    [
        ({AUTH_REQ_ID: "another"}, None, "auth_req_id"), ({AUTH_REQ_ID: ""}, None, "auth_req_id"), ({AUTH_REQ_ID: ["asked"]}, None, "auth_req_id"),
        ({RT_HASH: half_hash("another")}, "refresh", "rt_hash"), ({RT_HASH: half_hash("refresh")}, None, "rt_hash"), ({RT_HASH: 7}, "refresh", "rt_hash"),
    ],
)  # fmt: skip
def test_attack_the_answer_to_another_request(claims, refresh_token, why):
    with pytest.raises(TokenCheckError, match=why):
        check_backchannel(claims, "asked", refresh_token)


def test_attack_an_issuer_that_looks_like_the_one_in_production():
    assert is_in_production("https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet")
    for name in (
        "auth.bas.psc.esante.gouv.fr",
        "auth.esw.esante.gouv.fr.evil.example",
        "evil.example/auth.esw.esante.gouv.fr",
        "auth.esw.esante.gouv.fr@evil.example",
    ):
        assert not is_in_production(f"https://{name}/auth/realms/esante-wallet")


@pytest.mark.parametrize("level", ["", "eidas0", "EIDAS1", "eidas1 eidas2"])
def test_attack_a_level_that_is_none(level):
    assert check_level("eidas2") == "eidas2"
    with pytest.raises(ClientRefusedError):
        check_level(level)
