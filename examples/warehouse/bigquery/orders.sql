-- The orders of every region since a day. The structs stand for a table, so that the example begins with nothing.
SELECT o.region, o.cents
FROM UNNEST([
    STRUCT(DATE '2026-01-05' AS day, 'north' AS region, 12000 AS cents),
    STRUCT(DATE '2026-01-17', 'south', 8000),
    STRUCT(DATE '2026-01-31', 'west', 20000),
    STRUCT(DATE '2026-02-02', 'south', 30000),
    STRUCT(DATE '2026-02-14', 'north', 4500),
    STRUCT(DATE '2026-02-28', 'west', 5500),
    STRUCT(DATE '2026-03-01', 'north', 20000)
]) AS o
WHERE o.day >= @since
ORDER BY o.day
