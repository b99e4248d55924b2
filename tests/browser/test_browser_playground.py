"""The agent's own page: every button, in French and English, live, without a word from the browser's console."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from browser_desk import run_agent
from browser_proofs import verify_cms
from support.chromium import ROOT
from support.pdf import ORDONNANCE

from agent.commands.parser import make_parser
from agent.commands.signing_form import name_result
from agent.signing.words import RULES, Format

DONE = "() => document.querySelector('.status').classList.contains('done') && document.getElementById('status').textContent"
FREE = "() => document.getElementById('cancel').hidden"
SCRIPTS = sorted((ROOT / "agent" / "api" / "static").glob("*.js")) + sorted(Path(__file__).parent.glob("*.mjs"))


@pytest.fixture
def open_playground(chromium):
    """Open the page in a profile of a person who speaks a language; nothing may be said on its console."""
    contexts, pages = [], []

    def open_(agent, locale="fr-FR", **options):
        manager = chromium.context(locale=locale, **options)
        contexts.append(manager)
        pages.append(manager.__enter__().open(f"http://localhost:{agent.port}/"))
        pages[-1].wait_for(FREE)
        return pages[-1]

    yield open_
    seen = [page.call("seen") for page in pages]
    for manager in contexts:
        manager.__exit__(None, None, None)
    assert seen == [{"console": [], "errors": []}] * len(pages)


def click(page, button):
    """Press a button and wait for what it does; give the status."""
    page.call("click", selector=f"#{button}")
    page.wait_for(FREE)
    return page.wait_for(DONE)


def text(page, selector):
    return page.call("text", selector=selector)


def test_every_button(agent, open_playground, tmp_path):
    page = open_playground(agent)
    before = agent.tally()
    assert "premier clic" in text(page, "#status")
    assert "Autorisé" in click(page, "connect")
    page.wait_for("() => document.getElementById('stream').textContent.includes('actif')")
    assert "CARTE DE TEST" in text(page, "#cards")
    assert "Médecin" in text(page, "#cards")
    assert "Cartes présentes : 1" in click(page, "refresh")
    assert "Connexion réussie" in click(page, "login")
    assert "RS256" in text(page, "#token")
    assert f"http://localhost:{agent.port}" in text(page, "#token")

    page.call("click", selector="#sign")
    assert page.wait_for("() => document.activeElement.id") == "file"
    document = tmp_path / "ordonnance é.txt"
    document.write_bytes(b"Bonjour\r\n")
    page.call("files", selector="#file", paths=[str(document)])
    chain = page.run(
        "async url => (await (await fetch(url)).json()).certificates.find((each) => each.role === 'signature').chain",
        agent.url + "/v1/certificates",
    )
    for mode, ending, content in (("detached", "p7s", b"Bonjour\r\n"), ("enveloping", "p7m", None)):
        page.call("choose", selector="#packaging", values=[mode])
        assert "prête" in click(page, "sign")
        saved = tmp_path / f"saved.{ending}"
        assert page.call("download", selector="#download", path=str(saved)) == f"ordonnance é.txt.{ending}"
        folder = tmp_path / mode
        folder.mkdir()
        signature = _base64(saved)
        assert verify_cms(signature, chain, folder, content) == b"Bonjour\r\n"

    page.call("click", selector="#grants button")
    page.wait_for("() => document.getElementById('grants').hidden")
    page.wait_for("() => document.getElementById('stream').textContent.includes('arrêté')")
    assert agent.grants() == []
    assert "CARTE DE TEST" not in text(page, "#cards")
    origin = f"http://localhost:{agent.port}"
    assert (agent.tally() - before)[(origin, "sign", "ok")] == 2


XML = "<?xml version='1.0'?><ordonnance><ligne>1 comprimé</ligne></ordonnance>".encode()
SHAPES = [
    ("cades", "enveloping", "note.txt.p7m", b"Bonjour"),
    ("jws", "enveloping", "note.txt.jws", b"Bonjour"),
    ("jades", "detached", "note.txt.jws", b"Bonjour"),
    ("xmldsig", "enveloped", "note-signed.xml", XML),
    ("xades", "enveloped", "note-signed.xml", XML),
    ("pades", "enveloped", "note-signed.pdf", ORDONNANCE),
    ("asic-e", "enveloping", "note.txt.asice", b"Bonjour"),
]


def test_every_format_is_made_shown_saved_and_verified(agent, open_playground, tmp_path):
    page = open_playground(agent)
    click(page, "connect")
    for kind, packaging, name, content in SHAPES:
        document = (
            tmp_path / f"note{Path(name.removesuffix('.p7m').removesuffix('.jws').removesuffix('.asice')).suffix}"
        )
        document.write_bytes(content)
        page.call("files", selector="#file", paths=[str(document)])
        page.call("choose", selector="#format", values=[kind])
        page.call("choose", selector="#packaging", values=[packaging])
        page.run("kind => { document.getElementById('visible').checked = kind === 'pades'; }", kind)
        assert "prête" in click(page, "sign"), kind
        saved = tmp_path / f"saved-{kind}"
        assert page.call("download", selector="#download", path=str(saved)) == name
        assert "terminée" in click(page, "verify-made")
        assert "valide" in text(page, "#verdict h3"), (kind, text(page, "#verdict"))
        assert "non valide" not in text(page, "#verdict h3")
        assert "Médecin" in text(page, "#verdict")


def test_several_files_are_a_batch(agent, open_playground, tmp_path):
    page = open_playground(agent)
    click(page, "connect")
    paths = [tmp_path / f"{number}.pdf" for number in range(5)]
    for path in paths:
        path.write_bytes(ORDONNANCE)
    paths[3].write_bytes(b"no PDF")
    page.call("files", selector="#file", paths=[str(path) for path in paths])
    page.call("choose", selector="#format", values=["pades"])
    assert "4 / 5" in click(page, "sign")
    listed = text(page, "#signature").splitlines()
    assert ["-signed.pdf" in line for line in listed] == [True, True, True, False, True]
    assert "Ce document ne peut pas être signé" in listed[3]
    assert "signer par lots" in text(page, "#grants")
    page.call("choose", selector="#format", values=["asic-e"])
    assert "prête" in click(page, "sign")
    assert "0.pdf.asice" in text(page, "#signature")


def test_what_the_dmp_asks_is_made_and_saved(agent, open_playground, tmp_path):
    page = open_playground(agent)
    click(page, "connect")
    page.run("() => { document.getElementById('dmp-structure').value = '1990000010'; }")
    document = tmp_path / "cda.xml"
    document.write_bytes(XML)
    for kind, name, content in (
        ("vihf", "vihf.xml", "1990000010"),
        ("insi", "insi.xml", 'NameQualifier="CPS"'),
        ("submission", "signature.xml", "IHEManifest"),
    ):
        page.call("choose", selector="#dmp-kind", values=[kind])
        if kind == "submission":
            page.call("files", selector="#dmp-file", paths=[str(document)])
        assert "Prêt à enregistrer" in click(page, "dmp"), kind
        saved = tmp_path / name
        assert page.call("download", selector="#dmp-download", path=str(saved)) == name
        assert content in saved.read_text()
        assert content in page.run("() => document.querySelector('#dmp-made pre').textContent")


def test_a_file_that_was_altered_is_told(agent, open_playground, tmp_path):
    page = open_playground(agent)
    click(page, "connect")
    document, another = tmp_path / "a.txt", tmp_path / "b.txt"
    document.write_bytes(b"Bonjour")
    another.write_bytes(b"Bonsoir")
    page.call("files", selector="#file", paths=[str(document)])
    page.call("choose", selector="#format", values=["jades"])
    page.call("choose", selector="#packaging", values=["detached"])
    click(page, "sign")
    page.call("download", selector="#download", path=str(tmp_path / "a.txt.jws"))
    page.call("click", selector="#verify")
    assert page.wait_for("() => document.activeElement.id") == "signed"
    page.call("files", selector="#signed", paths=[str(tmp_path / "a.txt.jws")])
    for original, words in ((document, "jades : valide"), (another, "jades : non valide")):
        page.call("files", selector="#original", paths=[str(original)])
        click(page, "verify")
        assert words in text(page, "#verdict h3")
    page.call("click", selector="[data-language=en]")
    assert "jades : not valid" in text(page, "#verdict h3")
    page.call("files", selector="#signed", paths=[str(document)])
    click(page, "verify")
    assert text(page, "#verdict")


def test_formats_are_those_of_the_agent():
    """The page is served from files and asks nothing before a click: it holds the table once more."""
    formats = (ROOT / "agent" / "api" / "static" / "playground-formats.js").read_text()
    program = formats + "process.stdout.write(JSON.stringify(FORMATS));"
    command = ["node", "--input-type=module", "-e", program]
    table = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    pages = {kind: rules for kind, rules in RULES.items() if kind is not Format.RAW}
    assert set(table) == set(pages)
    for kind, rules in pages.items():
        assert (table[kind]["levels"], table[kind]["packagings"]) == (list(rules.levels), list(rules.packagings))
        for packaging, ending in table[kind].get("endings", {}).items():
            words = ["sign", "a.txt", "--format", kind, "--packaging", packaging]
            assert name_result(make_parser().parse_args(words), Path("a.txt")) == f"a.txt{ending}"


def _base64(path):
    return subprocess.run(["openssl", "base64", "-A", "-in", path], check=True, capture_output=True).stdout.decode()


def test_nothing_is_sent_before_a_click(agent, open_playground):
    page = open_playground(agent)
    names = page.run("() => performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname).sort()")
    assert set(names) - {"/icon.svg"} == {
        "/cps-agent.js",
        "/playground-dmp.js",
        "/playground-formats.js",
        "/playground-words.js",
        "/playground.css",
        "/playground.js",
    }


def test_page_at_another_name_of_the_agent_moves_to_localhost(agent, chromium):
    with chromium.context() as context:
        page = context.open(f"http://127.0.0.1:{agent.port}/")
        page.wait_for("() => location.hostname === 'localhost' && document.readyState === 'complete'")


@pytest.mark.parametrize(("locale", "words"), [("fr-FR", "Agent CPS"), ("en-GB", "CPS agent"), ("de-DE", "Agent CPS")])
def test_language(agent, open_playground, locale, words):
    page = open_playground(agent, locale)
    assert words in text(page, "h1")
    page.call("click", selector="[data-language=en]")
    assert text(page, "#connect") == "Ask for the grant"
    assert page.run("() => document.documentElement.lang") == "en"
    left = page.run(
        "() => [...document.querySelectorAll('[data-text]')].filter((each) => each.textContent === 'undefined')"
    )
    assert left == []
    page.call("click", selector="[data-language=fr]")
    assert text(page, "#connect") == "Demander l'autorisation"


def test_keyboard_alone(agent, open_playground):
    page = open_playground(agent)
    order = []
    for _ in range(6):
        page.call("press", keys=["Tab"])
        order.append(
            page.run(
                "() => document.activeElement.id || document.activeElement.className || document.activeElement.lang"
            )
        )
    assert order[:4] == ["skip", "fr", "en", "connect"]
    page.run("() => document.getElementById('connect').focus()")
    page.call("press", keys=["Enter"])
    assert "Autorisé" in page.wait_for(DONE)


def test_every_control_has_a_name_and_the_page_fits_narrow_and_enlarged(agent, open_playground):
    page = open_playground(agent, viewport={"width": 320, "height": 640})
    assert "Autorisé" in click(page, "connect")
    click(page, "login")
    assert page.run("() => document.documentElement.scrollWidth") <= 320  # WCAG 2.2, 1.4.10: 1280 px enlarged to 400 %
    unnamed = page.run(
        """() => [...document.querySelectorAll("button, input, select")]
          .filter((each) => !(each.textContent.trim() || each.labels?.length)).map((each) => each.outerHTML)"""
    )
    assert unnamed == []


def test_refusal_says_what_to_do(agent, chromium):
    with chromium.context(locale="fr-FR") as context:
        page = context.open(f"http://localhost:{agent.port}/")
        click(page, "connect")
        agent.revoke_all()
        page.wait_for("() => document.getElementById('login').disabled && document.getElementById('grants').hidden")
        page.run("() => { document.getElementById('login').disabled = false; }")
        assert refused(page, "login") == ("grant-required", "gate")
        assert "autorisé" in text(page, "#problem-detail")
        page.call("click", selector="[data-language=en]")
        assert "granted" in text(page, "#problem-detail")


def test_stopped_agent_is_named_and_found_again(chromium, tmp_path):
    with chromium.context(locale="fr-FR") as context:
        with run_agent(tmp_path, "--virtual", "--unattended") as agent:
            page = context.open(f"http://localhost:{agent.port}/")
            click(page, "connect")
        assert refused(page, "refresh") == ("agent-unreachable", "browser")
        assert "démarrez-le" in text(page, "#problem-detail")
        with run_agent(tmp_path, "--virtual", "--unattended", port=agent.port):
            assert "Autorisé" in click(page, "connect")
            assert page.run("() => document.getElementById('problem').hidden")


def refused(page, button):
    """Press a button that fails; give code and layer of the problem that takes the focus."""
    page.call("click", selector=f"#{button}")
    page.wait_for("() => document.activeElement.id === 'problem'")
    return text(page, "#problem-code"), text(page, "#problem-layer")


def test_card_pulled_and_inserted(desk_with_slot, open_playground):
    agent, slot = desk_with_slot
    page = open_playground(agent)
    click(page, "connect")
    page.wait_for("() => document.getElementById('stream').textContent.includes('actif')")
    slot.remove()
    page.wait_for("() => document.getElementById('cards').textContent.includes('Aucune carte')")
    assert "Carte retirée" in text(page, "#events")
    slot.insert()
    page.wait_for("() => document.getElementById('cards').textContent.includes('CARTE DE TEST')")
    assert "Carte lue" in text(page, "#events")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_javascript(script, web, tmp_path):
    module = tmp_path / f"{script.stem}.mjs"  # Node.js 18 takes a .js file for something else than a module
    module.write_bytes(script.read_bytes())
    subprocess.run(["node", "--check", module], check=True, timeout=30)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_pictures(agent, open_playground, tmp_path, scheme, width):
    """A picture of the page for whoever wants to look (kept by pytest in its folder of this run)."""
    page = open_playground(agent)
    page.call("emulate", colorScheme=scheme, width=width, height=800)
    click(page, "connect")
    click(page, "login")
    path = tmp_path / f"{scheme}-{width}.png"
    page.run("() => scrollTo(0, 0)")
    page.call("screenshot", path=str(path))
    assert path.stat().st_size > 10_000
