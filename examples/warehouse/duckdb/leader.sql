-- `shares` is the name of a table here: it is checked, and quoted.
SELECT region, share
FROM {shares}
ORDER BY share DESC, region
LIMIT 1
