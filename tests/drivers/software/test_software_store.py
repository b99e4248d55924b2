"""The folder of software keys: what is kept, how, and what becomes of it when things go wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.openssl import openssl
from support.organisations import add_key, phrase

from drivers.base import Deadline
from drivers.errors import CardBusyError, NotSupportedError, PinFormatError, PinWrongError
from drivers.software.entries import Protection, read_index
from drivers.software.errors import (
    EntryDamagedError,
    EntryGoneError,
    KeyFileError,
    KeyMismatchError,
    SecretGoneError,
    StoreError,
    WrappingUnavailableError,
)
from drivers.software.keys import PrivateKey
from drivers.software.shelf import STALE_S
from drivers.software.store import MAX_ENTRIES, SoftwareStore

WORDS = "clé de la pharmacie 🔑"


def soon():
    return Deadline(20)


def opens(store, entry, code=None):
    with store.open_key(entry.id, code, soon()) as key:
        return key.public_der()


def key_path(folder, entry):
    (path,) = (folder / entry.id).glob("*.p8")
    return path


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_was_added_is_there_for_another_process(store, store_folder, secrets, auth, seal):
    added = {add_key(store, auth, WORDS), add_key(store, seal)}
    again = SoftwareStore(store_folder, secrets)
    assert set(again.list_entries()) == added
    for entry in added:
        assert entry == again.find_entry(entry.id)
        assert entry.chain_der == auth.chain_der
        code = phrase(WORDS) if entry.protection is Protection.PASSPHRASE else None
        assert opens(again, entry, code)


def test_an_empty_store_makes_no_folder(store, store_folder):
    assert store.list_entries() == store.list_damaged() == ()
    assert not store_folder.exists()


def test_a_key_is_never_on_disk_in_clear(store, store_folder, auth, seal):
    for key, words in ((auth, WORDS), (seal, None)):
        add_key(store, key, words)
        numbers = key.private.private_numbers()
        for secret in (numbers.d, numbers.p, numbers.q):
            size = (secret.bit_length() + 7) // 8
            assert secret.to_bytes(size)[:16] not in all_bytes(store_folder)
    assert WORDS.encode() not in all_bytes(store_folder)


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
def test_nobody_else_can_look(store, store_folder, auth):
    store_folder.mkdir(mode=0o755)
    add_key(store, auth)
    for path in (store_folder, *store_folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("words", [WORDS, None])
def test_openssl_opens_the_file_with_the_secret_and_no_other(store, store_folder, secrets, auth, words, tmp_path):
    entry = add_key(store, auth, words)
    secret = words or next(iter(secrets.secrets.values())).decode()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "wrong").write_text("wrong")
    path = str(key_path(store_folder, entry))
    read = ["pkcs8", "-inform", "DER", "-in", path, "-passin"]
    assert openssl(tmp_path, *read, "file:secret").strip().encode() == auth.pem().strip()
    wrong = subprocess.run(["openssl", *read, "file:wrong"], cwd=tmp_path, capture_output=True, check=False)
    assert wrong.returncode != 0


def test_the_key_must_be_the_certificates(store, store_folder, auth, seal, secrets):
    with auth.key() as key, pytest.raises(KeyMismatchError):
        store.add(key, seal.certificate_der, (), None)
    assert not store.list_entries()
    assert not secrets.secrets


def test_authorities_and_garbage_are_no_certificates_of_keys(store, auth):
    for der in (auth.chain_der[0], b"", b"\x30\x80", b"garbage", auth.certificate_der[:-1]):
        with auth.key() as key, pytest.raises(KeyFileError):
            store.add(key, der, (), None)


def test_a_key_with_numbers_that_do_not_fit_is_refused(store, auth):
    with auth.key() as key:
        key.pkcs8[60] ^= 1  # in the modulus
        with pytest.raises(KeyFileError):
            store.add(key, auth.certificate_der, (), None)


def test_the_wrong_passphrase_is_named_and_opens_nothing(store, auth):
    entry = add_key(store, auth, WORDS)
    with pytest.raises(PinWrongError) as raised:
        opens(store, entry, phrase(WORDS + " "))
    assert raised.value.tries_left is None
    assert opens(store, entry, phrase(WORDS))


def test_wrong_passphrases_make_the_next_try_wait(store, auth, monkeypatch):
    monkeypatch.setattr("drivers.software.patience.PAUSES_S", (0.0, 0.1, 0.4))
    entry = add_key(store, auth, WORDS)
    for _ in range(2):
        with pytest.raises(PinWrongError):
            opens(store, entry, phrase("wrong"))
        refused_at = time.monotonic()
    assert opens(store, entry, phrase(WORDS))
    assert time.monotonic() - refused_at > 0.35


def test_the_pause_of_one_key_is_no_other_keys_and_outlasts_no_deadline(store, auth, seal, monkeypatch):
    monkeypatch.setattr("drivers.software.patience.PAUSES_S", (0.0, 3600.0))
    entry, other = add_key(store, auth, WORDS), add_key(store, seal, WORDS)
    with pytest.raises(PinWrongError):
        opens(store, entry, phrase("wrong"))
    with pytest.raises(CardBusyError):
        opens(store, entry, phrase(WORDS))
    assert opens(store, other, phrase(WORDS))


def test_a_code_of_another_sort_is_refused_before_anything_is_tried(store, auth, seal):
    entry, other = add_key(store, auth, WORDS), add_key(store, seal)
    for each, code in ((entry, None), (other, phrase(WORDS))):
        with pytest.raises(NotSupportedError):
            opens(store, each, code)
    wiped = phrase(WORDS)
    wiped.wipe()
    with pytest.raises(PinFormatError):
        opens(store, entry, wiped)


def test_a_key_store_that_is_gone_or_has_forgotten_is_named(store, secrets, auth):
    entry = add_key(store, auth)
    secrets.available = False
    with pytest.raises(WrappingUnavailableError):
        opens(store, entry)
    secrets.available = True
    secrets.secrets.clear()
    with pytest.raises(SecretGoneError):
        opens(store, entry)


def test_without_a_key_store_nothing_is_half_kept(store, secrets, auth):
    secrets.available = False
    with pytest.raises(WrappingUnavailableError):
        add_key(store, auth)
    assert not store.list_entries()
    assert add_key(store, auth, WORDS)


def test_the_passphrase_is_changed_in_one_step(store, store_folder, auth, seal):
    first, second = add_key(store, auth, WORDS), add_key(store, seal, "another")
    before = key_path(store_folder, first)
    ids = (first.id, second.id)
    assert store.change_passphrase(ids, phrase(WORDS), phrase("new words"), soon()) == (first.id,)
    assert key_path(store_folder, first) != before
    assert opens(store, first, phrase("new words"))
    assert opens(store, second, phrase("another"))
    with pytest.raises(PinWrongError):
        store.change_passphrase(ids, phrase(WORDS), phrase("x"), soon())


def test_the_same_certificate_again_gets_the_new_protection(store, store_folder, secrets, auth):
    for words, count in ((None, 1), (WORDS, 0), (None, 1), (None, 1)):
        entry = add_key(store, auth, words)
        assert [entry] == list(store.list_entries())
        assert len(secrets.secrets) == count
        assert opens(store, entry, None if words is None else phrase(words))
    assert key_path(store_folder, entry)


def test_removing_forgets_key_and_secret(store, store_folder, secrets, auth, seal):
    entry, other = add_key(store, auth), add_key(store, seal, WORDS)
    store.remove(entry.id)
    assert store.list_entries() == (other,)
    assert not secrets.secrets
    assert [path.name for path in store_folder.iterdir()] == [other.id]
    with pytest.raises(EntryGoneError):
        store.remove(entry.id)
    with pytest.raises(EntryGoneError):
        opens(store, entry)
    assert add_key(store, auth) in store.list_entries()


def test_it_is_removed_though_the_key_store_is_gone(store, secrets, auth):
    entry = add_key(store, auth)
    secrets.available = False
    store.remove(entry.id)
    assert not store.list_entries()


DAMAGES = {
    "no index": lambda folder: (folder / "entry.json").unlink(),
    "index cut short": lambda folder: (folder / "entry.json").write_bytes((folder / "entry.json").read_bytes()[:30]),
    "index of nothing": lambda folder: (folder / "entry.json").write_text("{}"),
    "index with a path": lambda folder: (folder / "entry.json").write_text(
        (folder / "entry.json").read_text().replace('"key": "', '"key": "../')
    ),
    "index too large": lambda folder: (folder / "entry.json").write_bytes(b" " * 70_000),
    "index nested": lambda folder: (folder / "entry.json").write_bytes(b"[" * 60_000),
    "index is a folder": lambda folder: ((folder / "entry.json").unlink(), (folder / "entry.json").mkdir()),
    "index is a pipe": lambda folder: ((folder / "entry.json").unlink(), os.mkfifo(folder / "entry.json")),
    "no certificate": lambda folder: (folder / "certificate.der").unlink(),
    "another certificate": lambda folder: (folder / "certificate.der").write_bytes(b"\x30\x00"),
    "a link": lambda folder: (
        shutil.move(folder / "certificate.der", folder.parent / "elsewhere"),
        (folder / "certificate.der").symlink_to(folder.parent / "elsewhere"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES, ids=list(DAMAGES))
def test_a_damaged_entry_costs_itself_alone(store, store_folder, auth, seal, damage):
    entry, other = add_key(store, auth), add_key(store, seal)
    DAMAGES[damage](store_folder / entry.id)
    assert store.list_entries() == (other,)
    assert store.list_damaged() == (entry.id,)
    with pytest.raises(EntryDamagedError):
        store.find_entry(entry.id)
    assert add_key(store, auth).id == entry.id  # imported again, it is whole
    assert opens(store, entry)
    store.remove(entry.id)
    assert store.list_entries() == (other,)


def test_a_damaged_key_file_is_no_wrong_passphrase(store, store_folder, auth):
    entry = add_key(store, auth, WORDS)
    path = key_path(store_folder, entry)
    content = bytearray(path.read_bytes())
    for position in (5, len(content) // 2, len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(EntryDamagedError):
            opens(store, entry, phrase(WORDS))
    path.unlink()
    with pytest.raises(EntryDamagedError):
        opens(store, entry, phrase(WORDS))


def test_attack_a_link_in_the_place_of_the_store_is_not_followed(store, store_folder, tmp_path, auth):
    (tmp_path / "elsewhere").mkdir()
    store_folder.symlink_to(tmp_path / "elsewhere")
    for attempt in (lambda: add_key(store, auth), store.list_entries):
        with pytest.raises(StoreError):
            attempt()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_attack_a_link_in_the_place_of_an_entry_is_not_followed(store, store_folder, tmp_path, auth, seal):
    entry = add_key(store, auth)
    moved = shutil.move(store_folder / entry.id, tmp_path / "moved")
    (store_folder / entry.id).symlink_to(moved)
    assert store.list_entries() == ()
    with pytest.raises(StoreError):
        add_key(store, auth)
    with pytest.raises(EntryGoneError):
        store.remove(entry.id)
    assert read_index(Path(moved))


@pytest.mark.parametrize("name", ["../x", "", ".", "..", "A" * 32, "0" * 31, "0" * 32 + "\n"])
def test_attack_names_of_entries_lead_nowhere_else(store, auth, name):
    add_key(store, auth)
    for attempt in (store.find_entry, store.remove, lambda name: opens(store, type("E", (), {"id": name}))):
        with pytest.raises(EntryGoneError):
            attempt(name)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a folder away")
def test_attack_what_belongs_to_another_user_is_not_used(store, store_folder, auth, seal):
    entry, other = add_key(store, auth), add_key(store, seal)
    os.chown(store_folder / entry.id / "certificate.der", 12345, 12345)
    assert store.list_entries() == (other,)
    os.chown(store_folder / other.id, 12345, 12345)
    assert store.list_entries() == ()
    os.chown(store_folder, 12345, 12345)
    with pytest.raises(StoreError):
        store.list_entries()


@pytest.mark.parametrize("limit", [0, 300, 900, 1500])
def test_a_full_disk_leaves_nothing_half_imported(store, store_folder, secrets, auth, seal, limit):
    old = add_key(store, seal)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        for key in (auth, seal):
            with pytest.raises(StoreError):
                add_key(store, key)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.list_entries() == (old,)
    assert [path.name for path in store_folder.iterdir()] == [old.id]
    assert len(secrets.secrets) == 1
    assert opens(store, old)
    assert add_key(store, auth) in store.list_entries()


def test_imports_at_the_same_time_all_arrive(store_folder, secrets, organisation_keys):
    keys, failures = list(organisation_keys.values()), []

    def work(number):
        try:
            for _ in range(3):
                add_key(SoftwareStore(store_folder, secrets), keys[number % len(keys)])
        except Exception as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2 * len(keys))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    store = SoftwareStore(store_folder, secrets)
    assert len(store.list_entries()) == len(keys)
    for entry in store.list_entries():
        assert opens(store, entry)


def test_what_killed_processes_left_is_swept_away_later(store, store_folder, secrets, auth, seal):
    entry = add_key(store, auth)
    left = store_folder / ".new-0123456789abcdef"
    (store_folder / entry.id).rename(left)
    (store_folder / ".new-link").symlink_to(store_folder)
    add_key(store, seal)
    assert left.exists()  # somebody may be at work on it
    old = time.time() - STALE_S - 60
    os.utime(left, (old, old))
    store.sweep()
    assert not left.exists()
    assert (store_folder / ".new-link").is_symlink()
    assert len(secrets.secrets) == 1


def test_a_key_in_its_old_protection_does_not_stay(store, store_folder, secrets, auth, seal):
    """A process was killed just after the new one counted."""
    entry = add_key(store, auth, "old")
    left = key_path(store_folder, entry)
    content = left.read_bytes()
    add_key(store, auth)
    left.write_bytes(content)
    store.sweep()
    assert left.exists()
    old = time.time() - STALE_S - 60
    for path in (store_folder / entry.id).iterdir():
        os.utime(path, (old, old))
    store.sweep()
    assert not left.exists()
    assert opens(store, entry)


def test_a_process_killed_at_any_step_of_an_import_loses_nothing(tmp_path, organisation_keys):
    """Add, add again with another protection, change a passphrase, remove: killed before each call to the system."""
    for name in ("AUTH_CLI", "SIGN"):
        key = organisation_keys[name]
        (tmp_path / f"{name}.pem").write_bytes(key.pem())
        (tmp_path / f"{name}.der").write_bytes(key.certificate_der)
    script = Path(__file__).with_name("killed_importer.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_there_is_an_end_to_what_is_kept(store, store_folder, auth):
    add_key(store, auth)
    for number in range(MAX_ENTRIES):
        (store_folder / f"{number:032x}").mkdir()
    with pytest.raises(StoreError):
        add_key(store, auth)
    assert len(store.list_damaged()) <= MAX_ENTRIES


def test_a_private_key_is_shown_by_nothing(auth):
    with auth.key() as key:
        assert repr(key) == "PrivateKey(hidden)"
        buffer = key.pkcs8
    assert not any(buffer)
    with pytest.raises(KeyFileError):
        key.load()


def test_a_key_made_here_is_a_key():
    with PrivateKey.generate() as key:
        assert key.load().key_size == 2048


@pytest.mark.parametrize("known", [False, True])
def test_attack_a_disk_that_fails_behind_an_import_costs_no_secret(store, secrets, auth, monkeypatch, known):
    """The folder's rename is done, and only then the disk says no: what is there must open."""
    if known:
        add_key(store, auth)
    real = os.fsync
    for number in range(3):
        calls = 0

        def counted(descriptor: int, last: int = number) -> None:
            nonlocal calls
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                calls += 1
                if calls > last:
                    raise OSError(errno.EIO, "the disk fails")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", counted)
        with contextlib.suppress(StoreError):
            add_key(store, auth)
        monkeypatch.setattr(os, "fsync", real)
        assert all(opens(store, entry) for entry in store.list_entries())
