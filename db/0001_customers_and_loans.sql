-- The lender's book: who may borrow, and what was lent to them.

CREATE TABLE customers (
    customer_id INT UNSIGNED NOT NULL,
    first_name VARCHAR(100) NOT NULL,
    last_name VARCHAR(100) NOT NULL,
    age TINYINT UNSIGNED NOT NULL,
    phone_number VARCHAR(16) NOT NULL, -- E.164: at most 15 digits and a plus
    monthly_salary DECIMAL(12, 2) NOT NULL,
    approved_limit DECIMAL(12, 2) NOT NULL,
    current_debt DECIMAL(12, 2) NOT NULL DEFAULT 0, -- as the lender reports it; the rules count the loans themselves
    PRIMARY KEY (customer_id),
    UNIQUE KEY customers_phone_number (phone_number),
    CONSTRAINT customers_customer_id CHECK (customer_id >= 1),
    CONSTRAINT customers_monthly_salary CHECK (monthly_salary >= 0),
    CONSTRAINT customers_approved_limit CHECK (approved_limit >= 0),
    CONSTRAINT customers_current_debt CHECK (current_debt >= 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Clustered by customer: one customer's loans lie together, so that a score reads a few pages, not one per loan.
CREATE TABLE loans (
    customer_id INT UNSIGNED NOT NULL,
    loan_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    loan_amount DECIMAL(12, 2) NOT NULL,
    tenure SMALLINT UNSIGNED NOT NULL, -- months
    interest_rate DECIMAL(5, 2) NOT NULL, -- percent a year
    monthly_repayment DECIMAL(12, 2) NOT NULL, -- no approved one exceeds half a monthly_salary
    emis_paid_on_time SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    start_date DATE NOT NULL,
    end_date DATE NOT NULL,
    status VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (customer_id, loan_id),
    UNIQUE KEY loans_loan_id (loan_id), -- AUTO_INCREMENT wants a key that it leads; a loan id names one loan
    CONSTRAINT loans_customer FOREIGN KEY (customer_id) REFERENCES customers (customer_id),
    CONSTRAINT loans_loan_amount CHECK (loan_amount > 0),
    CONSTRAINT loans_tenure CHECK (tenure >= 1),
    CONSTRAINT loans_interest_rate CHECK (interest_rate BETWEEN 0 AND 100),
    CONSTRAINT loans_monthly_repayment CHECK (monthly_repayment >= 0),
    CONSTRAINT loans_emis_paid_on_time CHECK (emis_paid_on_time <= tenure),
    CONSTRAINT loans_dates CHECK (end_date >= start_date),
    CONSTRAINT loans_status CHECK (status IN ('APPROVED', 'PENDING', 'PAID'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
