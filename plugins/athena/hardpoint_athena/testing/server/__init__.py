"""The stand-in itself: moto's server, with Athena's queries run for real by DuckDB.

What moto lacks and this has: `ClientRequestToken`, states that pass, failures with their place, parameters
that are really substituted, tables made of results, results in pages, unknown ids, stops that leave ended
queries alone.

Runs in an environment of its own, which has moto and DuckDB; nothing of hardpoint is imported here.
"""
