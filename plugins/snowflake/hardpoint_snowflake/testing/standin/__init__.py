"""A server that speaks Snowflake's protocol: fakesnow for SQL, and what it lacks: jobs, history, sign-in.

Runs in an environment of its own, which has fakesnow; nothing of hardpoint is imported here.
"""
