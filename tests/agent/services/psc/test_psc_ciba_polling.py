"""When the issuer is asked again, on a clock that the test turns."""

from __future__ import annotations

from typing import Any

import pytest

from agent.services.psc import ciba
from agent.services.psc.ciba import (
    Channel,
    CibaTerms,
    Polling,
    Start,
    begin,
    choose_number,
    poll,
    read_start,
)
from agent.services.psc.errors import LoginRefusedError, LoginTimeoutError
from agent.services.psc.oauth import IssuerAnswerError, IssuerUnreachableError, OAuthError

PENDING, SLOW_DOWN = OAuthError("authorization_pending"), OAuthError("slow_down")
TOKENS = {"access_token": "a", "id_token": "i", "token_type": "Bearer"}
TERMS = CibaTerms(
    "https://psc.example/ciba", "https://psc.example/token", "899700002712", "openid", "eidas1", Channel.MOBILE, "07"
)
START = {"auth_req_id": "abc", "expires_in": 120, "interval": 2}


def test_what_is_asked_for():
    assert TERMS.form() == {
        "scope": "openid", "acr_values": "eidas1", "login_hint": "899700002712", "binding_message": "07", "channel": "MOBILE",
    }  # fmt: skip


def test_a_number_is_two_digits_and_no_two_digits_are_left_out():
    numbers = {choose_number() for _ in range(5000)}
    assert numbers == {f"{n:02d}" for n in range(100)}


def test_an_answer_is_read_within_bounds():
    assert read_start(START) == Start("abc", 120, 2)
    assert read_start({"auth_req_id": "abc", "expires_in": 10_000}) == Start("abc", 300, 5)


@pytest.mark.parametrize(
    "changed",
    [
        {"auth_req_id": ""},
        {"auth_req_id": "x" * 20_000},
        {"expires_in": 0},
        {"expires_in": "120"},
        {"interval": 31},
        {"interval": 0},
        {"interval": True},
    ],
)
def test_attack_an_answer_out_of_bounds(changed):
    with pytest.raises(IssuerAnswerError):
        read_start(START | changed)


def test_the_interval_is_kept_and_only_grows():
    polling = Polling(Start("x", 120, 2), 1000.0)
    assert polling.wait_s(1000.0) == 2
    polling.note(PENDING, 1002.0)
    assert polling.wait_s(1002.0) == 2
    assert polling.wait_s(1003.5) == 0.5
    assert polling.wait_s(1010.0) == 0
    polling.note(SLOW_DOWN, 1010.0)
    assert polling.wait_s(1010.0) == 7
    polling.note(PENDING, 1020.0)
    assert polling.wait_s(1020.0) == 7


def test_a_hiccup_of_the_network_is_waited_out_a_little_longer_each_time():
    polling, waits = Polling(Start("x", 300, 2), 0.0), []
    for _ in range(6):
        polling.note(IssuerUnreachableError("gone"), 0.0)
        waits.append(polling.wait_s(0.0))
    assert waits == [4, 8, 16, 30, 30, 30]


def test_an_interval_longer_than_any_hiccup_is_not_shortened_by_one():
    polling = Polling(Start("x", 300, 30), 0.0)
    polling.note(SLOW_DOWN, 0.0)
    polling.note(IssuerUnreachableError("gone"), 0.0)
    assert polling.wait_s(0.0) == 35


def test_a_way_that_needs_time_between_requests_has_it():
    assert Polling(Start("x", 120, 2), 0.0, pace_s=5.0).wait_s(0.0) == 5


def test_attack_slow_down_forever_ends_with_the_time_that_was_given():
    now, polling = 0.0, Polling(Start("x", 300, 1), 0.0)
    for _ in range(11):
        now += polling.wait_s(now)
        polling.note(SLOW_DOWN, now)
    assert now < 300
    with pytest.raises(LoginTimeoutError):
        polling.wait_s(now)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OAuthError("access_denied"), LoginRefusedError),
        (OAuthError("expired_token"), LoginTimeoutError),
        (OAuthError("unauthorized_client"), OAuthError),
        (OAuthError("invalid_grant"), OAuthError),
        (IssuerAnswerError("nonsense"), IssuerAnswerError),
    ],
)
def test_what_ends_a_login(error, kind):
    with pytest.raises(kind):
        Polling(Start("x", 120, 2), 0.0).note(error, 0.0)


class Issuer:
    """Endpoints whose answers the test has written down; an exception is raised. Time passes as it is waited for."""

    pace_s = 0.0

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.answers, self.asked, self.now = list(answers), [], 0.0
        monkeypatch.setattr(ciba.asyncio, "sleep", self.pass_time)

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds

    async def post(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        self.asked.append((self.now, url, form))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def log_in(self) -> dict[str, Any]:
        start = await begin(self, TERMS)
        return await poll(self, TERMS, start, lambda: self.now)


async def test_a_whole_login(monkeypatch):
    issuer = Issuer(monkeypatch, START, PENDING, SLOW_DOWN, IssuerUnreachableError("gone"), TOKENS)
    assert await issuer.log_in() == TOKENS
    assert [at for at, _, _ in issuer.asked] == [0, 2, 4, 11, 25]
    assert issuer.asked[0][1:] == (TERMS.backchannel_url, TERMS.form())
    assert issuer.asked[1][1:] == (
        TERMS.token_url,
        {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": "abc"},
    )


@pytest.mark.parametrize(
    "word", ["unknown_user_id", "invalid_binding_message", "unauthorized_client", "invalid_request"]
)
async def test_a_request_that_is_refused_at_once_is_made_once(monkeypatch, word):
    issuer = Issuer(monkeypatch, OAuthError(word))
    with pytest.raises(OAuthError, match=word):
        await issuer.log_in()
    assert len(issuer.asked) == 1


async def test_attack_an_unreachable_issuer_never_rings_a_phone_twice(monkeypatch):
    issuer = Issuer(monkeypatch, IssuerUnreachableError("no answer"))
    with pytest.raises(IssuerUnreachableError):
        await issuer.log_in()
    assert len(issuer.asked) == 1


@pytest.mark.parametrize("changed", [{"token_type": "DPoP"}, {"access_token": ""}, {"id_token": None}])
async def test_attack_tokens_of_another_kind(monkeypatch, changed):
    with pytest.raises(IssuerAnswerError):
        await Issuer(monkeypatch, START, TOKENS | changed).log_in()
