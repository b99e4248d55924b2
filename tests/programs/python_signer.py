"""Sign through python-pkcs11: MODULE KEY_ID COUNT OUTPUT; the content comes by standard input."""

import hashlib
import sys
from pathlib import Path

import pkcs11

PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017 §9.2)


def main(path, key_id, count, output):
    (token,) = pkcs11.lib(path).get_tokens()
    content = sys.stdin.buffer.read()
    with token.open() as session:
        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: bytes.fromhex(key_id)}
        (key,) = session.get_objects(wanted)
        info = PREFIX + hashlib.sha256(content).digest()
        signatures = {key.sign(info, mechanism=pkcs11.Mechanism.RSA_PKCS) for _ in range(int(count))}
        signatures.add(key.sign(content, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS))
    (signature,) = signatures  # PKCS #1 v1.5 leaves nothing to chance
    Path(output).write_bytes(signature)


if __name__ == "__main__":
    main(*sys.argv[1:])
