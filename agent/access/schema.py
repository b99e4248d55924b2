"""The tables, as scripts from one version to the next. A script that was ever released is never changed again."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE grants (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        through TEXT,
        abilities TEXT NOT NULL,            -- words separated by spaces
        created_at INTEGER NOT NULL,        -- every moment: milliseconds since 1970, UTC
        expires_at INTEGER NOT NULL,
        UNIQUE (kind, name)
    ) STRICT;

    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        count INTEGER NOT NULL DEFAULT 1,
        refusal INTEGER NOT NULL,           -- 1: stopped before the card; 0: a use, successful or not
        action TEXT NOT NULL,
        caller TEXT NOT NULL,
        through TEXT,
        outcome TEXT NOT NULL,
        card_number TEXT,
        subject TEXT,
        exchanges INTEGER,
        duration_ms INTEGER
    ) STRICT;
    CREATE INDEX journal_by_refusal ON journal (refusal, id);
    CREATE INDEX journal_by_caller ON journal (caller, id);

    CREATE TABLE cards (
        number TEXT PRIMARY KEY,
        profile TEXT NOT NULL,              -- JSON, public objects only
        updated_at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE directory (
        rpps TEXT PRIMARY KEY,
        professional TEXT NOT NULL,         -- JSON; null: the directory knows nobody of this number
        at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE seen_certificates (        -- of the cards that were in a reader here
        number TEXT NOT NULL,
        position INTEGER NOT NULL,          -- in the order of the card's keys
        certificate BLOB NOT NULL,          -- DER
        test INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (number, position)
    ) STRICT;
    """,
    """
    CREATE TABLE door_slots (               -- the slot numbers that PKCS#11 programs know this workstation's readers by
        id INTEGER PRIMARY KEY,
        reader TEXT NOT NULL UNIQUE         -- empty: the software certificates
    ) STRICT;
    INSERT INTO door_slots VALUES (1, '');
    """,
    """
    CREATE TABLE e_cps (                    -- who has used an e-CPS here; no token, nothing secret
        national_id TEXT NOT NULL,
        test INTEGER NOT NULL,
        family_name TEXT,
        given_name TEXT,
        used_at INTEGER NOT NULL,
        PRIMARY KEY (national_id, test)
    ) STRICT;
    """,
)
