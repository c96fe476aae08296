SELECT region, share
FROM region_shares
WHERE since = :since
ORDER BY share DESC, region
LIMIT 1
