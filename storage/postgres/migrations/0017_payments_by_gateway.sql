-- Payments that are due are read gateway by gateway: those of a gateway that is away, or that people speak for, may be many.

DROP INDEX payments_due;
CREATE INDEX payments_due ON payments (gateway, next_try_ms) WHERE state IN ('created', 'submitted', 'unknown');
