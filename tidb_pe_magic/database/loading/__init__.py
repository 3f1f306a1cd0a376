"""Loads frames into tables: values become SQL column by column, and are sent over several connections."""
