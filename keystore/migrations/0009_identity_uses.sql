-- What each of the broker's identities is used for, since the first rotation: before it, the only row of identities is the one that signs,
-- and nothing is here. statement is what the identity signed about its successor, empty if it has signed none. The key of one that was
-- removed is gone from identities; its row stays here, because what it has signed is still verified.
CREATE TABLE identity_uses (
    id BIGINT PRIMARY KEY,
    identity TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    statement TEXT NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
