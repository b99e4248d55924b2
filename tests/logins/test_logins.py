"""Firefox and Chromium log in with the card through the agent's door, at the DMP and by TLS 1.3, and nobody restarts them."""

from __future__ import annotations

from login_browsers import LoginBrowser
from login_desk import Desk
from login_sites import Site, logged_in
from support.waiting import wait_until


def wait_for_login(browser: LoginBrowser, site: Site, greeting: str) -> None:
    """Visit until the browser has seen the card: it looks again after a second."""
    wait_until(lambda: browser.visit(site.url).text.startswith(greeting), "a login")


def wait_for_failure(browser: LoginBrowser, site: Site) -> None:
    """Visit until the browser connects anew: it may have connections to spare that it opened with the card."""
    wait_until(lambda: browser.visit(site.url).status != 200, "a visit without a login")


def test_login_at_the_dmp(desk: Desk, browser: LoginBrowser) -> None:
    """A CPS3, which has no PSS, by TLS 1.2; of its two certificates that for authentication, and nobody is asked which."""
    certificate = desk.insert("cps3")
    visit = browser.visit(desk.sites.dmp.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit


def test_login_where_the_root_alone_is_named(desk: Desk, browser: LoginBrowser) -> None:
    """The issuing authorities have come with the setup."""
    certificate = desk.insert("cps3")
    visit = browser.visit(desk.sites.dmp_root.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit


def test_login_by_tls13_alone(desk: Desk, browser: LoginBrowser) -> None:
    """A CPS4 signs with PSS."""
    certificate = desk.insert("cps4")
    visit = browser.visit(desk.sites.tls13.url)
    assert visit.text.startswith(logged_in("TLSv1.3", certificate)), visit


def test_card_without_pss_is_not_tried_by_tls13(desk: Desk, browser: LoginBrowser) -> None:
    """A site of TLS 1.3 alone gets no certificate of a CPS3; the DMP next door does, in the same browser."""
    certificate = desk.insert("cps3")
    visit = browser.visit(desk.sites.tls13.url)
    assert visit.status == 400 or "NO_COMMON_ALGORITHMS" in visit.error, visit
    visit = browser.visit(desk.sites.dmp.url)
    assert visit.text.startswith(logged_in("TLSv1.2", certificate)), visit


def test_card_pulled_and_back(desk: Desk, browser: LoginBrowser) -> None:
    """Without the card there is no login; with it there is again, in the browser that has run all the while."""
    greeting = logged_in("TLSv1.2", desk.insert("cps3"))
    assert browser.visit(desk.strict.url).text.startswith(greeting)
    desk.pull()
    wait_for_failure(browser, desk.strict)
    desk.insert("cps3")
    wait_for_login(browser, desk.strict, greeting)
