SELECT region, share
FROM {shares}
ORDER BY share DESC, region
LIMIT 1
