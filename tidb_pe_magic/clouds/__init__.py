"""One module per remote system, which converts wire data to the model and to errors; no waiting or output."""
