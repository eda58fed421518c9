-- The number of leaves that need each generation of the keyring, without reading their records.
CREATE INDEX log_leaves_generation ON log_leaves (generation);
