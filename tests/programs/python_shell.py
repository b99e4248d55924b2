"""A program that stays: MODULE; for each line of standard input it does something through python-pkcs11, and tells."""

import sys

import pkcs11
from pkcs11.exceptions import PKCS11Error


class Shell:
    """One library, never initialised anew; the session is opened again when it is told so."""

    def __init__(self, path):
        self._library = pkcs11.lib(path)
        self._session = None

    def tokens(self):
        """Serial numbers of the tokens that are there."""
        return [token.serial.decode().strip() for token in self._library.get_tokens()]

    def open(self):
        """A session with the first token."""
        self._session = next(iter(self._library.get_tokens())).open()
        return "open"

    def sign(self):
        """With the first private key of the session."""
        key = next(iter(self._session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})))
        return len(key.sign(b"content", mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS))


def main(path):
    shell = Shell(path)
    for line in sys.stdin:
        try:
            answer = getattr(shell, line.strip())()
        except (PKCS11Error, StopIteration) as error:
            answer = type(error).__name__
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
