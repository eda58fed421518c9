-- When an operator's token ends, in seconds since 1970; 0 for one that never ends, as those are that were issued before this column
-- existed. previous_* is the token before the last rotation while it is still valid for a while: what was stored of it, the change
-- that issued it, and its end. The MAC of a row covers expires_at where it is not 0, and previous_* where there is one.
ALTER TABLE operators ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operators ADD COLUMN previous_id TEXT NOT NULL DEFAULT '';
ALTER TABLE operators ADD COLUMN previous_hash BYTEA NOT NULL DEFAULT '';
ALTER TABLE operators ADD COLUMN previous_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operators ADD COLUMN previous_expires_at BIGINT NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX operators_previous ON operators (previous_id) WHERE previous_id <> '';
