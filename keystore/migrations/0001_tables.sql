-- The same text runs on SQLite and PostgreSQL: TEXT, BYTEA, BIGINT, BOOLEAN, times as seconds since 1970.
-- row_version is the epoch of the row's last change; mac covers every field of the row and row_version.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE epoch (
    id BIGINT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE identities (
    id BIGINT PRIMARY KEY,
    generation BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);

-- Policies, baselines and guardrails: the current version of each, and every version there was.
CREATE TABLE documents (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE document_versions (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    digest BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (kind, name, version),
    FOREIGN KEY (kind, name) REFERENCES documents (kind, name)
);

CREATE TABLE secrets (
    path TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    per_instance BOOLEAN NOT NULL,
    policy TEXT NOT NULL,
    versions BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE secret_versions (
    path TEXT NOT NULL REFERENCES secrets (path),
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (path, version)
);

-- A destroyed version has no row here. The AEAD authenticates these rows.
CREATE TABLE sealed_values (
    path TEXT NOT NULL,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    data BYTEA NOT NULL,
    wrapped_key BYTEA NOT NULL,
    PRIMARY KEY (path, version),
    FOREIGN KEY (path, version) REFERENCES secret_versions (path, version)
);

CREATE TABLE operators (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    namespaces TEXT NOT NULL,
    token_id TEXT NOT NULL UNIQUE,
    token_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE log_head (
    id BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Leaves of the decision log. hash = SHA-256(0x00 || record); the columns after it only serve queries.
CREATE TABLE log_leaves (
    idx BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL,
    record TEXT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    instance TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX log_leaves_id ON log_leaves (id);
CREATE INDEX log_leaves_operator ON log_leaves (idx) WHERE kind = 'operator';

CREATE TABLE spent_nonces (
    nonce BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX spent_nonces_expiry ON spent_nonces (expires_at);

-- Pieces of evidence by their SHA-256: a fleet shares its logs and certificates.
CREATE TABLE evidence (
    digest BYTEA PRIMARY KEY,
    bytes BYTEA NOT NULL
);

-- How many rows `chips` has.
CREATE TABLE chips_head (
    id BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Chips in the order in which grants first saw them, numbered without gaps; leaf is the grant's number in the log.
CREATE TABLE chips (
    idx BIGINT PRIMARY KEY,
    subject TEXT NOT NULL,
    chip TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    decision TEXT NOT NULL,
    leaf BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    UNIQUE (subject, chip)
);
