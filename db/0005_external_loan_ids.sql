-- A lender's files name a loan by its customer and the lender's own id, which may be any text.
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; -- lock no gaps: loans are being made meanwhile

ALTER TABLE loans
    ADD COLUMN external_loan_id VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, -- NULL: not told yet
    MODIFY COLUMN interest_rate DECIMAL(5, 2) NULL; -- NULL: imported, and not readable; no rule reads it
UPDATE loans SET external_loan_id = loan_id WHERE request_id IS NULL; -- imported before; the next file names them by it
ALTER TABLE loans
    ADD UNIQUE KEY loans_external_loan_id (customer_id, external_loan_id);

-- What no rule reads rejects nobody: it is kept as far as a file tells it.
ALTER TABLE customers
    MODIFY COLUMN age TINYINT UNSIGNED NULL,
    MODIFY COLUMN phone_number VARCHAR(16) NULL; -- of two customers with one number, one has it

-- Rows that an import could not take, of customers who are on hold for it until a later import takes them.
CREATE TABLE import_holds (
    customer_id INT UNSIGNED NOT NULL, -- who may not be in customers yet
    source VARCHAR(9) CHARACTER SET ascii NOT NULL, -- customers or loans
    external_loan_id VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    lending_loan_id BIGINT UNSIGNED NOT NULL DEFAULT 0,
    times INT UNSIGNED NOT NULL DEFAULT 1, -- of rows that name no loan
    held_before TINYINT UNSIGNED NOT NULL, -- the customer was on hold already, for another reason
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (customer_id, source, external_loan_id, lending_loan_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
