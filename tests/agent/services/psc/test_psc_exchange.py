from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.services.psc.errors import AudienceRefusedError, SessionGoneError
from agent.services.psc.exchange import Exchanged, Exchanges
from agent.services.psc.oauth import IssuerAnswerError, OAuthError

API = "https://api.example"
ANSWER = {
    "access_token": "for-the-api", "token_type": "Bearer", "expires_in": 3600,
    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
}  # fmt: skip


class Issuer:
    """Endpoints that answer what the test says, once it lets them."""

    pace_s = 0.0

    def __init__(self) -> None:
        self.answer: Any = ANSWER
        self.asked: list[dict[str, str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.bound: list[dict[str, Any]] = []

    async def require_bound(self, claims: dict[str, Any]) -> None:
        self.bound.append(claims)

    async def post(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        self.asked.append(form)
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Login:
    """A login at the seam, on a clock that the test turns."""

    def __init__(self) -> None:
        self.alive, self.now, self.read = True, 1000.0, 0

    async def read_token(self) -> str:
        self.read += 1
        return f"login-{self.read}"

    def exchanges(self) -> OneLogin:
        return OneLogin(self, Exchanges((API, "https://other.example"), lambda: self.alive, lambda: self.now))


class OneLogin:
    """The tokens of that login, asked for by the same calls."""

    def __init__(self, login: Login, kept: Exchanges) -> None:
        self.login, self.kept = login, kept

    async def get(self, audience: str, issuer: Issuer) -> Exchanged:
        return await self.kept.get(audience, issuer, "https://psc.example/token", self.login.read_token)


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def login():
    return Login()


async def test_a_token_is_exchanged_and_kept_until_it_ends(issuer, login):
    exchanges = login.exchanges()
    first = await exchanges.get(API, issuer)
    assert (first.access_token, first.ends_s) == ("for-the-api", 4600)
    assert "for-the-api" not in repr(first)
    login.now += 3589
    assert await exchanges.get(API, issuer) is first
    assert issuer.asked == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "login-1",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": API,
        }
    ]
    login.now += 1
    assert (await exchanges.get(API, issuer)).ends_s == 1000 + 3590 + 3600
    assert issuer.asked[1]["subject_token"] == "login-2"


@pytest.mark.parametrize(
    ("token", "claims"),
    [
        ("opaque", {}), ("a.b", {}), ("a.!.c", {}), ("a.e30.c", {}), ("a.W10.c", {}), ("e30.eyJjbmYiOnt9fQ.x", {"cnf": {}}),
        ("a." + "W1tb" * 3000 + ".c", {}),
    ],
)  # fmt: skip
async def test_what_a_token_is_bound_to_is_looked_at(issuer, login, token, claims):
    issuer.answer = ANSWER | {"access_token": token}
    await login.exchanges().get(API, issuer)
    assert issuer.bound == [claims]


async def test_who_asks_meanwhile_waits_for_the_same(issuer, login):
    issuer.may_answer.clear()
    exchanges = login.exchanges()
    asking = [asyncio.create_task(exchanges.get(API, issuer)) for _ in range(5)]
    asking.append(asyncio.create_task(exchanges.get("https://other.example", issuer)))
    while len(issuer.asked) < 2:
        await asyncio.sleep(0)
    issuer.may_answer.set()
    answers = await asyncio.gather(*asking)
    assert len({id(one) for one in answers[:5]}) == 1
    assert [form["audience"] for form in issuer.asked] == [API, "https://other.example"]


async def test_a_failure_is_not_kept(issuer, login):
    exchanges = login.exchanges()
    issuer.answer = OAuthError("invalid_target")
    with pytest.raises(OAuthError):
        await exchanges.get(API, issuer)
    issuer.answer = ANSWER
    assert (await exchanges.get(API, issuer)).access_token == "for-the-api"


async def test_a_token_without_a_lifetime_is_kept_for_a_minute(issuer, login):
    issuer.answer = {name: value for name, value in ANSWER.items() if name != "expires_in"}
    assert (await login.exchanges().get(API, issuer)).ends_s == 1060


async def test_attack_a_lifetime_beyond_every_login(issuer, login):
    issuer.answer = ANSWER | {"expires_in": 10**12}
    assert (await login.exchanges().get(API, issuer)).ends_s == 1000 + 4 * 3600


@pytest.mark.parametrize(
    "audience", ["https://api.example/", "HTTPS://API.EXAMPLE", "", "https://api.example https://other.example"]
)
async def test_attack_an_audience_that_is_not_listed_is_never_asked_for(issuer, login, audience):
    with pytest.raises(AudienceRefusedError):
        await login.exchanges().get(audience, issuer)
    assert (issuer.asked, login.read) == ([], 0)


async def test_attack_a_login_that_ends_meanwhile_gets_nothing(issuer, login):
    issuer.may_answer.clear()
    exchanges = login.exchanges()
    asking = asyncio.create_task(exchanges.get(API, issuer))
    while not issuer.asked:
        await asyncio.sleep(0)
    login.alive = False
    issuer.may_answer.set()
    with pytest.raises(SessionGoneError):
        await asking
    login.alive = True
    await exchanges.get(API, issuer)
    assert len(issuer.asked) == 2, "nothing of the first answer was kept"


async def test_attack_a_login_that_has_ended_is_given_nothing_that_was_kept(issuer, login):
    exchanges = login.exchanges()
    await exchanges.get(API, issuer)
    kept = await exchanges.get(API, issuer)
    login.alive = False
    with pytest.raises(SessionGoneError):
        await exchanges.get(API, issuer)
    with pytest.raises(ValueError, match="wiped"):
        kept.access_token  # noqa: B018


@pytest.mark.parametrize(
    "changed",
    [
        {"token_type": "N_A"},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"issued_token_type": None},
        {"access_token": "a b"},
    ],
)
async def test_attack_a_token_of_another_kind(issuer, login, changed):
    issuer.answer = ANSWER | changed
    with pytest.raises(IssuerAnswerError):
        await login.exchanges().get(API, issuer)
