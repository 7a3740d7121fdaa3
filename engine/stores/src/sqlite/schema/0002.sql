-- What came from outside and what goes back.

CREATE TABLE delivery (
    number        INTEGER PRIMARY KEY, -- in order of arrival
    tenant        TEXT NOT NULL,
    id            TEXT NOT NULL,
    webhook       TEXT NOT NULL,
    key           TEXT NOT NULL,       -- the forge's own id
    at            INTEGER NOT NULL,
    event         TEXT NOT NULL,
    headers       TEXT NOT NULL,       -- without secrets, JSON
    size          INTEGER NOT NULL,
    repository    TEXT,
    outcome       TEXT,                -- JSON; null while nothing became of it
    settled_at    INTEGER,             -- of the outcome
    due           INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    trouble       TEXT,
    fence         INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX delivery_by_id ON delivery (tenant, id);
CREATE UNIQUE INDEX delivery_by_key ON delivery (tenant, webhook, key);
CREATE INDEX delivery_by_number ON delivery (tenant, number);
CREATE INDEX delivery_open ON delivery (number) WHERE settled_at IS NULL;
CREATE INDEX delivery_lane ON delivery (tenant, repository, number) WHERE settled_at IS NULL;

-- Beside the deliveries, because it is large and lists do not show it.
CREATE TABLE delivery_body (
    tenant TEXT NOT NULL,
    id     TEXT NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

-- The moves that a delivery tells of, in its order.
CREATE TABLE moved (
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    ordinal    INTEGER NOT NULL,
    reference  TEXT NOT NULL,
    before     TEXT,
    after      TEXT,
    generation INTEGER NOT NULL,
    known      TEXT,             -- the head that the ref was known to have before it came
    PRIMARY KEY (tenant, id, ordinal)
) STRICT, WITHOUT ROWID;

-- The history of every ref's head.
CREATE TABLE head (
    tenant     TEXT NOT NULL,
    repository TEXT NOT NULL,
    reference  TEXT NOT NULL,
    generation INTEGER NOT NULL,
    before     TEXT,
    after      TEXT,
    late       INTEGER NOT NULL DEFAULT 0, -- told after a later one
    PRIMARY KEY (tenant, repository, reference, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX head_by_pair ON head (tenant, repository, reference, after, before, generation);

-- Where a run came from; runs that a person started on this machine have none.
CREATE TABLE origin (
    tenant      TEXT NOT NULL,
    run         TEXT NOT NULL,
    key         TEXT NOT NULL,  -- JSON: no two runs have the same
    revision    TEXT NOT NULL,
    delivery    TEXT,
    concurrency TEXT,           -- JSON
    after       TEXT,           -- the run that it repeats or follows
    listened    INTEGER NOT NULL DEFAULT 0, -- pipelines wait for its success and were not told
    PRIMARY KEY (tenant, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX origin_listened ON origin (tenant, run) WHERE listened = 1;
CREATE UNIQUE INDEX origin_by_key ON origin (tenant, key);

-- What forges are to be told: of one commit and context the newest counts.
CREATE TABLE status (
    number     INTEGER PRIMARY KEY, -- in order of arrival
    tenant     TEXT NOT NULL,
    repository TEXT NOT NULL,
    revision   TEXT NOT NULL,
    context    TEXT NOT NULL,
    run        TEXT,                -- it stands as this run does…
    fixed      TEXT,                -- …or so: JSON
    told       TEXT,                -- the status that the forge was told last
    closed     INTEGER NOT NULL DEFAULT 0, -- nothing more is to be told
    attempts   INTEGER NOT NULL DEFAULT 0,
    due        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX status_open ON status (number) WHERE closed = 0;
CREATE INDEX status_lane ON status (tenant, repository, revision, context, number) WHERE closed = 0;
