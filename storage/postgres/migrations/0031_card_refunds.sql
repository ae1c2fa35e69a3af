-- Card refunds: what a charge has taken from a card goes back to that card. New columns are null, new constraints NOT VALID.

-- `of_number`: the charge that is given back, as a whole or in part. The money leaves the wallet as with a withdrawal.
ALTER TABLE payments ADD of_number bigint;
ALTER TABLE payments DROP CONSTRAINT payments_kind_check;
ALTER TABLE payments ADD CONSTRAINT payments_kind_check CHECK (kind IN ('charge', 'payout', 'refund')) NOT VALID;
ALTER TABLE payments ADD CONSTRAINT payments_refund CHECK (
    (kind = 'refund') = (of_number IS NOT NULL) AND (kind <> 'refund' OR key IS NOT NULL AND card_id IS NOT NULL)
) NOT VALID;
CREATE UNIQUE INDEX payments_of_card_refund ON payments (user_id, key) WHERE kind = 'refund';
CREATE INDEX payments_refunds_of_charge ON payments (of_number) WHERE of_number IS NOT NULL;

-- 16 is a card refund that was ordered, 17 one that came back. One that has arrived is paid out (11), as a payout is.
ALTER TABLE transfers DROP CONSTRAINT transfers_accounts;
ALTER TABLE transfers ADD CONSTRAINT transfers_accounts CHECK (CASE kind
    WHEN 1 THEN debit_account = 0 AND is_user(credit_account) AND key <> ''
    WHEN 2 THEN credit_account = 0 AND is_user(debit_account) AND key <> ''
    WHEN 3 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 4 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 5 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 6 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 7 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 8 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 9 THEN debit_account = 0 AND is_user(credit_account) AND key <> ''
    WHEN 10 THEN is_user(debit_account) AND credit_account = -2 AND key <> ''
    WHEN 11 THEN debit_account = -2 AND credit_account = 0 AND key <> ''
    WHEN 12 THEN debit_account = -2 AND is_user(credit_account) AND key <> ''
    WHEN 13 THEN is_user(debit_account) AND is_user(credit_account) AND debit_account <> credit_account AND key <> ''
    WHEN 14 THEN is_user(debit_account) AND credit_account = 0 AND key <> ''
    WHEN 15 THEN debit_account <= 9007199254740991 AND credit_account <= 9007199254740991
        AND debit_account <> credit_account AND key <> ''
    WHEN 16 THEN is_user(debit_account) AND credit_account = -2 AND key <> ''
    WHEN 17 THEN debit_account = -2 AND is_user(credit_account) AND key <> ''
    WHEN 18 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 19 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 20 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 21 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    ELSE false END) NOT VALID;
