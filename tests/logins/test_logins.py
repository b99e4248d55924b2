"""Firefox and Chromium log in with the card through the agent's door, at the DMP and by TLS 1.3, and nobody restarts them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from login_browsers import FIREFOX, Kind, LoginBrowser, make_home
from login_desk import Desk
from login_sites import Site, logged_in
from support.organisations import OrganisationKey
from support.other_program import look_at_card
from support.p12 import pem_file
from support.waiting import wait_until

Start = Callable[[], LoginBrowser]
CLOSED = "63c3"


def wait_for_login(browser: LoginBrowser, site: Site, greeting: str) -> None:
    """Visit until the browser has seen the card: it looks again after a second."""
    wait_until(lambda: browser.visit(site.url).text.startswith(greeting), "a login")


def wait_for_failure(browser: LoginBrowser, site: Site) -> None:
    """Visit until the browser connects anew: it may have connections to spare that it opened with the card."""
    wait_until(lambda: browser.visit(site.url).status != 200, "a visit without a login")


def test_login_at_the_dmp(desk: Desk, start: Start) -> None:
    """A CPS3, which has no PSS, by TLS 1.2; of its two certificates that for authentication, and nobody is asked which.

    The card is closed to every other program right after.
    """
    certificate = desk.insert("cps3")
    visit = start().visit(desk.sites.dmp.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit
    assert look_at_card(desk.pcscd) == CLOSED


def test_firefox_sees_both_certificates_and_offers_one(desk: Desk, tmp_path: Path) -> None:
    """By its own account. Chromium would ask which (see login_desk.set_up), and no test with it is ever asked."""
    certificate = desk.insert("cps3")
    log = {"MOZ_LOG": "pipnss:4", "MOZ_LOG_FILE": str(tmp_path / "log")}
    with FIREFOX.run(desk.home.copy(tmp_path / "home"), environment=log) as browser:
        assert browser.visit(desk.sites.dmp.url).text.startswith(logged_in("TLSv1.2", certificate))
    said = (tmp_path / "log.moz_log").read_text(errors="replace")
    searches = said.count("FindClientCertificatesWithPrivateKeys")  # the last may have been cut off by the end
    assert said.count("provisionally adding") > searches
    assert 0 < said.count("keeping cert") <= searches
    assert look_at_card(desk.pcscd) == "63c3"


def test_login_where_the_root_alone_is_named(desk: Desk, start: Start) -> None:
    """The issuing authorities have come with the setup."""
    certificate = desk.insert("cps3")
    visit = start().visit(desk.sites.dmp_root.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit


def test_login_by_tls13_alone(desk: Desk, start: Start) -> None:
    """A CPS4 signs with PSS."""
    certificate = desk.insert("cps4")
    visit = start().visit(desk.sites.tls13.url)
    assert visit.text.startswith(logged_in("TLSv1.3", certificate)), visit


def test_card_without_pss_is_not_tried_by_tls13(desk: Desk, start: Start) -> None:
    """A site of TLS 1.3 alone gets no certificate of a CPS3; the DMP next door does, in the same browser."""
    certificate = desk.insert("cps3")
    browser = start()
    visit = browser.visit(desk.sites.tls13.url)
    assert visit.status == 400 or "NO_COMMON_ALGORITHMS" in visit.error, visit
    visit = browser.visit(desk.sites.dmp.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit


def test_login_with_a_software_key(desk: Desk, start: Start, organisation_keys: dict[str, OrganisationKey]) -> None:
    """By TLS 1.3, with no card in the reader."""
    key = organisation_keys["AUTH_CLI"]
    (kept,) = desk.client.import_certificate("cabinet.pem", pem_file(key))
    try:
        visit = start().visit(desk.sites.tls13.url)
        assert visit.text.startswith(logged_in("TLSv1.3", key.certificate_der)), visit
    finally:
        desk.client.remove_certificate(kept["id"])


def test_card_pulled_and_back(desk: Desk, start: Start, kind: Kind) -> None:
    """Without the card there is no login, and the agent has said why; with it there is again, in the same browser."""
    told = desk.told("card-pulled", kind)
    greeting = logged_in("TLSv1.2", desk.insert("cps3"))
    browser = start()
    assert browser.visit(desk.strict.url).text.startswith(greeting)
    desk.pull()
    wait_until(lambda: desk.told("card-pulled", kind) == told + 1, "the agent's word")
    wait_for_failure(browser, desk.strict)
    desk.insert("cps3")
    wait_for_login(browser, desk.strict, greeting)


def test_site_stays_open_in_chromium_without_the_card(desk: Desk, start: Start, kind: Kind) -> None:
    """A session that the site keeps: Firefox ends it with the card, Chromium goes on. Hence the agent's word."""
    site = desk.sites.kept
    greeting = logged_in("TLSv1.2", desk.insert("cps3"))
    browser = start()
    assert browser.visit(site.url).text.startswith(greeting)
    used = desk.told("use-authentication-key", kind)
    desk.pull()
    if kind is FIREFOX:
        wait_for_failure(browser, site)
    else:
        assert browser.visit(site.url).text.startswith(greeting)
    assert desk.told("use-authentication-key", kind) == used


def test_visit_without_the_card(desk: Desk, start: Start) -> None:
    """A site that goes on without a certificate is remembered by Chromium as one that gets none; not by a new window.

    That window too would remember a visit from before it has seen the card: a site that is remembered by nobody first.
    """
    browser = start()
    visit = browser.visit(desk.sites.dmp.url)
    assert visit.status == 400, visit
    greeting = logged_in("TLSv1.2", desk.insert("cps3"))
    browser.open_private_window()
    wait_for_login(browser, desk.strict, greeting)
    wait_for_login(browser, desk.sites.dmp, greeting)


def test_firefox_of_every_user(desk: Desk, tmp_path: Path) -> None:
    """The administrator's policy alone: a profile that nobody has set up has the card."""
    home = make_home(tmp_path / "home", desk.home.runtime)
    home.trust(home.profile, desk.sites.authority)
    home.take_policies(desk.home, "firefox")
    greeting = logged_in("TLSv1.2", desk.insert("cps3"))
    with FIREFOX.run(home) as browser:
        wait_for_login(browser, desk.sites.dmp, greeting)
