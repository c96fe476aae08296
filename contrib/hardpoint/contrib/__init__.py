"""Optional parts of the host: each module is one extra and uses nothing but the public rooms below it."""
