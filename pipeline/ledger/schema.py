"""The tables of the ledger and their version; DDL and nothing else.

A batch is the unit of staging and of results, a request that of delivery. Rows of a batch that no
request names are pending. Requests of a batch whose results are written are folded into its line.
"""

VERSION = 1
"""Kept in `PRAGMA user_version`; a higher one was made by a newer pipeline and is not touched."""

TABLES = """
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE parts (
    id          INTEGER PRIMARY KEY,
    -- staged, results, or the status of rows that were set aside before delivery
    kind        TEXT    NOT NULL CHECK (
        kind IN ('staged', 'results', 'rejected', 'superseded', 'unchanged')
    ),
    file        TEXT    NOT NULL,
    rows        INTEGER NOT NULL,
    provisional INTEGER NOT NULL DEFAULT 0,   -- results of rows in doubt: withdrawn by a resume
    UNIQUE (kind, file)
);

CREATE TABLE batches (
    id          INTEGER PRIMARY KEY,          -- from 1, in the order of dispatch
    part        INTEGER NOT NULL REFERENCES parts (id),
    start       INTEGER NOT NULL,             -- its rows are part[start : start + rows]
    rows        INTEGER NOT NULL,
    first_row   INTEGER NOT NULL,             -- a staging gone through again must make the same
    delivered   INTEGER NOT NULL DEFAULT 0,
    refused     INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    in_doubt    INTEGER NOT NULL DEFAULT 0,
    requests    INTEGER NOT NULL DEFAULT 0,   -- requests that were sent, and
    attempts    INTEGER NOT NULL DEFAULT 0,   -- all their attempts
    results     INTEGER REFERENCES parts (id), -- the part that has its results
    CHECK (min(delivered, refused, failed, in_doubt) >= 0),
    CHECK (delivered + refused + failed + in_doubt <= rows)
);
CREATE INDEX batches_open ON batches (id) WHERE delivered + refused + failed + in_doubt < rows;
CREATE INDEX batches_unwritten ON batches (id) WHERE results IS NULL;

CREATE TABLE requests (
    id              INTEGER PRIMARY KEY,
    batch           INTEGER NOT NULL REFERENCES batches (id),
    positions       TEXT    NOT NULL,         -- places in the batch: "0-16,18-1000"
    state           TEXT    NOT NULL,         -- states.State
    parent          TEXT,                     -- positions of the request it was split from
    attempts        INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    digest          TEXT,                     -- of the body: a repeat must send the same bytes
    first_sent_at   REAL,                     -- seconds since the epoch
    sent_at         REAL,
    finished_at     REAL,
    http_status     INTEGER,
    error_title     TEXT,
    error_details   TEXT,
    error_pointer   TEXT,
    answer          BLOB,                     -- zlib; dropped when the results are written
    UNIQUE (batch, positions)
);
"""
