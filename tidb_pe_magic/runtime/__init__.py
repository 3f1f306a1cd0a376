"""Shared by all steps: the context, the journal, the lock and the waiter."""
