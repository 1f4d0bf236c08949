-- A loan remembers the request that made it, so that no repetition of the request makes another.
ALTER TABLE loans
    ADD COLUMN request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- NULL: imported
    ADD COLUMN idempotency_key BINARY(32) NULL, -- SHA-256 of the caller and their key; NULL: sent without one
    ADD COLUMN asked_interest_rate DECIMAL(5, 2) NULL, -- what the request asked for, before any correction
    ADD COLUMN credit_score TINYINT UNSIGNED NULL, -- on which it was granted
    ADD UNIQUE KEY loans_idempotency_key (idempotency_key); -- for as long as the loan exists

-- A decline has no loan to be remembered by. These rows may be deleted once no client can still be retrying.
CREATE TABLE declined_requests (
    idempotency_key BINARY(32) NOT NULL,
    customer_id INT UNSIGNED NOT NULL,
    loan_amount DECIMAL(12, 2) NOT NULL,
    tenure SMALLINT UNSIGNED NOT NULL,
    asked_interest_rate DECIMAL(5, 2) NOT NULL,
    credit_score TINYINT UNSIGNED NOT NULL,
    interest_rate DECIMAL(5, 2) NOT NULL, -- the corrected one
    monthly_installment DECIMAL(13, 2) NOT NULL, -- unlike a granted one, of any size
    reason_codes VARCHAR(200) CHARACTER SET ascii NOT NULL, -- joined by commas, weightiest first
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (idempotency_key),
    KEY declined_requests_created_at (created_at),
    CONSTRAINT declined_requests_customer FOREIGN KEY (customer_id) REFERENCES customers (customer_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
