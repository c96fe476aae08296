-- `shares` is the table that a Python task returned: its rows arrive as JSON text. The destination of the task makes
-- a table of what is selected.
select value:region::varchar as region, value:share::float as share
from table(flatten(input => parse_json(:shares)))
