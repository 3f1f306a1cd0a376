"""What every step stands on: the context, the journal, the lock and the waiter."""
