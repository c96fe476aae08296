"""A stand-in for Amazon Athena, with faults on demand: what the kit and the tests talk to."""
