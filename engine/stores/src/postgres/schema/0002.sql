-- What people have frozen, and that they did.

CREATE TABLE frozen (
    tenant      TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL, -- empty is the tenant itself
    reason      TEXT NOT NULL,
    by          TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (tenant, environment)
);

CREATE TABLE freeze_event (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order
    tenant      TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    frozen      BOOLEAN NOT NULL,                                -- false: it was thawed
    reason      TEXT NOT NULL,
    by          TEXT NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX freeze_event_by_number ON freeze_event (tenant, number);
