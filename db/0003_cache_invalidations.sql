-- The outbox: whoever changes a customer's loans says so here in the same transaction, and the cached score is dropped
-- even when the one who changed them is killed right after, or Redis is away.
CREATE TABLE cache_invalidations (
    invalidation_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    customer_id INT UNSIGNED NOT NULL,
    write_token VARBINARY(40) NOT NULL DEFAULT '', -- the writer's marker in the cache; empty: it set none
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    swept_at TIMESTAMP NULL, -- the first confirmed delete; a failover may still forget it, so there is a second
    PRIMARY KEY (invalidation_id) -- and no other: a sweep that reads by it locks no more rows than it takes
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
