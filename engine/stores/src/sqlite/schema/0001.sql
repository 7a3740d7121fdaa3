-- Every table carries the tenant first, so that no key, index or page mixes two of them.

CREATE TABLE tenant (
    id      TEXT PRIMARY KEY,
    runs    INTEGER NOT NULL,  -- the newest run's number
    changes INTEGER NOT NULL   -- grows with everything that a reader can see
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    number     INTEGER NOT NULL,
    pipeline   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,           -- how many events there are
    standing   TEXT NOT NULL,              -- the fold of the events, JSON
    status     TEXT NOT NULL,              -- of the standing
    ended_at   INTEGER,                    -- of the standing; null while it goes on
    lines      INTEGER NOT NULL DEFAULT 0, -- the newest line's number
    reports    INTEGER NOT NULL DEFAULT 0, -- the newest report's number
    fence      INTEGER NOT NULL DEFAULT 0,
    holder     TEXT,
    held_until INTEGER,
    cancel     TEXT,                       -- who, why, when: JSON
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX run_by_number ON run (tenant, number);
CREATE INDEX run_by_pipeline ON run (tenant, pipeline, number);
CREATE INDEX run_unfinished ON run (tenant, number) WHERE ended_at IS NULL;

-- Beside the runs, because it is large and lists do not show it.
CREATE TABLE plan (
    tenant TEXT NOT NULL,
    run    TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (tenant, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    tenant  TEXT NOT NULL,
    run     TEXT NOT NULL,
    version INTEGER NOT NULL, -- of the run after it, from 1
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
    tenant  TEXT NOT NULL,
    run     TEXT NOT NULL,
    stage   TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    part    INTEGER NOT NULL, -- 0 the intent, 1 everything else
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, stage, attempt, seq, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE line (
    tenant  TEXT NOT NULL,
    run     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    stage   TEXT NOT NULL,    -- empty for a line about the run
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    level   TEXT NOT NULL,
    origin  TEXT NOT NULL,    -- p:SEQ:ORDINAL, t:TASK:CURSOR or e:KEY
    seq     INTEGER,          -- of a plugin's line: what a strike compares
    struck  INTEGER NOT NULL DEFAULT 0,
    text    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, number)
) STRICT, WITHOUT ROWID;
-- What stands, stands once; what was struck out may come again.
CREATE UNIQUE INDEX line_by_origin ON line (tenant, run, stage, attempt, origin) WHERE struck = 0;
CREATE INDEX line_by_stage ON line (tenant, run, stage, number);

CREATE TABLE report (
    tenant  TEXT NOT NULL,
    run     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    stage   TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    struck  INTEGER NOT NULL DEFAULT 0,
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX report_by_key ON report (tenant, run, stage, attempt, seq, ordinal) WHERE struck = 0;

CREATE TABLE proof (
    number   INTEGER PRIMARY KEY, -- in order of arrival
    tenant   TEXT NOT NULL,
    run      TEXT NOT NULL,
    stage    TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    pipeline TEXT NOT NULL,       -- of the run
    key      TEXT NOT NULL,
    trust    INTEGER NOT NULL,
    compared TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX proof_by_attempt ON proof (tenant, run, stage, attempt);
CREATE INDEX proof_by_key ON proof (tenant, key, number);
CREATE INDEX proof_by_stage ON proof (tenant, pipeline, stage, number);

CREATE TABLE environment (
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    fence  INTEGER NOT NULL, -- of the newest holder
    run    TEXT,             -- the holder; both null when it is free
    stage  TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX environment_by_run ON environment (tenant, run) WHERE run IS NOT NULL;

-- By group of runs: the latest one that held the environment.
CREATE TABLE environment_order (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    run_group   TEXT NOT NULL, -- its digest
    place       INTEGER NOT NULL,
    run         TEXT NOT NULL,
    PRIMARY KEY (tenant, environment, run_group)
) STRICT, WITHOUT ROWID;

CREATE TABLE release (
    number      INTEGER PRIMARY KEY, -- in order of arrival
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    id          TEXT NOT NULL,
    run         TEXT NOT NULL,
    at          INTEGER NOT NULL,
    what        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX release_by_id ON release (tenant, environment, id);
CREATE INDEX release_by_number ON release (tenant, environment, number);

CREATE TABLE approval (
    number   INTEGER PRIMARY KEY, -- in order of arrival
    tenant   TEXT NOT NULL,
    run      TEXT NOT NULL,
    stage    TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    question TEXT NOT NULL,
    options  TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    deadline INTEGER,
    answer   TEXT
) STRICT;
CREATE UNIQUE INDEX approval_by_key ON approval (tenant, run, stage, attempt, seq);
