"""Scripted codes go to test tokens only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people_values import CARD, CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, PAD, UNBLOCK, digits

from agent.people.prompt import ConfirmRequest, PromptUnavailableError
from agent.people.scripted import ScriptedPrompt
from drivers.pin import ON_PAD

TEST_TOKEN = replace(CARD, test_token=True)


async def test_token_that_is_no_test_token_gets_nothing():
    prompt = ScriptedPrompt("1234", "12345678")
    with pytest.raises(PromptUnavailableError):
        await prompt.ask_pin(LOGIN)  # a card of the test domain is not a token of our test root
    assert list(prompt.asked) == [LOGIN]


async def test_own_judgement_can_be_given():
    prompt = ScriptedPrompt("1234", "12345678", lambda card: card.number == "1")
    with pytest.raises(PromptUnavailableError):
        await prompt.ask_pin(replace(LOGIN, card=TEST_TOKEN))


async def test_test_token_gets_the_codes_that_were_asked_for():
    prompt = ScriptedPrompt("1234", "12345678", new_pin="4321")
    answer = await prompt.ask_pin(replace(LOGIN, card=TEST_TOKEN))
    assert (digits(answer.code), answer.new_code) == ("1234", None)
    answer = await prompt.ask_pin(replace(CHANGE, card=TEST_TOKEN))
    assert (digits(answer.code), digits(answer.new_code)) == ("1234", "4321")
    with await prompt.ask_pin(replace(UNBLOCK, card=TEST_TOKEN)) as answer:
        assert (digits(answer.code), digits(answer.new_code)) == ("12345678", "4321")
    assert len(answer.code) == 8
    assert not any(answer.code._digits)


async def test_consent_is_given_and_noted():
    prompt = ScriptedPrompt("1234", "12345678")
    assert await prompt.confirm(CONSENT)
    await prompt.inform(NO_TRAY)
    assert list(prompt.asked) == [CONSENT, NO_TRAY]


async def test_a_script_consents_to_no_use_of_a_card_that_is_no_test_token():
    prompt = ScriptedPrompt("1234", "12345678")
    wanted = ConfirmRequest(CONSENT.asker, ("use-authentication-key",), card=LOGIN.card, key="CPS_PRIV_AUT")
    with pytest.raises(PromptUnavailableError):
        await prompt.confirm(wanted)
    assert await prompt.confirm(replace(wanted, card=TEST_TOKEN))


async def test_a_script_leaves_the_pad_to_a_test_token_and_chooses_no_card():
    prompt = ScriptedPrompt("1234", "12345678")
    with pytest.raises(PromptUnavailableError):
        await prompt.ask_pin(PAD)
    answer = await prompt.ask_pin(replace(PAD, card=TEST_TOKEN))
    assert (answer.code, answer.new_code, answer.session) == (ON_PAD, None, False)
    with pytest.raises(PromptUnavailableError):
        await prompt.choose_card(CHOICE)
