"""Hostile text is harmless before it is shown."""

from __future__ import annotations

import pytest

from agent.people.plain_text import ORIGIN_LIMIT, display_asker, display_origin, plain_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ordonnance.pdf", "ordonnance.pdf"),
        ("Hélène-Été", "Hélène-Été"),
        ("e\u0301te\u0301", "été"),
        ("two\nlines\r\n\tand a tab", "two lines and a tab"),
        ("line\u2028separator\u2029", "line separator"),
        ("ordonnance\u202efdp.exe", "ordonnance�fdp.exe"),
        ("\u2066a\u2069\u200f", "�a��"),
        ("zero\u200bwidth\ufeff", "zero�width�"),
        ("\x1b[2Jcleared", "�[2Jcleared"),
        ("nul\0", "nul�"),
        ("\x9b31m", "�31m"),
        ("\ue000\ud800\U000e0041", "���"),
        ("no\u00a0break", "no break"),
        ("a.pdf\u3164\u2800\uffa0.exe", "a.pdf���.exe"),
        ("a" + "\u0338" * 50, "a\u0338\u0338"),
        ("<b>bold</b> & co", "<b>bold</b> & co"),
    ],
)
def test_text_becomes_one_printable_line(text, shown):
    assert plain_text(text) == shown


def test_long_text_is_cut_with_an_ellipsis():
    assert plain_text("a" * 11, limit=10) == "a" * 9 + "…"
    assert plain_text("a" * 10, limit=10) == "a" * 10
    assert plain_text("b" * 10_000_000, limit=20) == "b" * 19 + "…"
    assert len(plain_text(" " * 1000 + "x", limit=20)) == 1  # what was cut away shows


def test_plain_text_is_stable():
    once = plain_text("x\u202e" * 300)
    assert plain_text(once) == once


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("https://dmp.example", "dmp.example"),
        ("HTTPS://DMP.example", "dmp.example"),
        ("https://dmp.example:8443", "https://dmp.example:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://xn--dm-mmc.example", "xn--dm-mmc.example"),
        ("https://dm\u0440.example", "xn--dm-mmc.example"),  # Cyrillic er
        ("https://santé.example", "xn--sant-epa.example"),
        ("https://dmp.example@evil.example", "https://dmp.example@evil.example"),
        ("https://dmp.example/@x", "https://dmp.example/@x"),
        ("https://[::1]", "[::1]"),
        ("https://dmp.example:port", "https://dmp.example:port"),
        ("https://[broken", "https://[broken"),
        ("null", "null"),
        ("", ""),
    ],
)
def test_origin_is_shown_in_ascii(origin, shown):
    assert display_origin(origin) == shown


def test_origin_that_has_no_ascii_form_shows_replacements():
    assert display_origin("https://\u202edmp..example") == "https://\u202edmp..example".replace("\u202e", "�").replace(
        "https://", ""
    )


def test_overlong_origin_keeps_its_end():
    shown = display_origin("https://dmp.example." + "a." * 400 + "evil.example")
    assert shown.startswith("…")
    assert shown.endswith(".evil.example")
    assert len(shown) == ORIGIN_LIMIT


def test_program_is_shown_by_its_path():
    assert display_asker("/usr/bin/x\n", is_page=False) == "/usr/bin/x"
    assert display_asker("https://dmp.example", is_page=True) == "dmp.example"
