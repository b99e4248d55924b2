from __future__ import annotations

import json

import pytest

from agent.fetching import Response
from agent.services.psc.oauth import (
    MAX_ANSWER,
    MAX_TOKEN,
    IssuerAnswerError,
    IssuerUnreachableError,
    OAuthError,
    read_answer,
    require_bearer,
    take_seconds,
    take_text,
)


def answer(body, status=200, media_type="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"content-type": media_type}, content)


def test_a_success_is_its_members():
    assert read_answer(answer({"a": 1}, media_type="application/json;charset=UTF-8")) == {"a": 1}


def test_an_error_is_told_in_its_own_words_made_plain():
    with pytest.raises(OAuthError) as caught:
        read_answer(
            answer({"error": "invalid_client", "error_description": "no\n\x1b[31m\u202ecertificate" + "x" * 900}, 401)
        )
    assert caught.value.error == "invalid_client"
    described = caught.value.description
    assert described.startswith("no \ufffd[31m\ufffdcertificate")
    assert (len(described), described[-1]) == (200, "…")


@pytest.mark.parametrize(
    "body", [{"error_description": "x"}, {"error": 7}, {"error": "é"}, {"error": "x" * 65}, {"error": "a\nb"}]
)
def test_attack_an_error_without_a_word_for_it_is_no_answer(body):
    with pytest.raises(IssuerAnswerError):
        read_answer(answer(body, 400))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_a_redirect_is_an_error_whatever_it_says(status):
    with pytest.raises(IssuerAnswerError, match="redirect"):
        read_answer(answer({"access_token": "x", "token_type": "Bearer"}, status))


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble_may_be_asked_later(status):
    with pytest.raises(IssuerUnreachableError):
        read_answer(answer(b"<html>", status, "text/html"))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"{}", "text/html"), (b"{}", ""), (b"[]", "application/json"), (b"", "application/json"), (b"\xff", "application/json"),
        (b'"x"', "application/json"), (b"[" * 50_000, "application/json"), (b'{"a":' * 10_000, "application/json"),
        (b'{"a": "' + b"x" * MAX_ANSWER + b'"}', "application/json"),
    ],
)  # fmt: skip
def test_attack_what_is_no_object_is_no_answer(body, media_type):
    with pytest.raises(IssuerAnswerError):
        read_answer(answer(body, media_type=media_type))


@pytest.mark.parametrize("value", [None, "", 1, ["x"], "a b", "a\r\nSet-Cookie: x", "é", "x" * (MAX_TOKEN + 1)])
def test_attack_a_token_is_a_line_of_ascii(value):
    with pytest.raises(IssuerAnswerError):
        take_text({"access_token": value}, "access_token")


@pytest.mark.parametrize("value", [None, 0, -1, True, 1.5, "60", 1e400])
def test_attack_a_lifetime_is_a_number_of_seconds(value):
    with pytest.raises(IssuerAnswerError):
        take_seconds({"expires_in": value}, "expires_in")


@pytest.mark.parametrize("kind", [None, "", "mac", "DPoP", "N_A", ["Bearer"]])
def test_attack_a_token_of_another_type_is_not_taken_for_a_bearer(kind):
    with pytest.raises(IssuerAnswerError):
        require_bearer({"token_type": kind})
    require_bearer({"token_type": "bearer"})
