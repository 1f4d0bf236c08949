-- Which rules hold from when on, as the releases have it that were deployed here.
CREATE TABLE policies (
    hash CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- of the canonical form of the policy's file
    effective_from DATE NOT NULL,
    recorded_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (hash)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
