"""RSA keys that lie elsewhere, for OpenSSL: a provider of its own (provider(7)) in a library context of its own.

A token signs hashes; the older way of OpenSSL, an RSA method, would ask it for raw RSA wherever PSS is agreed upon,
which no card does. Nothing else in the process sees this provider. What OpenSSL holds of a key is a number; tables and
callbacks live as long as the process, since OpenSSL may call them as long.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Callable, Mapping
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Final, Generic, TypeVar

from agent.services.tls.errors import TlsUnavailableError
from agent.services.tls.libssl import Algorithm, Dispatch, OpenSsl, keep_for_good, load_openssl
from agent.services.tls.parameters import INTEGER, UNSIGNED, UTF8, Params, answer, describe, make, read
from agent.services.tls.rsa import RsaKey, Signing

# Numbers of openssl/core_dispatch.h, which are part of OpenSSL's binary interface.
OP_KEYMGMT, OP_SIGNATURE = 10, 12
TEARDOWN, QUERY_OPERATION = 1024, 1027
KEY_NEW, KEY_FREE, KEY_GET_PARAMS, KEY_GETTABLE, KEY_OPERATION_NAME = 1, 10, 11, 12, 20
KEY_HAS, KEY_MATCH, KEY_IMPORT, KEY_IMPORT_TYPES = 21, 23, 40, 41
SIGN_NEW, SIGN_INIT, SIGN_UPDATE, SIGN_FINAL, SIGN_ONCE, SIGN_FREE = 1, 8, 9, 10, 11, 16
SIGN_SET_PARAMS, SIGN_SETTABLE = 20, 21
KEYPAIR: Final = 0x03
NAMES: Final = b"RSA:rsaEncryption:1.2.840.113549.1.1.1"
PROVIDER: Final = b"cps-agent"
NUMBER: Final = "cps-agent-key"
"""The parameter by which a key is known while OpenSSL makes its own object of it."""

T = TypeVar("T")


class Objects(Generic[T]):
    """What OpenSSL knows by a number that stands where a pointer would."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._all: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, item: T) -> int:
        """Give the item's number."""
        number = next(self._numbers)
        self._all[number] = item
        return number

    def __getitem__(self, number: int) -> T:
        return self._all[number]

    def __setitem__(self, number: int, item: T) -> None:
        self._all[number] = item

    def drop(self, number: int | None) -> None:
        """Know the number no more."""
        self._all.pop(number or 0, None)


class Provider:
    """Made once, and kept for good. All of it may be called from several threads."""

    def __init__(self, openssl: OpenSsl) -> None:
        self._openssl = openssl
        self._kept: list[object] = []
        self.keys: Objects[RsaKey | None] = Objects()
        self.signings: Objects[Signing] = Objects()
        self._coming: Objects[RsaKey] = Objects()
        self._key_types = describe({"n": UNSIGNED, "e": UNSIGNED, NUMBER: UNSIGNED})
        self._key_facts = describe({"bits": INTEGER, "security-bits": INTEGER, "max-size": INTEGER})
        self._settable = describe({"pad-mode": UTF8, "saltlen": UTF8, "digest": UTF8, "mgf1-digest": UTF8})
        self._algorithms = {
            OP_KEYMGMT: self._algorithm(self._key_functions()),
            OP_SIGNATURE: self._algorithm(self._signature_functions()),
        }
        self._own = self._table(self._own_functions())
        self._library = self._load()

    def make_pkey(self, key: RsaKey) -> int:
        """An EVP_PKEY for the key, to be freed by whoever asked for it. Raises TlsUnavailableError."""
        number = self._coming.add(key)
        openssl = self._openssl
        context = openssl.EVP_PKEY_CTX_new_from_name(self._library, b"RSA", None)
        try:
            made, params = c_void_p(), make({"n": key.modulus, "e": key.exponent, NUMBER: number})
            done = context and openssl.EVP_PKEY_fromdata_init(context) == 1
            if not done or openssl.EVP_PKEY_fromdata(context, byref(made), KEYPAIR, params) != 1 or not made.value:
                raise TlsUnavailableError(f"OpenSSL takes no key that lies elsewhere: {openssl.take_complaint()}")
            return made.value
        finally:
            openssl.EVP_PKEY_CTX_free(context)
            self._coming.drop(number)

    def _load(self) -> int:
        openssl = self._openssl
        library = openssl.OSSL_LIB_CTX_new()
        init = self._callback(self._init, c_int, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p))
        added = library and openssl.OSSL_PROVIDER_add_builtin(library, PROVIDER, init)
        if not added or not openssl.OSSL_PROVIDER_load(library, PROVIDER):
            raise TlsUnavailableError(f"OpenSSL takes no provider from here: {openssl.take_complaint()}")
        return int(library)

    def _init(self, _handle: int, _core: int, out: Any, _context: Any) -> int:
        out[0] = ctypes.addressof(self._own)
        return 1

    def _own_functions(self) -> dict[int, c_void_p]:
        query = self._callback(self._query, c_void_p, c_void_p, c_int, POINTER(c_int))
        return {QUERY_OPERATION: query}

    def _query(self, _context: int, operation: int, no_cache: Any) -> int | None:
        no_cache[0] = 0
        found = self._algorithms.get(operation)
        return None if found is None else ctypes.addressof(found)

    # Keys: EVP_KEYMGMT, provider-keymgmt(7)

    def _key_functions(self) -> dict[int, c_void_p]:
        call, handle = self._callback, c_void_p
        return {
            KEY_NEW: call(lambda _: self.keys.add(None), handle, handle),
            KEY_FREE: call(self.keys.drop, None, handle),
            KEY_GET_PARAMS: call(self._tell_key, c_int, handle, handle),
            KEY_GETTABLE: call(_giving(self._key_facts), handle, handle),
            KEY_OPERATION_NAME: call(_giving(self._keep(ctypes.create_string_buffer(b"RSA"))), handle, c_int),
            KEY_HAS: call(lambda number, _: self.keys[number] is not None, c_int, handle, c_int),
            KEY_MATCH: call(self._match, c_int, handle, handle, c_int),
            KEY_IMPORT: call(self._import, c_int, handle, c_int, handle),
            KEY_IMPORT_TYPES: call(_giving(self._key_types), handle, c_int),
        }

    def _tell_key(self, number: int, params: int) -> bool:
        key = self.keys[number]
        return key is not None and answer(params, key.facts)

    def _match(self, one: int, other: int, _selection: int) -> bool:
        first, second = self.keys[one], self.keys[other]
        return first is not None and second is not None and first.numbers == second.numbers

    def _import(self, number: int, _selection: int, params: int) -> bool:
        """A key of ours that was announced, or a public one that OpenSSL compares with it."""
        values = read(params)
        modulus, exponent = values["n"], values["e"]
        assert isinstance(modulus, int)
        assert isinstance(exponent, int)
        announced = values.get(NUMBER)
        self.keys[number] = self._coming[announced] if isinstance(announced, int) else RsaKey(modulus, exponent)
        return True

    # Signatures: EVP_SIGNATURE, provider-signature(7)

    def _signature_functions(self) -> dict[int, c_void_p]:
        call, handle = self._callback, c_void_p
        size = POINTER(c_size_t)
        return {
            SIGN_NEW: call(lambda _context, _query: self.signings.add(Signing()), handle, handle, c_char_p),
            SIGN_FREE: call(self.signings.drop, None, handle),
            SIGN_INIT: call(self._begin, c_int, handle, c_char_p, handle, handle),
            SIGN_UPDATE: call(self._update, c_int, handle, handle, c_size_t),
            SIGN_FINAL: call(self._finish, c_int, handle, handle, size, c_size_t),
            SIGN_ONCE: call(self._sign, c_int, handle, handle, size, c_size_t, handle, c_size_t),
            SIGN_SET_PARAMS: call(
                lambda number, params: self.signings[number].set(read(params)), c_int, handle, handle
            ),
            SIGN_SETTABLE: call(_giving(self._settable), handle, handle, handle),
        }

    def _begin(self, number: int, hash_name: bytes | None, key_number: int, params: int | None) -> bool:
        key = self.keys[key_number]
        return key is not None and self.signings[number].begin(key, hash_name, read(params))

    def _update(self, number: int, data: int | None, length: int) -> bool:
        self.signings[number].message += ctypes.string_at(data, length) if data else b""
        return True

    def _sign(  # noqa: PLR0913, PLR0917 - OSSL_FUNC_signature_digest_sign
        self,
        number: int,
        out: int | None,
        out_length: Any,
        room: int,
        data: int | None,
        length: int,
    ) -> bool:
        return (out is None or self._update(number, data, length)) and self._finish(number, out, out_length, room)

    def _finish(self, number: int, out: int | None, out_length: Any, room: int) -> bool:
        """Say how long the signature is, or make it: OpenSSL asks twice."""
        signing = self.signings[number]
        out_length[0] = signing.length
        if out is None:
            return True
        signature = signing.sign() if room >= signing.length else None
        if signature is None:
            return False
        ctypes.memmove(out, signature, len(signature))
        return True

    # Tables

    def _algorithm(self, functions: Mapping[int, c_void_p]) -> ctypes.Array[Algorithm]:
        table = self._table(functions)
        first = Algorithm(NAMES, b"provider=" + PROVIDER, ctypes.cast(table, POINTER(Dispatch)), None)
        return self._keep((Algorithm * 2)(first))

    def _table(self, functions: Mapping[int, c_void_p]) -> ctypes.Array[Dispatch]:
        rows = [Dispatch(number, function.value) for number, function in functions.items()]
        return self._keep((Dispatch * (len(rows) + 1))(*rows))

    def _callback(self, function: Callable[..., Any], result: Any, *arguments: Any) -> c_void_p:
        made = self._keep(CFUNCTYPE(result, *arguments)(_quiet(function)))
        return ctypes.cast(made, c_void_p)

    def _keep(self, item: T) -> T:
        self._kept.append(item)
        return item


def _giving(array: Params | ctypes.Array[ctypes.c_char]) -> Callable[..., int]:
    address = ctypes.addressof(array)
    return lambda *_: address


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """C cannot take an exception: a call that fails gives nothing, which is failure for all of them."""

    def run(*arguments: Any) -> Any:
        try:
            return function(*arguments) or 0
        except Exception:  # noqa: BLE001
            return 0

    return run


@functools.cache
def load_provider() -> Provider:
    """Load it, once. Raises TlsUnavailableError."""
    return keep_for_good(Provider(load_openssl()))
