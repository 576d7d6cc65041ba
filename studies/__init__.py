"""Studies compare recipes: keys name them, runs make them, exams measure them, statistics judge them."""
