"""Why plugins could not work: what `hardpoint plugins doctor` looks at. It changes nothing."""
