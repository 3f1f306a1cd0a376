"""What `make bench` runs: ratios to print, within interleaved runs; nothing is asserted."""
