-- Roots of the complete subtrees of the Merkle tree over all leaves, the largest first; covered by mac. NULL until a program of
-- this version has opened a keystore of an earlier one.
ALTER TABLE log_head ADD COLUMN tree BYTEA;
