-- The proposal that a record is about, baseline@id: its newest record is its state, unless an operator has decided since. NULL
-- for all other records, also where the column is younger than they are.
ALTER TABLE log_leaves ADD COLUMN proposal TEXT;

CREATE INDEX log_leaves_proposal ON log_leaves (proposal, idx) WHERE proposal IS NOT NULL;
