"""Figures drawn from committed tables only: the same tables give the same bytes."""
