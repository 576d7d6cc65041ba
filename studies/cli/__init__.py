"""The commands, grouped by what they import: looking loads no torch."""
