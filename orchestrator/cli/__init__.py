"""The command line: one file a group of verbs; all that prints stands here."""
