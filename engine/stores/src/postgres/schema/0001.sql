-- Every table carries the tenant first, so that no key, index or page mixes two of them.
-- Keys compare by their bytes (COLLATE "C"): faster, and an update of the system's locales damages no index.
-- Text of PostgreSQL holds no NUL, so what people and plugins wrote is JSON, where NUL is an escape.

CREATE TABLE tenant (
    id   TEXT COLLATE "C" PRIMARY KEY,
    runs BIGINT NOT NULL               -- the newest run's number
) WITH (fillfactor = 50);

-- A tenant's count of changes is the sum of its slots: each connection counts in a slot of its own, so that two runs of a
-- tenant are not in each other's way.
CREATE TABLE change (
    tenant  TEXT COLLATE "C" NOT NULL,
    slot    INTEGER NOT NULL,
    changes BIGINT NOT NULL,           -- grows with everything that a reader can see
    PRIMARY KEY (tenant, slot)
) WITH (fillfactor = 50);

CREATE TABLE run (
    tenant     TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    number     BIGINT NOT NULL,
    pipeline   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,           -- how many events there are
    standing   TEXT NOT NULL,             -- the fold of the events, JSON
    status     TEXT NOT NULL,             -- of the standing
    ended_at   BIGINT,                    -- of the standing; null while it goes on
    lines      BIGINT NOT NULL DEFAULT 0, -- the newest line's number
    reports    BIGINT NOT NULL DEFAULT 0, -- the newest report's number
    fence      BIGINT NOT NULL DEFAULT 0,
    holder     TEXT,
    held_until BIGINT,
    cancel     TEXT,                      -- who, why, when: JSON
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX run_by_number ON run (tenant, number);
CREATE INDEX run_by_pipeline ON run (tenant, pipeline, number);
CREATE INDEX run_unfinished ON run (tenant, number) WHERE ended_at IS NULL;

-- Beside the runs, because it is large and lists do not show it.
CREATE TABLE plan (
    tenant TEXT COLLATE "C" NOT NULL,
    run    TEXT COLLATE "C" NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (tenant, run)
);

CREATE TABLE event (
    tenant  TEXT COLLATE "C" NOT NULL,
    run     TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,              -- of the run after it, from 1
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, version)
);

CREATE TABLE record (
    tenant  TEXT COLLATE "C" NOT NULL,
    run     TEXT COLLATE "C" NOT NULL,
    stage   TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    part    SMALLINT NOT NULL,            -- 0 the intent, 1 everything else
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, stage, attempt, seq, part)
);

CREATE TABLE line (
    tenant  TEXT COLLATE "C" NOT NULL,
    run     TEXT COLLATE "C" NOT NULL,
    number  BIGINT NOT NULL,
    stage   TEXT COLLATE "C" NOT NULL,    -- empty for a line about the run
    attempt BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    level   TEXT NOT NULL,
    origin  TEXT COLLATE "C" NOT NULL,    -- p:SEQ:ORDINAL, t:TASK:CURSOR or e:KEY
    seq     BIGINT,                       -- of a plugin's line: what a strike compares
    struck  BOOLEAN NOT NULL DEFAULT FALSE,
    text    TEXT NOT NULL,                -- JSON
    PRIMARY KEY (tenant, run, number)
);
-- What stands, stands once; what was struck out may come again.
CREATE UNIQUE INDEX line_by_origin ON line (tenant, run, stage, attempt, origin) WHERE NOT struck;
CREATE INDEX line_by_stage ON line (tenant, run, stage, number);

CREATE TABLE report (
    tenant  TEXT COLLATE "C" NOT NULL,
    run     TEXT COLLATE "C" NOT NULL,
    number  BIGINT NOT NULL,
    stage   TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    struck  BOOLEAN NOT NULL DEFAULT FALSE,
    body    TEXT NOT NULL,
    PRIMARY KEY (tenant, run, number)
);
CREATE UNIQUE INDEX report_by_key ON report (tenant, run, stage, attempt, seq, ordinal) WHERE NOT struck;

CREATE TABLE proof (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of arrival
    tenant   TEXT COLLATE "C" NOT NULL,
    run      TEXT COLLATE "C" NOT NULL,
    stage    TEXT COLLATE "C" NOT NULL,
    attempt  BIGINT NOT NULL,
    pipeline TEXT COLLATE "C" NOT NULL,   -- of the run
    key      TEXT COLLATE "C" NOT NULL,
    trust    BIGINT NOT NULL,
    compared TEXT NOT NULL
);
CREATE UNIQUE INDEX proof_by_attempt ON proof (tenant, run, stage, attempt);
CREATE INDEX proof_by_key ON proof (tenant, key, number);
CREATE INDEX proof_by_stage ON proof (tenant, pipeline, stage, number);

CREATE TABLE environment (
    tenant TEXT COLLATE "C" NOT NULL,
    name   TEXT COLLATE "C" NOT NULL,
    fence  BIGINT NOT NULL,               -- of the newest holder
    run    TEXT COLLATE "C",              -- the holder; both null when it is free
    stage  TEXT COLLATE "C",
    PRIMARY KEY (tenant, name)
);
CREATE INDEX environment_by_run ON environment (tenant, run) WHERE run IS NOT NULL;

-- By group of runs: the latest one that held the environment.
CREATE TABLE environment_order (
    tenant      TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    run_group   TEXT COLLATE "C" NOT NULL, -- its digest: a ref may be longer than an index takes
    place       BIGINT NOT NULL,
    run         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, environment, run_group)
);

CREATE TABLE release (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of arrival
    tenant      TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    run         TEXT COLLATE "C" NOT NULL,
    at          BIGINT NOT NULL,
    what        TEXT NOT NULL,
    verdict     TEXT NOT NULL,            -- JSON
    reason      TEXT NOT NULL             -- JSON
);
CREATE UNIQUE INDEX release_by_id ON release (tenant, environment, id);
CREATE INDEX release_by_number ON release (tenant, environment, number);

CREATE TABLE approval (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of arrival
    tenant   TEXT COLLATE "C" NOT NULL,
    run      TEXT COLLATE "C" NOT NULL,
    stage    TEXT COLLATE "C" NOT NULL,
    attempt  BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    question TEXT NOT NULL,               -- JSON
    options  TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    deadline BIGINT,
    answer   TEXT
);
CREATE UNIQUE INDEX approval_by_key ON approval (tenant, run, stage, attempt, seq);
