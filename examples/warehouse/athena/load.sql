-- `shares` is the table that a Python task returned: its rows arrive as JSON text. The destination of the task makes
-- a table of what is selected.
SELECT region, share
FROM UNNEST(CAST(json_parse(:shares) AS ARRAY(ROW(region varchar, share double)))) AS t (region, share)
