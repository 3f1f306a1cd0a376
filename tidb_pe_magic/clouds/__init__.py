"""One module per remote system: wire to model and errors; no waiting, no printing."""
