"""The page of certificates: what it says of software certificates and orders, and what its buttons do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screenshots.tray import KEPT, ORDERS, fill
from support.fake_agent import fake_agent
from test_panel_pages import context, everything, texts

from agent.people.panel.deeds import do_deed
from agent.people.panel.pages import load_page
from agent.people.panel.sections import Button, Deed


def load(tmp_path, language="en"):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        return load_page("certificates", context(tmp_path / "data", language))


def find(sections, title):
    return next(section for section in sections if title in section.title)


def test_structure_shows_its_keys_and_what_is_due(tmp_path):
    shown = texts(find(load(tmp_path), "TILLEULS"))
    assert shown["Authentication"] == "valid, until 2028-06-30, opened by the key store"
    assert shown["Signature"] == ("valid, expires soon, until 2026-12-24, with a passphrase, its renewal is on order")
    assert shown["Structure"] == "499700735741008"
    assert "Missing" not in shown


def test_half_a_pair_says_what_is_missing(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        half = {**KEPT, "certificates": KEPT["certificates"][:1]}
        agent.answers["GET", "/v1/software-certificates"] = half
        agent.answers["GET", "/v1/certificate-orders"] = {**ORDERS, "orders": []}
        sections = load_page("certificates", context(tmp_path / "data"))
    assert texts(find(sections, "TILLEULS"))["Missing"] == "Signature"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_orders_and_damaged_entries_have_their_buttons(tmp_path, language):
    buttons = [button for section in load(tmp_path, language) for button in section.buttons]
    deeds = [(button.deed, button.target) for button in buttons]
    assert deeds == [
        (Deed.REMOVE_CERTIFICATE, "S0A1B2C3D4E5F607"),
        (Deed.REMOVE_CERTIFICATE, "f" * 32),
        (Deed.CANCEL_ORDER, "0123456789abcdef"),
        (Deed.IMPORT_CERTIFICATE, ""),
    ]


def test_hostile_names_stay_plain(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        hostile = [{**one, "label": "\u202eevil\nState: valid"} for one in KEPT["certificates"]]
        agent.answers["GET", "/v1/software-certificates"] = {**KEPT, "certificates": hostile}
        shown = everything(load_page("certificates", context(tmp_path / "data")))
    assert "\u202e" not in shown


def test_file_is_handed_over_and_what_is_refused_is_said(tmp_path):
    file = tmp_path / "cabinet.p12"
    file.write_bytes(b"content")
    button = Button("", Deed.IMPORT_CERTIFICATE, str(file))
    with fake_agent(tmp_path / "data") as agent:
        agent.answers["POST", "/v1/software-certificates"] = {"certificates": []}
        assert do_deed(button, context(tmp_path / "data")) is None
        agent.answers["POST", "/v1/software-certificates"] = (422, "file-refused")
        assert do_deed(button, context(tmp_path / "data", "fr")) == "La phrase de file-refused."
        missing = replace(button, target=str(tmp_path / "nowhere.p12"))
        assert "nowhere.p12" in (do_deed(missing, context(tmp_path / "data")) or "")
        large = tmp_path / "large.p12"
        with large.open("wb") as made:
            made.truncate(11 << 20)
        assert "larger" in (do_deed(replace(button, target=str(large)), context(tmp_path / "data")) or "")


@pytest.mark.parametrize(
    ("deed", "path"),
    [
        (Deed.REMOVE_CERTIFICATE, "/v1/software-certificates/S0A1B2C3D4E5F607"),
        (Deed.CANCEL_ORDER, "/v1/certificate-orders/S0A1B2C3D4E5F607"),
    ],
)
def test_buttons_ask_the_agent(tmp_path, deed, path):
    with fake_agent(tmp_path / "data") as agent:
        agent.answers["DELETE", path] = {}
        assert do_deed(Button("", deed, "S0A1B2C3D4E5F607"), context(tmp_path / "data")) is None
