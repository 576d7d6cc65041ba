"""The commands, grouped by what they import: those that only look something up load no torch."""
