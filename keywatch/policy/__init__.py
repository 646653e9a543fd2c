"""Every rule: pure functions of values and `now`. Nothing here reads a clock, a file or a network."""
