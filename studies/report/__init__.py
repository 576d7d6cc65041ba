"""Reports of a study's results: the tables that ``show`` prints, and a self-contained HTML page."""
