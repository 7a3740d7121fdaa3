-- Whose turn it is among the runs that were admitted and have not ended. What the version before admits and ends is mended.

ALTER TABLE run ADD COLUMN turn BIGINT;           -- 0 behind its group, 1 next, 2 has a place, 3 is to end; null for others
ALTER TABLE run ADD COLUMN lane TEXT COLLATE "C"; -- the digest of its concurrency group
ALTER TABLE run ADD COLUMN yields BIGINT;         -- to a newer run of it: 0 never, 1 before it has a place, 2 always
CREATE INDEX run_turn ON run (tenant, turn, number) WHERE turn IS NOT NULL AND ended_at IS NULL;
CREATE INDEX run_lane ON run (tenant, lane, number) WHERE lane IS NOT NULL AND ended_at IS NULL;
CREATE INDEX run_yields ON run (tenant, lane, number) WHERE yields > 0 AND ended_at IS NULL AND cancel IS NULL;
