"""What goes wrong, as exceptions."""


class SynclineError(Exception):
    """Something went wrong: a file, a node, a system that is not stable. The message says what, where, and what to do."""


class UsageError(SynclineError, ValueError):
    """It was asked for something that makes no sense, such as a value out of range."""
