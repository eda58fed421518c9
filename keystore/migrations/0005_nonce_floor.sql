-- The latest expiry among the nonces that were removed: a challenge that expired by then is spent, whatever the clock says. No row
-- means that none was removed since this table exists. The MAC covers value.
CREATE TABLE nonce_floor (
    id BIGINT PRIMARY KEY,
    value BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
