-- What came from outside and what goes back.

-- Whoever changes what is open in a repository, its heads or its statuses locks its row.
CREATE TABLE lane (
    tenant     TEXT COLLATE "C" NOT NULL,
    repository TEXT COLLATE "C" NOT NULL, -- empty is for deliveries without one
    PRIMARY KEY (tenant, repository)
);

-- The stores that share the database, and when each said last that it lives.
CREATE TABLE holder (
    mark TEXT COLLATE "C" PRIMARY KEY,
    seen TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE delivery (
    number        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of arrival, in each lane
    tenant        TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    webhook       TEXT COLLATE "C" NOT NULL,
    key           TEXT COLLATE "C" NOT NULL, -- the forge's own id
    at            BIGINT NOT NULL,
    event         TEXT NOT NULL,             -- JSON
    headers       TEXT NOT NULL,             -- without secrets, JSON
    size          BIGINT NOT NULL,
    repository    TEXT COLLATE "C",
    outcome       TEXT,                      -- JSON; null while nothing became of it
    settled_at    BIGINT,                    -- of the outcome
    due           BIGINT NOT NULL DEFAULT 0,
    attempts      BIGINT NOT NULL DEFAULT 0,
    trouble       TEXT,                      -- JSON
    fence         BIGINT NOT NULL DEFAULT 0,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    claimed_by    TEXT COLLATE "C"           -- the mark of the store that it was last given to
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX delivery_by_id ON delivery (tenant, id);
CREATE UNIQUE INDEX delivery_by_key ON delivery (tenant, webhook, key);
CREATE INDEX delivery_by_number ON delivery (tenant, number);
CREATE INDEX delivery_open ON delivery (number) WHERE settled_at IS NULL;
CREATE INDEX delivery_claimed ON delivery (number) WHERE settled_at IS NULL AND claimed_until > 0;
CREATE INDEX delivery_lane ON delivery (tenant, repository, number) WHERE settled_at IS NULL;

-- Beside the deliveries, because it is large and lists do not show it.
CREATE TABLE delivery_body (
    tenant TEXT COLLATE "C" NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    body   BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- The moves that a delivery tells of, in its order.
CREATE TABLE moved (
    tenant     TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    ordinal    BIGINT NOT NULL,
    reference  TEXT COLLATE "C" NOT NULL,
    before     TEXT COLLATE "C",
    after      TEXT COLLATE "C",
    generation BIGINT NOT NULL,
    known      TEXT COLLATE "C",          -- the head that the ref was known to have before it came
    PRIMARY KEY (tenant, id, ordinal)
);

-- The history of every ref's head.
CREATE TABLE head (
    tenant     TEXT COLLATE "C" NOT NULL,
    repository TEXT COLLATE "C" NOT NULL,
    reference  TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    before     TEXT COLLATE "C",
    after      TEXT COLLATE "C",
    late       BIGINT NOT NULL DEFAULT 0, -- 1: told after a later one
    PRIMARY KEY (tenant, repository, reference, generation)
);
CREATE INDEX head_by_pair
    ON head (tenant, repository, reference, coalesce(after, ''), coalesce(before, ''), generation);

-- Where a run came from; runs that a person started on this machine have none.
CREATE TABLE origin (
    tenant      TEXT COLLATE "C" NOT NULL,
    run         TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL, -- JSON: no two runs have the same
    revision    TEXT COLLATE "C" NOT NULL,
    delivery    TEXT COLLATE "C",
    concurrency TEXT,                      -- JSON
    after       TEXT COLLATE "C",          -- the run that it repeats or follows
    listened    BIGINT NOT NULL DEFAULT 0, -- 1: pipelines wait for its success and were not told
    PRIMARY KEY (tenant, run)
);
CREATE INDEX origin_listened ON origin (tenant, run) WHERE listened = 1;
-- Not unique: a key may be longer than an index takes. The lane of the repository keeps two from being the same.
CREATE INDEX origin_by_key ON origin (tenant, hashtextextended(key, 0));

-- What forges are to be told: of one commit and context the newest counts.
CREATE TABLE status (
    number        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of arrival, in each lane
    tenant        TEXT COLLATE "C" NOT NULL,
    repository    TEXT COLLATE "C" NOT NULL,
    revision      TEXT COLLATE "C" NOT NULL,
    context       TEXT COLLATE "C" NOT NULL,  -- JSON
    run           TEXT COLLATE "C",           -- it stands as this run does…
    fixed         TEXT,                       -- …or so: JSON
    told          TEXT,                       -- the status that the forge was told last
    closed        BIGINT NOT NULL DEFAULT 0,  -- 1: nothing more is to be told
    attempts      BIGINT NOT NULL DEFAULT 0,
    due           BIGINT NOT NULL DEFAULT 0,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    claimed_by    TEXT COLLATE "C"            -- the mark of the store that it was last given to
) WITH (fillfactor = 80);
CREATE INDEX status_open ON status (number) WHERE closed = 0;
CREATE INDEX status_lane ON status (tenant, repository, revision, context, number) WHERE closed = 0;
CREATE INDEX status_claimed ON status (tenant, repository, revision, context) WHERE claimed_until > 0;
