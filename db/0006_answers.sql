-- A replay answers exactly what was answered: what the other columns do not tell of a decision, as JSON.
-- NULL: decided before it was kept.
ALTER TABLE loans ADD COLUMN answer VARCHAR(1000) CHARACTER SET ascii NULL;
ALTER TABLE declined_requests ADD COLUMN answer VARCHAR(1000) CHARACTER SET ascii NULL;
