-- A head that only a fetch found does not make what is told later late: whoever tells of it may be on the way.

ALTER TABLE head ADD COLUMN told BIGINT NOT NULL DEFAULT 1; -- 0: only a fetch found it
