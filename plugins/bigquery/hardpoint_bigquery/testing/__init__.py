"""A stand-in for BigQuery that Google's own client talks to, and a proxy in front that breaks things."""
