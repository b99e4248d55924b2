"""Contexts of Python's ssl for one key: servers are always verified, what the key cannot do is never agreed upon."""

from __future__ import annotations

import ctypes
import ssl
from collections.abc import Callable, Iterable
from ctypes import CFUNCTYPE, byref, c_char_p, c_int, c_void_p
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.services.tls.errors import KeyFaultError
from agent.services.tls.key import TlsKey
from agent.services.tls.libssl import (
    SSL_CTRL_CHAIN_CERT,
    SSL_CTRL_SET_CLIENT_SIGALGS_LIST,
    OpenSsl,
    keep_for_good,
    load_openssl,
)
from agent.services.tls.provider import load_provider
from agent.services.tls.rsa import RsaKey
from agent.services.tls.signing import current_watch
from drivers.card.certificate import parse_certificate
from drivers.errors import CardUnknownError

PKCS1_ONLY: Final = b"RSA+SHA256"
PKCS1_AND_PSS: Final = b"rsa_pss_rsae_sha256:RSA+SHA256"


def make_context(key: TlsKey | None, anchors_der: Iterable[bytes] = ()) -> ssl.SSLContext:
    """A context that shows the key's certificate where a server asks for one; None: it shows none.

    Servers are verified by the system's store and `anchors_der`. Raises TlsUnavailableError, and KeyFaultError for a
    certificate that OpenSSL does not take or that is of no RSA key.
    """
    context = ssl.create_default_context()
    for anchor in anchors_der:
        context.load_verify_locations(cadata=anchor)
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN  # Python 3.13 sets it: every link would count as a root
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if key is not None:
        if not key.pss:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        _show(context, key)
    return context


def _show(context: ssl.SSLContext, key: TlsKey) -> None:
    openssl = load_openssl()
    pointer = openssl.context_pointer(context)
    _use(openssl.SSL_CTX_use_certificate_ASN1, pointer, len(key.certificate_der), key.certificate_der)
    for issuer in key.chain_der:
        _add_issuer(openssl, pointer, issuer)
    pkey = load_provider().make_pkey(_rsa_key(key))
    try:
        _use(openssl.SSL_CTX_use_PrivateKey, pointer, pkey)
    finally:
        openssl.EVP_PKEY_free(pkey)
    algorithms = PKCS1_AND_PSS if key.pss else PKCS1_ONLY
    _use(openssl.SSL_CTX_ctrl, pointer, SSL_CTRL_SET_CLIENT_SIGALGS_LIST, 0, algorithms)
    openssl.SSL_CTX_set_cert_cb(pointer, ctypes.cast(_ASKED, c_void_p), None)


def _add_issuer(openssl: OpenSsl, pointer: int, der: bytes) -> None:
    parsed = openssl.d2i_X509(None, byref(c_char_p(der)), len(der))
    if not parsed:
        raise KeyFaultError(f"OpenSSL cannot read an issuer of the certificate: {openssl.take_complaint()}")
    try:
        _use(openssl.SSL_CTX_ctrl, pointer, SSL_CTRL_CHAIN_CERT, 1, parsed)
    finally:
        openssl.X509_free(parsed)


def _rsa_key(key: TlsKey) -> RsaKey:
    try:
        public = load_der_public_key(parse_certificate(key.certificate_der).public_key_der)
    except (ValueError, UnsupportedAlgorithm, CardUnknownError) as error:
        raise KeyFaultError(f"the certificate's key cannot be read: {error}") from error
    if not isinstance(public, RSAPublicKey):
        raise KeyFaultError("this is no RSA key")
    numbers = public.public_numbers()
    return RsaKey(numbers.n, numbers.e, key.sign, key.pss)


def _use(function: Callable[..., int], *arguments: object) -> None:
    """Call what gives 1 when it went well."""
    if function(*arguments) != 1:
        raise KeyFaultError(f"OpenSSL does not take the certificate: {load_openssl().take_complaint()}")


def _note_asked(_ssl: int, _argument: int) -> int:
    return current_watch().note_asked()


_ASKED: Final = keep_for_good(CFUNCTYPE(c_int, c_void_p, c_void_p)(_note_asked))
"""What OpenSSL calls when the server asks for a certificate (SSL_CTX_set_cert_cb(3))."""
