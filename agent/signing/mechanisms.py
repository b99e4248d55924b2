"""Signature schemes as CMS names them (RFC 4055)."""

from __future__ import annotations

from asn1crypto import algos

from agent.signing.words import Scheme

HASH = "sha256"
SALT_LENGTH = 32  # as long as the hash (RFC 7518 §3.5)


def find_mechanism(scheme: Scheme) -> algos.SignedDigestAlgorithm:
    """The algorithm identifier of a scheme."""
    if scheme is Scheme.RS256:
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})
    hash_algorithm = {"algorithm": HASH}
    return algos.SignedDigestAlgorithm(
        {
            "algorithm": "rsassa_pss",
            "parameters": algos.RSASSAPSSParams(
                {
                    "hash_algorithm": hash_algorithm,
                    "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": hash_algorithm},
                    "salt_length": SALT_LENGTH,
                }
            ),
        }
    )
