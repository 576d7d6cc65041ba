"""What a study shows: the numbers of ``show``, and a self-contained HTML page for reading."""
