"""What every token promises, whatever the way to it (drivers.base)."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections import Counter
from dataclasses import replace

import pytest
from contract_tokens import MAKERS, Ability, Given, contactless, make, opensc, pcsc, software_key_store
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import NO_HASH, DataReader, Deadline, Digest, KeyInfo, KeyRole, Padding, PinKeeper, PinReader, Token
from drivers.card.activity import activity_number, parse_activities
from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardRemovedError,
    CardUnknownError,
    DriverError,
    KeyUnusableError,
    NotSupportedError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinWrongError,
)
from drivers.pin import ON_PAD, Code, Passphrase, Pin
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.personalisation import DEFAULT

MESSAGE = b"content"
PIN, OTHER_PIN, WRONG_PIN, PUK = "1234", "567890", "9999", "12345678"
SIGNED_HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}

needs = pytest.mark.needs


def pin(token: Token, digits: str = PIN) -> Code:
    """A code of the kind that the token takes."""
    return (Passphrase if token.passphrase else Pin)(bytearray(digits.encode()))


def soon() -> Deadline:
    return Deadline(20)


def key_of(token: Token, role: KeyRole) -> KeyInfo:
    return next(key for key in token.keys if key.role is role)


def digest(algorithm: str = "sha256", message: bytes = MESSAGE) -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, message).digest())


def code_for(token: Token, key: KeyInfo, digits: str = PIN) -> Code | None:
    return pin(token, digits) if key.needs_code else None


def sign(token: Token, role: KeyRole = KeyRole.AUTHENTICATION, algorithm: str = "sha256", digits: str = PIN) -> bytes:
    key = key_of(token, role)
    return token.sign(key, [digest(algorithm)], code_for(token, key, digits), soon())[0]


def verify(key: KeyInfo, signature: bytes, algorithm: str = "sha256", made: Digest | None = None) -> None:
    """Somebody else's code agrees that the certificate's key signed. Raises InvalidSignature."""
    made = made or digest(algorithm)
    name, scheme = SIGNED_HASHES[made.algorithm], padding.PKCS1v15()
    if made.padding is Padding.PSS:
        scheme = padding.PSS(padding.MGF1(name), name.digest_size)
    public = x509.load_der_x509_certificate(key.certificate_der).public_key()
    public.verify(signature, made.value, scheme, Prehashed(name))


def require_pin(token: Token, digits: str) -> None:
    assert isinstance(token, PinKeeper)
    token.verify_pin(pin(token, digits), soon())


def test_it_says_who_it_is_the_same_each_time(subject):
    first, second = subject.token(), subject.token()
    assert first.number == second.number == subject.number
    assert first.keys == second.keys
    assert first.label
    assert first.generation
    for key in first.keys:
        assert x509.load_der_x509_certificate(key.certificate_der)
        assert key.key_id


@needs(Ability.CODE)
def test_it_has_one_key_of_each_role(token):
    assert sorted(key.role for key in token.keys) == ["authentication", "signature"]
    assert all(key.needs_code for key in token.keys)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_the_authentication_key_signs(subject, token, algorithm):
    verify(key_of(token, KeyRole.AUTHENTICATION), sign(token, algorithm=algorithm), algorithm)
    assert not subject.stands_verified


@needs(Ability.LONG_HASHES)
@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_the_authentication_key_signs_longer_hashes(token, algorithm):
    verify(key_of(token, KeyRole.AUTHENTICATION), sign(token, algorithm=algorithm), algorithm)


@needs(Ability.LONG_HASHES)
@pytest.mark.parametrize("length", [1, 36, 83])
def test_the_authentication_key_signs_what_is_no_hash(token, length):
    """TLS 1.1 signs the 36 bytes of two hashes; a card takes two fifths of the modulus (IAS-ECC), a DigestInfo fits."""
    key, value = key_of(token, KeyRole.AUTHENTICATION), bytes(range(length))
    (signature,) = token.sign(key, [Digest(NO_HASH, value)], code_for(token, key), soon())
    public = x509.load_der_x509_certificate(key.certificate_der).public_key()
    assert public.recover_data_from_signature(signature, padding.PKCS1v15(), None) == value


@needs(Ability.LONG_HASHES)
def test_a_value_that_the_modulus_has_no_room_for(subject, token):
    key = key_of(token, KeyRole.AUTHENTICATION)
    with pytest.raises(NotSupportedError):
        token.sign(key, [Digest(NO_HASH, bytes(246))], code_for(token, key), soon())
    assert not subject.stands_verified


@needs(Ability.SIGNATURE_KEY)
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_the_signature_key_signs(subject, token, algorithm):
    verify(key_of(token, KeyRole.SIGNATURE), sign(token, KeyRole.SIGNATURE, algorithm), algorithm)
    assert not subject.stands_verified


@needs(Ability.CARD)
def test_what_the_signature_key_of_a_card_does_not_take_is_refused_before_the_code_is_sent(subject, token):
    spent = pin(token, WRONG_PIN)
    with pytest.raises(NotSupportedError):
        token.sign(key_of(token, KeyRole.SIGNATURE), [digest("sha512")], spent, soon())
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_a_key_that_cannot_sign_says_so_once_and_is_known_for_it(subject, token):
    key = key_of(token, KeyRole.SIGNATURE)
    try:
        verify(key, sign(token, KeyRole.SIGNATURE))
    except KeyUnusableError:
        assert key_of(token, KeyRole.SIGNATURE).hashes == frozenset()
        with pytest.raises(NotSupportedError):
            token.sign(key, [digest()], pin(token, WRONG_PIN), soon())
        verify(key_of(token, KeyRole.AUTHENTICATION), sign(token))
    assert not subject.stands_verified


def test_many_signatures_in_a_row(token):
    key = key_of(token, KeyRole.AUTHENTICATION)
    for _ in range(5):
        verify(key, sign(token))


def test_a_batch_is_signed_in_order_by_as_many_calls_as_it_takes(subject, token):
    key = key_of(token, KeyRole.AUTHENTICATION)
    batch = [digest(algorithm, bytes([number])) for number in range(6) for algorithm in ("sha1", "sha256")]
    signatures = []
    while len(signatures) < len(batch):
        made = token.sign(key, batch[len(signatures) :], code_for(token, key), soon())
        assert made
        assert not subject.stands_verified
        signatures += made
    for each, signature in zip(batch, signatures, strict=True):
        verify(key, signature, made=each)
    assert token.sign(key, [], code_for(token, key), soon()) == []


@needs(Ability.CARD)
def test_one_digest_that_the_key_does_not_take_spends_no_code(token):
    key = key_of(token, KeyRole.SIGNATURE)
    with pytest.raises(NotSupportedError):
        token.sign(key, [digest(), digest("sha512")], pin(token, WRONG_PIN), soon())
    require_pin(token, PIN)


@needs(Ability.PSS)
@pytest.mark.parametrize("role", list(KeyRole))
def test_it_signs_with_pss(subject, token, role):
    key, made = key_of(token, role), replace(digest(), padding=Padding.PSS)
    assert key.signs(made)
    (signature,) = token.sign(key, [made], code_for(token, key), soon())
    verify(key, signature, made=made)
    assert not subject.stands_verified


def test_a_code_of_another_sort_than_the_token_takes_is_refused(subject, token):
    key = key_of(token, KeyRole.AUTHENTICATION)
    for code in (ON_PAD, None if key.needs_code else pin(token, WRONG_PIN)):
        with pytest.raises(NotSupportedError):
            token.sign(key, [digest()], code, soon())
        assert not subject.stands_verified
    verify(key, sign(token))


@needs(Ability.CODE)
def test_a_wrong_code_is_named_and_the_right_one_works_afterwards(subject, token):
    with pytest.raises(PinWrongError) as raised:
        sign(token, digits=WRONG_PIN)
    assert raised.value.tries_left in (None, 2)
    assert not subject.stands_verified
    verify(key_of(token, KeyRole.AUTHENTICATION), sign(token))


@needs(Ability.TRIES)
def test_tries_are_counted(token):
    assert isinstance(token, PinReader)
    assert token.read_pin_status(soon()).tries_left == 3
    with pytest.raises(PinWrongError) as raised:
        require_pin(token, WRONG_PIN)
    assert raised.value.tries_left == token.read_pin_status(soon()).tries_left == 2
    require_pin(token, PIN)
    assert token.read_pin_status(soon()).tries_left == 3


@needs(Ability.BLOCKING)
def test_the_last_try_is_told_and_a_blocked_code_is_named(token):
    assert isinstance(token, PinReader)
    for _ in range(2):
        with pytest.raises(PinWrongError):
            require_pin(token, WRONG_PIN)
    assert token.read_pin_status(soon()).tries_left == 1
    with pytest.raises(PinBlockedError):
        require_pin(token, WRONG_PIN)
    assert token.read_pin_status(soon()).blocked
    with pytest.raises(PinBlockedError):
        sign(token)


@needs(Ability.CODE)
def test_the_state_of_the_code_costs_no_try(token):
    assert isinstance(token, PinReader)
    for _ in range(4):
        assert not token.read_pin_status(soon()).blocked
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_the_code_is_checked_and_nothing_stays_open(subject, token):
    require_pin(token, PIN)
    assert not subject.stands_verified


@needs(Ability.CODE)
def test_the_code_is_changed(subject, token):
    assert isinstance(token, PinKeeper)
    token.change_pin(pin(token), pin(token, OTHER_PIN), soon())
    assert not subject.stands_verified
    with pytest.raises(PinWrongError):
        require_pin(token, PIN)
    require_pin(subject.token(), OTHER_PIN)
    token.change_pin(pin(token, OTHER_PIN), pin(token), soon())
    verify(key_of(token, KeyRole.AUTHENTICATION), sign(token))


@needs(Ability.CODE)
def test_a_code_is_not_changed_by_who_does_not_know_it(subject, token):
    assert isinstance(token, PinKeeper)
    with pytest.raises(PinWrongError):
        token.change_pin(pin(token, WRONG_PIN), pin(token, OTHER_PIN), soon())
    require_pin(subject.token(), PIN)


@needs(Ability.UNBLOCKING)
def test_a_new_code_is_set_with_the_puk(subject, token):
    assert isinstance(token, PinKeeper)
    token.unblock_pin(pin(token, PUK), pin(token, OTHER_PIN), soon())
    require_pin(subject.token(), OTHER_PIN)
    assert not subject.stands_verified


@needs(Ability.UNBLOCKING, Ability.BLOCKING)
def test_a_blocked_code_is_unblocked(token):
    assert isinstance(token, PinKeeper)
    for _ in range(3):
        with pytest.raises(PinError):
            require_pin(token, WRONG_PIN)
    token.unblock_pin(pin(token, PUK), pin(token, OTHER_PIN), soon())
    require_pin(token, OTHER_PIN)


@needs(Ability.UNBLOCKING)
def test_a_wrong_puk_sets_nothing(subject, token):
    assert isinstance(token, PinKeeper)
    with pytest.raises(PinWrongError):
        token.unblock_pin(pin(token, "87654321"), pin(token, OTHER_PIN), soon())
    require_pin(subject.token(), PIN)


@needs(Ability.CODE)
def test_an_unblocking_that_is_not_offered_is_an_error_of_the_drivers(subject, token):
    assert isinstance(token, PinKeeper)
    try:
        token.unblock_pin(pin(token, PUK), pin(token), soon())
    except DriverError:
        assert not subject.stands_verified
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_a_code_that_was_wiped_is_never_sent(token):
    gone = pin(token)
    gone.wipe()
    with pytest.raises(PinFormatError):
        token.sign(key_of(token, KeyRole.AUTHENTICATION), [digest()], gone, soon())
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_a_code_wiped_while_it_is_under_way_is_sent_whole_or_not_at_all(token):
    """The person's answer ends with the request, wherever the call stands then."""
    key = key_of(token, KeyRole.AUTHENTICATION)
    for delay_s in (0.0, 0.0005, 0.002, 0.01):
        code = pin(token)
        timer = threading.Timer(delay_s, code.wipe)
        timer.start()
        try:
            verify(key, *token.sign(key, [digest()], code, soon()))
        except PinFormatError:
            assert not any(code._digits)
        timer.join()
    assert isinstance(token, PinReader)
    assert token.read_pin_status(soon()).tries_left in (None, 3)
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_nothing_is_begun_after_the_deadline(token):
    late = Deadline(10)
    late.cancel()
    with pytest.raises(CardBusyError):
        token.sign(key_of(token, KeyRole.AUTHENTICATION), [digest()], pin(token, WRONG_PIN), late)
    require_pin(token, PIN)


@needs(Ability.CODE)
def test_a_key_of_another_token_is_refused(token):
    own = key_of(token, KeyRole.AUTHENTICATION)
    foreign = KeyInfo(b"\x00\x01", own.label, own.role, own.certificate_der, own.hashes)
    with pytest.raises(NotSupportedError):
        token.sign(foreign, [digest()], pin(token, WRONG_PIN), soon())
    require_pin(token, PIN)


def test_two_users_of_one_token_take_turns(subject):
    """Each in a thread of its own, with a token of its own."""
    tokens, results = (subject.token(), subject.token()), []

    def work(token):
        results.extend((key_of(token, KeyRole.AUTHENTICATION), sign(token)) for _ in range(2))

    threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4
    for key, signature in results:
        verify(key, signature)
    assert not subject.stands_verified


@needs(Ability.CARD)
def test_a_pulled_card_is_named_by_every_call(subject, token):
    subject.pull()
    calls = (
        lambda: token.read_pin_status(soon()),
        lambda: sign(token),
        lambda: require_pin(token, PIN),
        lambda: token.change_pin(pin(token), pin(token), soon()),
    )
    for call in calls:
        with pytest.raises((CardRemovedError, CardAbsentError)):
            call()


@needs(Ability.DATA)
def test_data_objects_are_read_the_private_ones_with_the_code(subject, token):
    assert isinstance(token, DataReader)
    public = token.read_data_objects(None, soon())
    assert "CPS_INFO_PS" in {item.label for item in public}
    assert not any(item.private for item in public)
    private = {item.label: item for item in token.read_data_objects(pin(token), soon()) if item.private}
    assert b"CABINET DU DR VIRTUEL" in private["CPS_ACTIVITY_01_PS"].value
    assert not subject.stands_verified
    with pytest.raises(PinWrongError):
        token.read_data_objects(pin(token, WRONG_PIN), soon())


@needs(Ability.DATA)
def test_the_data_objects_are_listed_without_a_code(subject, token):
    assert isinstance(token, DataReader)
    listed = {(entry.label, entry.private) for entry in token.list_data_objects(soon())}
    assert ("CPS_INFO_PS", False) in listed
    assert token.access != "direct" or subject.kind != "cps3" or ("CPS_ACTIVITY_01_PS", True) in listed
    assert not subject.stands_verified


@needs(Ability.DATA)
def test_the_data_objects_that_are_wanted_alone(subject, token):
    found = token.read_data_objects(pin(token), soon(), lambda label: activity_number(label) is not None)
    assert [each.number for each in parse_activities((item.label, item.value) for item in found)] == [1, 3]
    assert {item.private for item in found} == {True}
    assert not subject.stands_verified
    assert token.read_data_objects(pin(token), soon(), lambda _: False) == ()


def test_both_ways_to_one_card_show_one_card(request, tmp_path):
    """Over one reader, one after the other and while the other is open."""
    with make(pcsc, Given(request, tmp_path)) as direct, make(opensc, Given(request, tmp_path)) as by_module:
        first, second = direct.token(), by_module.token()
        assert first.number == second.number
        seen = [{(key.key_id, key.role, key.certificate_der) for key in token.keys} for token in (first, second)]
        assert seen[0] == seen[1]
        for token in (first, second, first):
            verify(key_of(second, KeyRole.AUTHENTICATION), sign(token))
        assert not direct.stands_verified


def test_a_certificate_of_another_key_is_noticed_at_the_first_signature(made_folder, made_softhsm, tmp_path):
    """Somebody has put it under the key's CKA_ID: what it signs with that key never leaves."""
    token = made_softhsm.copy(tmp_path / "token")
    key_id = DEFAULT.key_id(DEFAULT.authentication).hex()
    tool = ["pkcs11-tool", "--module", str(token.module), "--login", "--pin", PIN, "--type", "cert"]
    other = next(made_folder.rglob("signature-*.der"))
    for change in (["--delete-object", "--id", key_id], ["--write-object", str(other), "--id", key_id]):
        subprocess.run([*tool, *change], env=token.env, check=True, capture_output=True)
    tokens = ModuleTokens(ModuleWorkers(named=(token.module,), environment=token.env))
    (state,) = tokens.list_states()
    opened = tokens.open_slot(state.name).open_token(soon())
    key = next(key for key in opened.keys if key.key_id.hex() == key_id)
    with pytest.raises(CardUnknownError):
        opened.sign(key, [digest()], pin(opened), soon())
    opened.close()


def test_every_token_runs_most_of_the_contract(request):
    """Abilities that are taken away would empty the suite without a word."""
    here = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    names = {item.originalname for item in here}
    if len(names) < 20:  # a part of the suite was asked for
        return
    counts = Counter(item.callspec.params["subject"].__name__ for item in here if "subject" in item.callspec.params)
    assert set(counts) == {maker.__name__ for maker in MAKERS}
    for without_code in (contactless, software_key_store):
        assert counts.pop(without_code.__name__) >= 9
    assert min(counts.values()) >= 20, counts
