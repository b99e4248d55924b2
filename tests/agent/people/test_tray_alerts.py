"""What is told, once: thresholds, restarts, clocks that jump, files that are damaged, contacts that are worn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.fake_agent import reader, status

from agent.people.translations import load_words
from agent.people.tray.alerts import MAX_PER_SPAN, Alert, AlertKind, Alerts
from agent.people.tray.memory import MAX_CARDS, Memory
from agent.people.tray.messages import write_message
from agent.people.tray.state import NO_AGENT, Renewal, parse_desk, parse_renewals

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "told.json")


def desk(condition="card-ready", **members):
    return parse_desk(status(condition, reader(condition, **members)))


def expiring(days: float):
    return desk(expiresAt=(NOW + timedelta(days=days)).isoformat())


def kinds(alerts: list[Alert]) -> list[AlertKind]:
    return [alert.kind for alert in alerts]


def test_wrong_card_last_try_and_blocked_are_told_when_they_come(memory):
    alerts = Alerts(memory)
    steps = (
        (desk("no-card"), []),
        (desk("not-cps"), [AlertKind.WRONG_CARD]),
        (desk("not-cps"), []),
        (desk(), []),
        (desk("tries-low", pin={"state": "ready", "triesLeft": 2}), []),
        (desk("tries-low", pin={"state": "ready", "triesLeft": 1}), [AlertKind.LAST_TRY]),
        (desk("tries-low", pin={"state": "ready", "triesLeft": 1}), []),
        (desk("pin-blocked"), [AlertKind.BLOCKED]),
        (desk("pin-blocked"), []),
    )
    before = None
    for second, (after, told) in enumerate(steps):
        assert kinds(alerts.review(before, after, NOW, second)) == told, second
        before = after


def test_what_stands_so_at_the_start_is_told_too(memory):
    assert kinds(Alerts(memory).review(None, desk("pin-blocked"), NOW, 0)) == [AlertKind.BLOCKED]


def test_a_revocation_is_told_when_it_is_learned(memory):
    alerts = Alerts(memory)
    assert kinds(alerts.review(desk(), desk(revoked=False), NOW, 0)) == []
    learned = alerts.review(desk(), desk(revoked=True), NOW, 1)
    assert kinds(learned) == [AlertKind.REVOKED]
    assert kinds(alerts.review(desk(revoked=True), desk(revoked=True), NOW, 400)) == []
    assert kinds(alerts.review(None, desk(revoked=True), NOW, 800)) == [AlertKind.REVOKED]
    message = write_message(learned[0], load_words("fr"), "fr")
    assert message.urgent
    assert "Marie DUPONT" in message.body
    assert "révoqué" in message.title


def test_agent_trouble_is_told_once(memory):
    alerts = Alerts(memory)
    assert alerts.review(None, NO_AGENT, NOW, 0) == []  # at login nothing is wrong yet
    assert kinds(alerts.review(desk(), NO_AGENT, NOW, 1)) == [AlertKind.NO_AGENT]
    assert alerts.review(NO_AGENT, NO_AGENT, NOW, 2) == []
    stopped = parse_desk(status("no-reader", service="stopped"))
    assert kinds(alerts.review(desk(), stopped, NOW, 3)) == [AlertKind.SERVICE_STOPPED]


@pytest.mark.parametrize(
    ("days", "threshold"),
    [(90, None), (61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (0, 7), (-1, 0), (-400, 0)],
)
def test_thresholds(memory, days, threshold):
    told = Alerts(memory).review(None, expiring(days), NOW, 0)
    assert [alert.threshold for alert in told] == ([] if threshold is None else [threshold])


def test_each_threshold_once_per_card_across_restarts(tmp_path):
    told, card = [], expiring(100)
    for day in range(103):
        for _ in range(2):  # two runs a day
            alerts = Alerts(Memory(tmp_path / "told.json"))
            told += [alert.threshold for alert in alerts.review(None, card, NOW + timedelta(days=day), 0)]
    assert told == [60, 30, 7, 0]


def test_clock_that_jumps_to_and_fro_tells_nothing_twice(memory):
    card = expiring(100)
    told = []
    for second, jump in enumerate((0, 60, 0, 95, 0, 3000, 0, 60, 95, 3000)):
        alerts = Alerts(memory)
        told += [alert.threshold for alert in alerts.review(None, card, NOW + timedelta(days=jump), second)]
    assert sorted(told) == [0, 7, 60]


def test_a_renewed_card_of_the_same_number_is_another_one(memory):
    assert len(Alerts(memory).review(None, expiring(5), NOW, 0)) == 1
    assert len(Alerts(memory).review(None, expiring(6), NOW, 0)) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"expiries": 7, "noTray": "x"}', b'{"expiries": {"a": "b", "c": [null, "7"]}}',
     b"[" * 100_000, b'{"expiries": {"' + b"a" * 70_000],
)  # fmt: skip
def test_damaged_memory_is_as_good_as_none(tmp_path, content):
    path = tmp_path / "told.json"
    path.write_bytes(content)
    assert len(Alerts(Memory(path)).review(None, expiring(5), NOW, 0)) == 1
    assert Alerts(Memory(path)).review(None, expiring(5), NOW, 0) == []


def test_memory_stays_small_and_private(tmp_path):
    path = tmp_path / "told.json"
    memory = Memory(path)
    for number in range(MAX_CARDS + 50):
        memory.note_expiry(f"{number}/2026-12-01", 7)
    again = Memory(path)
    assert again.has_told(f"{MAX_CARDS + 49}/2026-12-01", 7)
    assert not again.has_told("0/2026-12-01", 7)
    assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["told.json"]


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    memory = Memory(tmp_path / "absent" / "told.json")
    memory.note_expiry("x", 7)
    assert memory.has_told("x", 7)


def test_no_tray_is_told_once_in_a_life(tmp_path):
    assert Memory(tmp_path / "told.json").note_no_tray()
    assert not Memory(tmp_path / "told.json").note_no_tray()


def test_worn_contact_makes_no_storm(memory):
    alerts, told = Alerts(memory), []
    for touch in range(200):
        told += alerts.review(desk("no-card"), desk("not-cps"), NOW, touch * 0.5)
    assert len(told) == 1


def test_many_wrong_cards_at_once_are_not_all_told(memory):
    readers = [reader("not-cps", name=f"Reader {number}") for number in range(12)]
    assert len(Alerts(memory).review(None, parse_desk(status("not-cps", *readers)), NOW, 0)) == MAX_PER_SPAN


def test_expiry_that_did_not_fit_is_told_later(memory):
    alerts = Alerts(memory)
    readers = [reader("not-cps", name=f"Reader {number}") for number in range(MAX_PER_SPAN)]
    crowd = parse_desk(status("not-cps", *readers, reader(expiresAt=(NOW + timedelta(days=3)).isoformat())))
    assert AlertKind.EXPIRES not in kinds(alerts.review(None, crowd, NOW, 0))
    assert kinds(alerts.review(crowd, crowd, NOW, 120)) == [AlertKind.EXPIRES]


def due(certificate: str, days: float, ordered=None, organisation="CABINET DES TILLEULS"):
    end = (NOW + timedelta(days=days)).isoformat()
    subject = {"organisation": organisation}
    return {"certificate": certificate, "expiresAt": end, "subject": subject, "ordered": ordered}


def with_renewals(*renewals):
    return desk().with_renewals(parse_renewals({"renewals": list(renewals)}))


def test_a_certificate_to_be_renewed_is_told_at_each_threshold_once_through_restarts(tmp_path):
    for days, told in ((60, 1), (59, 0), (30, 1), (8, 0), (7, 1), (0, 0), (-1, 1), (-100, 0)):
        alerts = Alerts(Memory(tmp_path / "told.json")).review(None, with_renewals(due("a", days)), NOW, 0)
        assert kinds(alerts) == [AlertKind.RENEWAL] * told, days


def test_a_certificate_that_was_ordered_or_has_time_is_not_told(memory):
    ordered, later = due("a", 3, ordered="0123"), due("b", 61)
    assert Alerts(memory).review(None, with_renewals(ordered, later), NOW, 0) == []


def test_of_two_certificates_each_is_told(memory):
    alerts = Alerts(memory).review(None, with_renewals(due("a", 3), due("b", 3)), NOW, 0)
    assert [alert.renewal.certificate for alert in alerts] == ["a", "b"]


@pytest.mark.parametrize("waiting", [{}, {"renewals": None}, {"renewals": [{}]}, {"renewals": [{"expiresAt": "soon"}]}])
def test_what_is_no_renewal_is_left_out(waiting):
    assert parse_renewals(waiting) == ()


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_words_name_the_holder_and_no_number(kind, language):
    card = desk("card-ready", expiresAt="2026-12-01T00:00:00Z").readers[0]
    alert = Alert(kind, card if kind not in (AlertKind.NO_AGENT, AlertKind.SERVICE_STOPPED) else None, 3)
    if kind is AlertKind.RENEWAL:
        alert = Alert(kind, days=3, renewal=Renewal("a", "CABINET DES TILLEULS", NOW))
    message = write_message(alert, load_words(language), language)
    assert message.title
    assert message.body
    assert "99213845" not in message.title + message.body
    about_card = kind in (
        AlertKind.EXPIRES,
        AlertKind.EXPIRED,
        AlertKind.LAST_TRY,
        AlertKind.BLOCKED,
        AlertKind.REVOKED,
    )
    assert ("Marie DUPONT" in message.body) == about_card


@pytest.mark.parametrize(("days", "title"), [(1, "expires in 1 day"), (60, "expires in 60 days"), (-1, "has expired")])
def test_words_of_a_renewal_say_how_long_and_whose(days, title):
    alert = Alert(AlertKind.RENEWAL, days=days, renewal=Renewal("a", "CABINET\u202e DES TILLEULS", NOW))
    message = write_message(alert, load_words("en"), "en")
    assert message.title.endswith(title)
    assert "\u202e" not in message.body
    assert "DES TILLEULS" in message.body


def test_words_of_a_wrong_card_are_the_agents_in_the_persons_language():
    alert = Alert(AlertKind.WRONG_CARD, desk("not-cps").readers[0])
    assert "carte Vitale" in write_message(alert, load_words("fr"), "fr").body
    assert "a Vitale card" in write_message(alert, load_words("en"), "en").body
