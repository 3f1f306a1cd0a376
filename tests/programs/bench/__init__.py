"""`make bench`: printed ratios within interleaved runs, without assertions."""
