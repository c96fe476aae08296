-- The orders of every region since a day. The VALUES stand for a table, so that the example begins with nothing.
-- Snowflake keeps unquoted names in upper case, and the Python task asks for them as they are quoted here.
select column2 as "region", column3::int as "cents"
from values
    ('2026-01-05', 'north', 12000),
    ('2026-01-17', 'south', 8000),
    ('2026-01-31', 'west', 20000),
    ('2026-02-02', 'south', 30000),
    ('2026-02-14', 'north', 4500),
    ('2026-02-28', 'west', 5500),
    ('2026-03-01', 'north', 20000)
where column1::date >= :since
order by column1
