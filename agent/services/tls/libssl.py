"""The OpenSSL that Python's own ssl module is linked to, reached by ctypes: never another one that is installed too."""

from __future__ import annotations

import ctypes
import functools
import ssl
import sys
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_long, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.services.tls.errors import TlsUnavailableError

MIN_VERSION: Final = (3, 0)
"""Providers, which the key needs, came with OpenSSL 3.0 (provider(7))."""

SSL_CTRL_CHAIN_CERT: Final = 89
SSL_CTRL_SET_CLIENT_SIGALGS_LIST: Final = 102
SSL_CTRL_GET_MIN_PROTO_VERSION: Final = 130
SSL_CTRL_GET_MAX_PROTO_VERSION: Final = 131

_WINDOWS_NAMES: Final = {"ssl": ("libssl-3", "libssl-3-x64", "libssl-3-arm64"),
                         "crypto": ("libcrypto-3", "libcrypto-3-x64", "libcrypto-3-arm64")}  # fmt: skip


T = TypeVar("T")


class Dispatch(Structure):
    """OSSL_DISPATCH (openssl/core.h)."""

    _fields_ = (("function_id", c_int), ("function", c_void_p))


class Algorithm(Structure):
    """OSSL_ALGORITHM (openssl/core.h)."""

    _fields_ = (
        ("names", c_char_p),
        ("properties", c_char_p),
        ("implementation", POINTER(Dispatch)),
        ("description", c_char_p),
    )


class Param(Structure):
    """OSSL_PARAM (openssl/core.h). `data`: numbers in the byte order of the machine."""

    _fields_ = (
        ("key", c_char_p),
        ("data_type", c_uint),
        ("data", c_void_p),
        ("data_size", c_size_t),
        ("return_size", c_size_t),
    )


_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, ()),
    "OSSL_LIB_CTX_new": (c_void_p, ()),
    "OSSL_PROVIDER_add_builtin": (c_int, (c_void_p, c_char_p, c_void_p)),
    "OSSL_PROVIDER_load": (c_void_p, (c_void_p, c_char_p)),
    "OSSL_PARAM_locate": (POINTER(Param), (c_void_p, c_char_p)),
    "OSSL_PARAM_set_int": (c_int, (c_void_p, c_int)),
    "EVP_PKEY_CTX_new_from_name": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_PKEY_CTX_free": (None, (c_void_p,)),
    "EVP_PKEY_fromdata_init": (c_int, (c_void_p,)),
    "EVP_PKEY_fromdata": (c_int, (c_void_p, POINTER(c_void_p), c_int, c_void_p)),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "ERR_clear_error": (None, ()),
    "ERR_peek_last_error": (ctypes.c_ulong, ()),
    "ERR_reason_error_string": (c_char_p, (ctypes.c_ulong,)),
    "d2i_X509": (c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    "X509_free": (None, (c_void_p,)),
    "SSL_CTX_get_options": (c_uint64, (c_void_p,)),
    "SSL_CTX_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "SSL_CTX_set_cert_cb": (None, (c_void_p, c_void_p, c_void_p)),
    "SSL_CTX_use_certificate_ASN1": (c_int, (c_void_p, c_int, c_char_p)),
    "SSL_CTX_use_PrivateKey": (c_int, (c_void_p, c_void_p)),
}


class OpenSsl:
    """Its functions by their names, each with its types set."""

    def __init__(self, libraries: tuple[CDLL, ...]) -> None:
        self._functions = {name: _typed(libraries, name, *types) for name, types in _SIGNATURES.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._functions[name]
        except KeyError:
            raise AttributeError(name) from None

    def take_complaint(self) -> str:
        """What OpenSSL noted last in this thread; its notes would turn up in another call."""
        reason: bytes | None = self.ERR_reason_error_string(self.ERR_peek_last_error())
        self.ERR_clear_error()
        return "no reason" if reason is None else reason.decode()

    def context_pointer(self, context: ssl.SSLContext) -> int:
        """The SSL_CTX of a context: the first field of its object after the header.

        Raises TlsUnavailableError where what stands there does not answer as the context does.
        """
        address = id(context) + object.__basicsize__
        pointer = ctypes.c_void_p.from_address(address).value or 0
        if not pointer or pointer % ctypes.alignment(c_void_p):
            raise TlsUnavailableError("this Python keeps its TLS contexts in another way")
        lowest, highest = (
            max(0, context.minimum_version),
            max(0, context.maximum_version),
        )  # -1, -2: no limit, which is 0
        told = lowest, highest, int(context.options)
        if self._describe(pointer) != told:
            raise TlsUnavailableError("this Python's TLS contexts are not those of its OpenSSL")
        return pointer

    def _describe(self, pointer: int) -> tuple[int, int, int]:
        lowest = self.SSL_CTX_ctrl(pointer, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, None)
        highest = self.SSL_CTX_ctrl(pointer, SSL_CTRL_GET_MAX_PROTO_VERSION, 0, None)
        return lowest, highest, self.SSL_CTX_get_options(pointer)


def keep_for_good(item: T) -> T:
    """Keep what OpenSSL may call or read until the process is gone: the interpreter, at its end, would free it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    return item


@functools.cache
def load_openssl() -> OpenSsl:
    """Find it, once. Raises TlsUnavailableError."""
    if ssl.OPENSSL_VERSION_INFO[:2] < MIN_VERSION:
        raise TlsUnavailableError(f"{ssl.OPENSSL_VERSION}: 3.0 or later is needed")
    if sys.implementation.name != "cpython":
        raise TlsUnavailableError(f"{sys.implementation.name} is no CPython")
    found = OpenSsl(_libraries())
    if found.OpenSSL_version_num() != ssl.OPENSSL_VERSION_NUMBER:
        raise TlsUnavailableError("another OpenSSL was found than the one that Python uses")
    return found


def _libraries() -> tuple[CDLL, ...]:
    """Where to look for symbols: the extension module, which reaches what it is linked to; Windows: by name."""
    import _ssl  # noqa: PLC0415 - private, so only here

    path = getattr(_ssl, "__file__", None)
    if path is None:
        raise TlsUnavailableError("OpenSSL is built into this Python")
    try:
        if sys.platform == "win32":
            return tuple(_windows_library(Path(path).parent, kind) for kind in ("ssl", "crypto"))
        return (CDLL(path),)
    except OSError as error:
        raise TlsUnavailableError(f"OpenSSL cannot be reached: {error}") from error


def _windows_library(folder: Path, kind: str) -> CDLL:
    """That beside the extension module, or one that is loaded already: a name alone finds it (LoadLibrary)."""
    names = _WINDOWS_NAMES[kind]
    for place in (*(str(folder / f"{name}.dll") for name in names), *names):
        try:
            return CDLL(place)
        except OSError:
            continue
    raise OSError(f"no lib{kind} is loaded")


def _typed(libraries: tuple[CDLL, ...], name: str, result: Any, arguments: tuple[Any, ...]) -> Any:
    for library in libraries:
        function = getattr(library, name, None)
        if function is not None:
            function.restype, function.argtypes = result, arguments
            return function
    raise TlsUnavailableError(f"OpenSSL without {name}")
