-- The volume that a record is about, path@project number/instance id: its newest record is its state. NULL for all other
-- records, also where the column is younger than they are.
ALTER TABLE log_leaves ADD COLUMN volume TEXT;

CREATE INDEX log_leaves_volume ON log_leaves (volume, idx) WHERE volume IS NOT NULL;
