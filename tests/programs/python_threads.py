"""Sign in several threads of one program, each with a session of its own: MODULE KEY_ID THREADS COUNT."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pkcs11

WANTED = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}


def main(path, key_id, threads, count):
    (token,) = pkcs11.lib(path).get_tokens()

    def sign(number):
        with token.open() as session:
            (key,) = session.get_objects({**WANTED, pkcs11.Attribute.ID: bytes.fromhex(key_id)})
            content = hashlib.sha256(bytes([number])).digest()
            return {key.sign(content, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS) for _ in range(int(count))}

    with ThreadPoolExecutor(int(threads)) as pool:
        signatures = list(pool.map(sign, range(int(threads))))
    assert all(len(made) == 1 for made in signatures), "PKCS #1 v1.5 leaves nothing to chance"
    assert len(set.union(*signatures)) == int(threads), "each has signed something of its own"


if __name__ == "__main__":
    main(*sys.argv[1:])
