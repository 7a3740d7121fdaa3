-- What people have frozen, and that they did.

CREATE TABLE frozen (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,  -- empty is the tenant itself
    reason      TEXT NOT NULL,
    by          TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (tenant, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE freeze_event (
    number      INTEGER PRIMARY KEY, -- in order
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    frozen      INTEGER NOT NULL,    -- 0: it was thawed
    reason      TEXT NOT NULL,
    by          TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX freeze_event_by_number ON freeze_event (tenant, number);
