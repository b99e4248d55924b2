"""Where a fault does no harm, each with the reason; what stands in no row must end in an error, and what does, must not."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from failure_faults import NONSENSE, Fault
from failure_operations import FIRST_READS, OPERATIONS, Operation

Names = tuple[str, ...]


@dataclass(frozen=True)
class Success:
    """Faults, operations and exchanges (patterns of their names). `believed`: the result is another one.

    `either`: or it ends in an error, as the bytes fall, which are never the same.
    """

    why: str
    faults: Names
    operations: Names
    exchanges: Names
    believed: bool = False
    either: bool = False

    def covers(self, operation: Operation, fault: Fault, exchange: str) -> bool:
        named = fault.name in self.faults and operation.name in self.operations
        return named and any(fnmatchcase(exchange, pattern) for pattern in self.exchanges)


def find_success(operation: Operation, fault: Fault, exchange: str) -> Success | None:
    return next((row for row in SUCCESSES if row.covers(operation, fault, exchange)), None)


EF_SN, EF_ACTUA, EF_DIR, EF_ODF, TOKEN_INFO = "3F00D003", "3F00D010", "3F002F00", "3F0000015031", "3F0000015032"
PINS, PRIVATE_KEYS, CERTIFICATES = "3F0000017001", "3F0000017002", "3F0000017005"
FIRST, LAST = "3F000001B001", "3F000001B002"  # certificates of 9 pieces: 2048 + 105 and 2048 + 172 bytes

# Operations
READS = (*FIRST_READS, "open known")
SLICES = ("first read in slices",)
CODES = tuple(operation.name for operation in OPERATIONS if operation.name not in READS)
RIGHT = tuple(name for name in CODES if "wrong" not in name)
SIGNS = tuple(name for name in RIGHT if name.startswith(("sign", "authenticate")))
CHANGES = ("change", "change, found open")
UNBLOCKS = ("unblock", "unblock, found open")
VERIFIES = ("verify", "verify, found open")
FOUND_OPEN = tuple(
    name for name in RIGHT if name.endswith("found open") and name not in (*UNBLOCKS, "read tries, found open")
)

# Faults
ONCE = tuple(fault.name for fault in NONSENSE if fault.times == 1)
BEFORE, AFTER = RESET = ("reset silently", "reset silently, late")
WORDS = ("6F00", "6982", "6A82", "6985", "6300", "6581", "6D00", "FFFF", "6983", "63C0")
BROKEN = ("no answer", "one byte", "cut in the status word", "64 KB")
CUT = ("half the data", "a bit flipped")  # an answer without data is cut to one byte by these
LONG = ("a lying length", "a length of 32 KB", "an indefinite length")  # longer than the last piece of a file
FINE = ("9000 alone", "noise", "the answer before", *LONG, "60 nested objects")  # ends in 9000
FOR_EVER = ("9000 alone for ever", "noise for ever")

SHORT_ID = "EF.SN can be read by its short identifier"
ONE_OBJECT = "EF.TokenInfo is one object: what stands behind it does not count, and a refusal there is its end"
SMALL_BUFFER = "a short piece may come from a small buffer: the rest is read after it"
DONE = "the card did it, and what more it says is not looked at"
ASKED_AGAIN = "whether it is still open: no means that it is closed afterwards, yes is what was seen before"
LIE = "what a card says in the right form is believed: nobody else can be asked"
DAMAGE = "a certificate damaged in the right form is believed here; only its issuer's key can tell"
NEXT_SELECTS = "nothing was verified, and what comes next selects its file"
VERIFIES_ITSELF = "the command brings its own code, or is the last that needs it"


def _reads(name: str, *offsets: int) -> Names:
    return tuple(f"READ {name} {offset}+*" for offset in offsets)


PIECES = tuple(range(0, 2048, 256))
SELECTS = tuple(
    f"SELECT {name}*" for name in (EF_DIR, EF_ODF, TOKEN_INFO, PINS, PRIVATE_KEYS, CERTIFICATES, FIRST, LAST)
)
WHOLE = tuple(
    f"READ {name} 0+{size}"
    for name, size in ((EF_DIR, 101), (TOKEN_INFO, 222), (PINS, 121), (PRIVATE_KEYS, 167), (CERTIFICATES, 142))
)
"""The second reading of a short file, with the right length."""

SUCCESSES = (
    # What is not needed, or can be had in another way
    Success(SHORT_ID, (*ONCE, *RESET), READS, (f"SELECT {EF_SN}",)),
    Success(
        SHORT_ID, (*WORDS, *BROKEN, *LONG, "60 nested objects", "61FF", "6CFF", "a bit flipped", *RESET), READS,
        _reads(EF_SN, 0),
    ),
    Success(
        "a card without EF_ACTUA is ordinary", (*WORDS, *BROKEN, *CUT, "61FF", "6CFF", "6282 alone", *RESET),
        FIRST_READS, (f"SELECT {EF_ACTUA}",),
    ),
    Success(
        "a known card that is not recognised is read whole", (*ONCE, *RESET), ("open known",),
        (f"SELECT {LAST}", *_reads(LAST, 0)),
    ),
    Success(
        ONE_OBJECT, (*WORDS, *FINE, "61FF", "6CFF", "6282 alone", "cut in the status word", *RESET), FIRST_READS,
        _reads(TOKEN_INFO, 222),
    ),
    Success("a label that nobody reads", ("a bit flipped",), FIRST_READS, (f"READ {EF_DIR} 0+101",)),
    Success(SMALL_BUFFER, ("half the data",), FIRST_READS, WHOLE),
    Success(SMALL_BUFFER, ("half the data", "6CFF"), FIRST_READS, (*_reads(FIRST, *PIECES), *_reads(LAST, *PIECES))),
    Success(SMALL_BUFFER, ("half the data",), FIRST_READS, (*_reads(FIRST, 2048), *_reads(LAST, 2048))),
    Success("the answer waits in the card", ("61FF",), SIGNS, ("PSO*", "INTERNAL AUTHENTICATE")),
    # Done, and told so in other words
    Success(DONE, tuple(name for name in FINE if name != "the answer before"), FIRST_READS, SELECTS),
    Success(
        DONE, ("the answer before",), FIRST_READS,
        tuple(name for name in SELECTS if name not in (f"SELECT {EF_DIR}*", f"SELECT {PINS}*")),  # these follow a refusal
    ),
    Success(DONE, FINE, CODES, ("SELECT *", "MSE*", "CHANGE", "RESET RETRY")),
    Success(DONE, FINE, RIGHT, ("VERIFY *",)),
    Success(DONE, FOR_EVER, (*VERIFIES, *CHANGES, *UNBLOCKS, "read tries, found open"), ("*",)),
    Success(ASKED_AGAIN, (*FINE, "6983", "63C0"), FOUND_OPEN, ("STATUS PIN",)),
    Success("it is open", FINE, ("read tries, found open",), ("STATUS PIN",)),
    # Lies
    Success(LIE, FINE, ("read tries",), ("STATUS PIN",), believed=True),
    Success(LIE, ("6983", "63C0"), ("read tries", "read tries, found open"), ("STATUS PIN",), believed=True),
    Success(LIE, FINE, ("verify wrong", "change wrong"), ("VERIFY PIN",), believed=True),
    Success(LIE, FOR_EVER, ("read tries", "verify wrong", "change wrong", "unblock wrong"), ("*",), believed=True),
    Success(LIE, ("60 nested objects",), FIRST_READS, _reads(TOKEN_INFO, 0), believed=True),
    Success(LIE, ("a bit flipped",), FIRST_READS, (f"READ {PRIVATE_KEYS} 0+167",), believed=True),
    Success(
        DAMAGE, ("a bit flipped", "noise", "noise for ever", "the answer before", *LONG, "60 nested objects"), FIRST_READS,
        (*_reads(FIRST, *PIECES, 2048), *_reads(LAST, *PIECES, 2048)), believed=True, either=True,
    ),
    # Reset by whoever may
    Success(
        "it was open before, and is told as it is now", RESET, ("read tries, found open",), ("SELECT 3F00", "STATUS PIN"),
        believed=True,
    ),
    Success(NEXT_SELECTS, (BEFORE,), FIRST_READS, SELECTS),
    Success(NEXT_SELECTS, (AFTER,), FIRST_READS, (*WHOLE, f"READ {EF_ODF} 0+48", *_reads(FIRST, 2048), *_reads(LAST, 2048))),
    Success(NEXT_SELECTS, (AFTER,), SLICES, (f"SELECT {TOKEN_INFO} #2", *_reads(FIRST, *PIECES), *_reads(LAST, *PIECES))),
    Success(NEXT_SELECTS, RESET, CODES, ("SELECT 3F00", "STATUS PIN")),
    Success(NEXT_SELECTS, (BEFORE,), CODES, ("VERIFY *",)),
    Success(VERIFIES_ITSELF, (AFTER,), (*VERIFIES, *CHANGES, "verify wrong", "change wrong", "sign wrong"), ("VERIFY PIN",)),
    Success(VERIFIES_ITSELF, RESET, CHANGES, ("CHANGE",)),
    Success(VERIFIES_ITSELF, (AFTER,), UNBLOCKS, ("RESET RETRY",)),
    Success(VERIFIES_ITSELF, (AFTER,), ("unblock wrong",), ("VERIFY PUK",)),
    Success(VERIFIES_ITSELF, (AFTER,), tuple(name for name in SIGNS if name != "sign two"), ("GET RESPONSE",)),
    Success(VERIFIES_ITSELF, (AFTER,), ("sign two",), ("GET RESPONSE #2",)),
)  # fmt: skip
