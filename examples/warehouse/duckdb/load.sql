-- `shares` is the table that a Python task returned. Both changes are one transaction, so doing it again does no harm.
CREATE TABLE IF NOT EXISTS region_shares (since DATE, region VARCHAR, share DOUBLE);
DELETE FROM region_shares WHERE since = :since;
INSERT INTO region_shares SELECT :since, region, share FROM shares;
SELECT count(*) AS rows FROM region_shares WHERE since = :since
