"""A stand-in for Snowflake on loopback, and faults in front of it."""
