-- The orders of every region since a day. The VALUES stand for a table, so that the example begins with nothing.
WITH orders (day, region, cents) AS (
    VALUES
        (DATE '2026-01-05', 'north', 12000),
        (DATE '2026-01-17', 'south', 8000),
        (DATE '2026-01-31', 'west', 20000),
        (DATE '2026-02-02', 'south', 30000),
        (DATE '2026-02-14', 'north', 4500),
        (DATE '2026-02-28', 'west', 5500),
        (DATE '2026-03-01', 'north', 20000)
)
SELECT region, cents
FROM orders
WHERE day >= :since
ORDER BY day
