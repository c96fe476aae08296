"""How often a service may be called: rates per account, for reads and for writes, kept on every call.

gcra, aimd   the two algorithms; rate_state puts them together: pure, times come in as arguments
ledger       where the state of each rate lives; memory_ledger: in this process
turnstile    one rate as the threads of this process pass it; rates: all of them
caller       whose call it is that a thread makes
"""
