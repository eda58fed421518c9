-- The change (epoch) that retired this version together with its whole secret; 0 when it is not retired, or was retired by
-- itself. The MAC of a row covers it where it is not 0.
ALTER TABLE secret_versions ADD COLUMN retirement BIGINT NOT NULL DEFAULT 0;
