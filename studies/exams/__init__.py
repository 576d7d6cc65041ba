"""The kinds of exams, one file each: what a model is asked, how it is measured, and how the measurement is shown."""
