"""The steps, one file per command, each named like its command."""
